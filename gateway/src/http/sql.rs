//! `POST /system/sql`: a read-only query of an administrator.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::snapshot::Role;
use http::Request;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use super::{
    analytics::ask,
    authenticate::authorize,
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::analytics::sql::Answer;

const BODY_BYTES: usize = 64 * 1024;

/// What is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
}

pub(super) async fn sql(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    answer(&worker, request)
        .await
        .map_or_else(|error| error.respond(contract), |answer| Json(answer).into_response())
}

async fn answer(worker: &Worker, request: Request<Body>) -> Result<Answer, ApiError> {
    let (parts, body) = request.into_parts();
    let remote = Connection::of(&parts).remote.ip();
    let caller = authorize(&worker.app.config.load(), &parts.headers, remote, Role::Admin)?;
    let body = Limited::new(body, BODY_BYTES).collect().await;
    let body =
        body.map_err(|_| ApiError::invalid("sql", format!("The body must come, and be at most {BODY_BYTES} bytes.")))?;
    let Question { sql } = serde_json::from_slice(&body.to_bytes())
        .map_err(|error| ApiError::invalid("sql", format!("The body must be {{\"sql\": \"SELECT ...\"}}: {error}.")))?;
    let namespace = caller.confined_to().map(str::to_owned);
    worker.app.queue.flush().await;
    ask(worker, move |analytics| analytics.sql(&sql, namespace.as_deref())).await
}
