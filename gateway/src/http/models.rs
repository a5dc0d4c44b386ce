//! `GET /models` and `GET /models/{id}`: the Routes that a key may use, in `OpenAI`'s list shape with `OpenRouter`'s fields; for
//! clients that send `anthropic-version`, in `Anthropic`'s.

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request, header};
use serde_json::{Value, json};

use super::{
    authenticate::authenticate,
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::{
    config::resolved::{Caller, Config, Route},
    providers::{body::Pieces, dialect::anthropic::VERSION_HEADER},
};

/// How long a piece of the list is before the next one begins.
const PIECE_BYTES: usize = 16 * 1024;

pub(super) fn list(worker: &Worker, contract: Contract, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    let contract = contract_of(contract, request);
    match caller_of(&config, request) {
        Err(error) => error.respond(contract),
        Ok(caller) => {
            let routes = config.routes_of(&caller);
            let models = routes
                .iter()
                .map(|(name, route)| describe(name, route, worker, contract));
            let ids = || routes.iter().map(|(name, _)| name);
            let head = match contract {
                Contract::Anthropic => json!({
                    "first_id": ids().next(), "last_id": ids().next_back(), "has_more": false,
                }),
                Contract::OpenAi | Contract::OpenRouter => json!({ "object": "list" }),
            };
            let mut response = Response::new(Body::new(Pieces::from(written(&head, models))));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
    }
}

/// The list, in pieces: as one tree, thousands of Routes took twenty megabytes.
fn written(head: &Value, models: impl Iterator<Item = Value>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut piece = BytesMut::with_capacity(2 * PIECE_BYTES);
    let head = head.to_string();
    piece.put_slice(head.strip_suffix('}').unwrap_or(&head).as_bytes());
    piece.put_slice(b",\"data\":[");
    for (index, model) in models.enumerate() {
        if index > 0 {
            piece.put_u8(b',');
        }
        piece.put_slice(model.to_string().as_bytes());
        if piece.len() >= PIECE_BYTES {
            let full = std::mem::replace(&mut piece, BytesMut::with_capacity(2 * PIECE_BYTES));
            pieces.push(full.freeze());
        }
    }
    piece.put_slice(b"]}");
    pieces.push(piece.freeze());
    pieces
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
            "max_input_tokens": route.settings.context_tokens,
            "max_tokens": route.settings.max_output_tokens,
        });
    }
    json!({
        "id": name,
        "object": "model",
        "created": started.as_second(),
        "owned_by": route.namespace(),
        "name": name,
        "canonical_slug": &*route.model,
        "context_length": route.settings.context_tokens,
        "top_provider": { "context_length": route.settings.context_tokens, "max_completion_tokens": route.settings.max_output_tokens },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_pieces_is_the_list() {
        let models = |count: usize| (0..count).map(|number| json!({ "id": format!("model-{number}") }));
        let head = json!({ "object": "list" });
        for count in [0, 1, 2, 5_000] {
            let pieces = written(&head, models(count));
            assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE_BYTES));
            let read: Value = serde_json::from_slice(&pieces.concat()).unwrap();
            let expected: Vec<Value> = models(count).collect();
            assert_eq!(read, json!({ "object": "list", "data": expected }));
        }
    }
}
