//! Paths and methods of the traffic listener.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use http::Request;

use super::{
    analytics, chat, count_tokens,
    error::{ApiError, Contract},
    generation, generations, health, models, prompts, sql, status,
};
use crate::{app::App, providers::client::Clients, routing::exchange::Ledger};

/// One traffic thread's share of the gateway.
pub struct Worker {
    pub app: Arc<App>,
    pub ledger: Arc<Ledger>,
    pub clients: Arc<Clients>,
}

/// The traffic API.
pub fn router(worker: Arc<Worker>) -> Router {
    Router::new()
        .merge(api("/v1", Contract::OpenAi))
        .merge(api("/api/v1", Contract::OpenRouter))
        .route("/health", get(health::health))
        .route("/health/storage", get(health::storage))
        .route("/status", get(status::status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(worker)
}

type Worked = State<Arc<Worker>>;

fn api(prefix: &str, contract: Contract) -> Router<Arc<Worker>> {
    let path = |path: &str| format!("{prefix}{path}");
    Router::new()
        .route(
            &path("/chat/completions"),
            post(move |State(worker): Worked, request: Request<Body>| Box::pin(chat::chat(worker, contract, request))),
        )
        .route(
            &path("/messages"),
            post(|State(worker): Worked, request: Request<Body>| {
                Box::pin(chat::chat(worker, Contract::Anthropic, request))
            }),
        )
        .route(
            &path("/messages/count_tokens"),
            post(|State(worker): Worked, request: Request<Body>| count_tokens::count_tokens(worker, request)),
        )
        .route(
            &path("/models"),
            get(move |State(worker): Worked, request: Request<Body>| async move {
                models::list(&worker, contract, &request)
            }),
        )
        .route(
            // A model's name may hold slashes.
            &path("/models/{*id}"),
            get(
                move |State(worker): Worked, Path(id): Path<String>, request: Request<Body>| async move {
                    models::one(&worker, contract, &id, &request)
                },
            ),
        )
        .route(
            &path("/prompts"),
            get(move |State(worker): Worked, request: Request<Body>| async move {
                prompts::list(&worker, contract, &request)
            }),
        )
        .route(
            // A prompt's name may hold a slash, and its revisions and the like are below it.
            &path("/prompts/{*rest}"),
            get(
                move |State(worker): Worked, Path(rest): Path<String>, request: Request<Body>| {
                    prompts::get(worker, contract, rest, request)
                },
            )
            .post(
                move |State(worker): Worked, Path(rest): Path<String>, request: Request<Body>| {
                    prompts::post(worker, contract, rest, request)
                },
            ),
        )
        .route(
            &path("/generation"),
            get(move |State(worker): Worked, request: Request<Body>| generation::generation(worker, contract, request)),
        )
        .route(
            &path("/generations"),
            get(move |State(worker): Worked, request: Request<Body>| generations::list(worker, contract, request))
                .delete(move |State(worker): Worked, request: Request<Body>| {
                    generations::delete(worker, contract, request)
                }),
        )
        .route(
            &path("/system/sql"),
            post(move |State(worker): Worked, request: Request<Body>| sql::sql(worker, contract, request)),
        )
        .route(
            &path("/system/analytics"),
            get(move |State(worker): Worked, request: Request<Body>| analytics::system(worker, contract, request)),
        )
        .route(&path("/health"), get(health::health))
        .route(&path("/health/storage"), get(health::storage))
        .route(&path("/status"), get(status::status))
}

fn contract_of(request: &Request<Body>) -> Contract {
    let path = request.uri().path();
    if path.starts_with("/v1/messages") || path.starts_with("/api/v1/messages") {
        Contract::Anthropic
    } else if path.starts_with("/api/v1/") {
        Contract::OpenRouter
    } else {
        Contract::OpenAi
    }
}

async fn not_found(request: Request<Body>) -> Response {
    let what = format!("There is nothing at {} {}.", request.method(), request.uri().path());
    ApiError::not_found(&what).respond(contract_of(&request))
}

async fn method_not_allowed(request: Request<Body>) -> Response {
    ApiError::method_not_allowed().respond(contract_of(&request))
}
