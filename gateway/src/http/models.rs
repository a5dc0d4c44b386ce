//! `GET /models` and `GET /models/{id}`: the Routes that a key may use, in `OpenAI`'s list shape with `OpenRouter`'s fields.

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use http::Request;
use serde_json::{Value, json};

use super::{
    authenticate::authenticate,
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::config::resolved::{Caller, Config, Route};

pub(super) fn list(worker: &Worker, contract: Contract, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    match caller_of(&config, request) {
        Err(error) => error.respond(contract),
        Ok(caller) => {
            let created = worker.app.started.as_second();
            let data: Vec<Value> = config
                .routes_of(&caller)
                .into_iter()
                .map(|(name, route)| describe(&name, route, created))
                .collect();
            Json(json!({ "object": "list", "data": data })).into_response()
        }
    }
}

pub(super) fn one(worker: &Worker, contract: Contract, id: &str, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    let found = caller_of(&config, request)
        .and_then(|caller| config.route(&caller, id).ok_or_else(|| ApiError::model_not_found(id)));
    match found {
        Err(error) => error.respond(contract),
        Ok(route) => Json(describe(id, route, worker.app.started.as_second())).into_response(),
    }
}

fn caller_of(config: &Config, request: &Request<Body>) -> Result<Caller, ApiError> {
    let remote = Connection::in_extensions(request.extensions()).remote.ip();
    authenticate(config, request.headers(), remote)
}

/// `created` is when this gateway started: a Route in a file has no time of its own.
fn describe(name: &str, route: &Route, created_unix_seconds: i64) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": created_unix_seconds,
        "owned_by": route.object.namespace,
        "name": name,
        "canonical_slug": route.model,
        "context_length": route.context_tokens,
        "top_provider": { "context_length": route.context_tokens, "max_completion_tokens": route.max_output_tokens },
    })
}
