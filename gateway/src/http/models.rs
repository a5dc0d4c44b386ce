//! `GET /models` and `GET /models/{id}`: the Routes that a key may use, in `OpenAI`'s list shape with `OpenRouter`'s fields; for
//! clients that send `anthropic-version`, in `Anthropic`'s.

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
use crate::{
    config::resolved::{Caller, Config, Route},
    providers::dialect::anthropic::VERSION_HEADER,
};

pub(super) fn list(worker: &Worker, contract: Contract, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    let contract = contract_of(contract, request);
    match caller_of(&config, request) {
        Err(error) => error.respond(contract),
        Ok(caller) => {
            let routes = config.routes_of(&caller).into_iter();
            let data: Vec<Value> = routes
                .map(|(name, route)| describe(&name, route, worker, contract))
                .collect();
            let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
            let list = match contract {
                Contract::Anthropic => json!({
                    "first_id": id(data.first()), "last_id": id(data.last()), "has_more": false, "data": data,
                }),
                Contract::OpenAi | Contract::OpenRouter => json!({ "object": "list", "data": data }),
            };
            Json(list).into_response()
        }
    }
}

pub(super) fn one(worker: &Worker, contract: Contract, id: &str, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    let contract = contract_of(contract, request);
    let found = caller_of(&config, request)
        .and_then(|caller| config.route(&caller, id).ok_or_else(|| ApiError::model_not_found(id)));
    match found {
        Err(error) => error.respond(contract),
        Ok(route) => Json(describe(id, route, worker, contract)).into_response(),
    }
}

fn caller_of(config: &Config, request: &Request<Body>) -> Result<Caller, ApiError> {
    let remote = Connection::in_extensions(request.extensions()).remote.ip();
    authenticate(config, request.headers(), remote)
}

/// Which shape the client reads.
fn contract_of(contract: Contract, request: &Request<Body>) -> Contract {
    if request.headers().contains_key(VERSION_HEADER) {
        Contract::Anthropic
    } else {
        contract
    }
}

/// The time is when this gateway started: a Route in a file has none of its own.
fn describe(name: &str, route: &Route, worker: &Worker, contract: Contract) -> Value {
    let started = worker.app.started;
    if contract == Contract::Anthropic {
        return json!({
            "id": name,
            "type": "model",
            "display_name": name,
            "lifecycle": "active",
            "created_at": started.to_string(),
            "max_input_tokens": route.context_tokens,
            "max_tokens": route.max_output_tokens,
        });
    }
    json!({
        "id": name,
        "object": "model",
        "created": started.as_second(),
        "owned_by": route.object.namespace,
        "name": name,
        "canonical_slug": route.model,
        "context_length": route.context_tokens,
        "top_provider": { "context_length": route.context_tokens, "max_completion_tokens": route.max_output_tokens },
    })
}
