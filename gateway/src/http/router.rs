//! Paths and methods of the traffic listener.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::{future::RouteFuture, get, post},
};
use http::{Method, Request};
use hyper::body::Incoming;
use tower::Service as _;

use super::{
    analytics, chat, count_tokens,
    error::{ApiError, Contract},
    generation, generations, health, models, prompts,
    server::Connection,
    sql, status,
};
use crate::{app::App, providers::client::Clients, routing::exchange::Ledger};

/// One traffic thread's share of the gateway.
pub struct Worker {
    pub app: Arc<App>,
    pub ledger: Arc<Ledger>,
    pub clients: Arc<Clients>,
}

/// What answers the requests of a listener.
#[derive(Clone)]
pub struct Front {
    router: Router,
    /// Answers chats without the router, which takes as long to find their handler as everything of ours takes to choose a target.
    chats: Option<Arc<Worker>>,
}

/// The answer to one request under way.
pub enum Answering {
    Chat(Pin<Box<dyn Future<Output = Response> + Send>>),
    Routed(Box<RouteFuture<Infallible>>),
}

impl Front {
    /// The traffic API.
    pub fn traffic(worker: Arc<Worker>) -> Self {
        Self {
            router: router(Arc::clone(&worker)),
            chats: Some(worker),
        }
    }

    pub fn answer(&self, mut request: Request<Incoming>, connection: Connection) -> Answering {
        let chat = self.chats.as_ref().zip(chat_contract(&request));
        if let Some((worker, contract)) = chat {
            let worker = Arc::clone(worker);
            return Answering::Chat(Box::pin(chat::chat(worker, contract, connection, request)));
        }
        request.extensions_mut().insert(connection);
        Answering::Routed(Box::new(self.router.clone().call(request)))
    }
}

impl From<Router> for Front {
    fn from(router: Router) -> Self {
        Self { router, chats: None }
    }
}

impl Future for Answering {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        match &mut *self {
            Self::Chat(chat) => chat.as_mut().poll(context),
            Self::Routed(routed) => Pin::new(&mut **routed).poll(context).map(|Ok(answer)| answer),
        }
    }
}

/// The contract of a request for a chat, where it is one.
fn chat_contract<B>(request: &Request<B>) -> Option<Contract> {
    if request.method() != Method::POST {
        return None;
    }
    match request.uri().path() {
        "/v1/chat/completions" => Some(Contract::OpenAi),
        "/api/v1/chat/completions" => Some(Contract::OpenRouter),
        "/v1/messages" | "/api/v1/messages" => Some(Contract::Anthropic),
        _ => None,
    }
}

/// The traffic API.
fn router(worker: Arc<Worker>) -> Router {
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
            post(move |State(worker): Worked, request: Request<Body>| routed_chat(worker, contract, request)),
        )
        .route(
            &path("/messages"),
            post(|State(worker): Worked, request: Request<Body>| routed_chat(worker, Contract::Anthropic, request)),
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

/// A chat that came through the router.
fn routed_chat(
    worker: Arc<Worker>,
    contract: Contract,
    request: Request<Body>,
) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    let connection = Connection::in_extensions(request.extensions());
    Box::pin(chat::chat(worker, contract, connection, request))
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
