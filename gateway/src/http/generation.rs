//! `GET /generation?id=`: what is known of one request, the moment its response has ended.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::snapshot::Role;
use http::Request;
use serde_json::json;

use super::{
    analytics::{Parameters, ask},
    authenticate::authenticate,
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::{analytics::generation::Generation, config::resolved::Caller};

pub(super) async fn generation(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    find(&worker, &request.into_parts().0).await.map_or_else(
        |error| error.respond(contract),
        |found| Json(json!({ "data": found })).into_response(),
    )
}

async fn find(worker: &Worker, parts: &http::request::Parts) -> Result<Generation, ApiError> {
    let caller = authenticate(
        &worker.app.config.load(),
        &parts.headers,
        Connection::of(parts).remote.ip(),
    )?;
    let parameters = Parameters::read(parts.uri.query(), &["id"])?;
    let id = parameters
        .get("id")
        .ok_or_else(|| ApiError::invalid("id", "Missing required parameter: 'id'."))?
        .to_owned();
    let unknown = ApiError::not_found(&format!(
        "There is no generation `{}`.",
        id.chars().take(64).collect::<String>()
    ));
    // What was recorded before this call must be in the store when it is asked.
    worker.app.queue.flush().await;
    let found = ask(worker, move |analytics| analytics.generation(&id)).await?;
    found.filter(|generation| may_see(&caller, generation)).ok_or(unknown)
}

/// A User sees its own requests; a Viewer those of its namespace.
fn may_see(caller: &Caller, generation: &Generation) -> bool {
    let Some(namespace) = caller.confined_to() else {
        return true;
    };
    let is_in_namespace = |name: &Option<String>| {
        name.as_ref()
            .is_some_and(|name| name.starts_with(&format!("{namespace}/")))
    };
    let is_own = generation.key.as_deref() == caller.key_name().map(|name| &**name);
    is_own || caller.role() >= Role::Viewer && (is_in_namespace(&generation.route) || is_in_namespace(&generation.key))
}
