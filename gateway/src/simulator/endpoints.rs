//! The HTTP surface: the vendors' endpoints, and the simulator's own for tests.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::behaviour::Behaviour;
use super::endpoint::Endpoint;
use super::exchange::{self, Shared, failed};
use super::journal::Journal;
use super::{Settings, anthropic, openai};

const MOST_REQUEST_BYTES: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Last {
    last: Option<usize>,
}

#[derive(Deserialize)]
struct Release {
    gate: Option<u64>,
    count: Option<usize>,
}

pub(crate) fn router(settings: Settings, journal: Arc<Journal>) -> Router {
    Router::new()
        .route("/", get(async || "ok"))
        .route(openai::Chat::PATH, post(exchange::answer::<openai::Chat>))
        .route(anthropic::Messages::PATH, post(exchange::answer::<anthropic::Messages>))
        .route(anthropic::Counting::PATH, post(exchange::answer::<anthropic::Counting>))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{id}", get(one_model))
        .route("/_simulator/requests", get(requests))
        .route(
            "/_simulator/stats",
            get(async |State(shared): State<Shared>| Json(shared.journal.stats())),
        )
        .route("/_simulator/release", post(release))
        .fallback(no_such_url)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MOST_REQUEST_BYTES))
        .with_state(Shared {
            settings: Arc::new(settings),
            journal,
        })
}

/// The header by which Anthropic's clients are known where both vendors have the path.
fn of_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key(anthropic::VERSION)
}

async fn list_models(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(page): Query<anthropic::models::Page>,
) -> Response {
    let key = shared.settings.api_key.as_deref();
    if of_anthropic(&headers) {
        return match anthropic::Messages::admit(&headers, key).and_then(|()| anthropic::models::list(&page)) {
            Ok(list) => Json(list).into_response(),
            Err(refusal) => failed(anthropic::Messages::failure(&refusal, "req_0")),
        };
    }
    match openai::Chat::admit(&headers, key) {
        Ok(()) => Json(openai::models::list()).into_response(),
        Err(refusal) => failed(refusal.failure()),
    }
}

async fn one_model(State(shared): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let key = shared.settings.api_key.as_deref();
    let known = Behaviour::default().with_model(&id).is_ok();
    if of_anthropic(&headers) {
        return match anthropic::Messages::admit(&headers, key) {
            Ok(()) if known => Json(anthropic::models::one(&id)).into_response(),
            Ok(()) => failed(anthropic::Messages::failure(
                &anthropic::Refusal::unknown_model(&id),
                "req_0",
            )),
            Err(refusal) => failed(anthropic::Messages::failure(&refusal, "req_0")),
        };
    }
    match openai::Chat::admit(&headers, key) {
        Ok(()) if known => Json(openai::models::one(&id)).into_response(),
        Ok(()) => failed(openai::Refusal::unknown_model(&id).failure()),
        Err(refusal) => failed(refusal.failure()),
    }
}

async fn no_such_url(headers: HeaderMap, method: Method, uri: Uri) -> Response {
    failed(if of_anthropic(&headers) {
        anthropic::Messages::failure(&anthropic::Refusal::no_such_url(), "req_0")
    } else {
        openai::Refusal::no_such_url(method.as_str(), uri.path()).failure()
    })
}

async fn wrong_method(headers: HeaderMap, method: Method, uri: Uri) -> Response {
    failed(if of_anthropic(&headers) {
        anthropic::Messages::failure(&anthropic::Refusal::wrong_method(), "req_0")
    } else {
        openai::Refusal::wrong_method(method.as_str(), uri.path()).failure()
    })
}

async fn requests(State(shared): State<Shared>, Query(Last { last }): Query<Last>) -> Response {
    Json(json!({ "requests": shared.journal.last(last.unwrap_or(usize::MAX)) })).into_response()
}

async fn release(
    State(shared): State<Shared>,
    Query(Release { gate, count }): Query<Release>,
) -> Result<Body, StatusCode> {
    let count = count.unwrap_or(1);
    let gate = shared.journal.gate(gate.unwrap_or(1));
    if count > Semaphore::MAX_PERMITS - gate.available_permits() {
        return Err(StatusCode::BAD_REQUEST);
    }
    gate.add_permits(count);
    Ok(Body::from("released"))
}
