//! `POST /messages/count_tokens`: asked of a target that can count, estimated otherwise.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::provider::Dialect;
use http::Request;
use serde_json::json;

use super::{
    authenticate::authenticate,
    body::read_body,
    chat::select,
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::{
    providers::{
        dialect::anthropic::request::{MessagesRequest, Purpose},
        front::ClientRequest,
    },
    routing::{count::count, whole::estimated_tokens},
};

pub(super) async fn count_tokens(worker: Arc<Worker>, request: Request<Body>) -> Response {
    match answer(&worker, request).await {
        Ok(answer) => answer,
        Err(error) => error.respond(Contract::Anthropic),
    }
}

async fn answer(worker: &Worker, request: Request<Body>) -> Result<Response, ApiError> {
    let config = worker.app.config.load_full();
    let (parts, body) = request.into_parts();
    let caller = authenticate(&config, &parts.headers, Connection::of(&parts).remote.ip())?;
    let body = read_body(body, &parts.headers).await?;
    let scanned = MessagesRequest::scan(body, &parts.headers, Purpose::Count);
    let mut request = ClientRequest::Anthropic(scanned.map_err(|error| ApiError::from(&error))?);
    let route = select(&config, &caller, &mut request)?;
    if route.targets.is_empty() {
        return Err(ApiError::no_target(&route.name));
    }
    let counter = route.targets.iter().find(|target| target.dialect == Dialect::Anthropic);
    if let Some(target) = counter {
        match count(&worker.clients, target, &request).await {
            Ok(tokens) => return Ok(Json(json!({ "input_tokens": tokens })).into_response()),
            Err(failure) if failure.is_clients_own() || failure.is_unasked() => {
                return Err(ApiError::upstream(target, &failure, 1));
            }
            // An estimate is better than none, and says that it is one.
            Err(_) => {}
        }
    }
    let tokens = estimated_tokens(request.prompt_bytes());
    Ok(Json(json!({ "input_tokens": tokens, "estimated": true })).into_response())
}
