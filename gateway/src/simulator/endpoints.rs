//! The HTTP surface: the vendor's endpoints, and the simulator's own for tests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::Settings;
use super::behaviour::{Behaviour, Fault};
use super::delivery::Delivery;
use super::journal::{Entry, Journal, Outcome};
use super::openai::completion::Completion;
use super::openai::refusal::Refusal;
use super::openai::{models, request};
use super::random::Random;
use super::server::Connection;
use super::{answer, script};

const MOST_REQUEST_BYTES: usize = 64 * 1024 * 1024;
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
/// Chooses a behaviour for one request.
const SIMULATE: &str = "x-simulate";

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    journal: Arc<Journal>,
}

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
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{id}", get(one_model))
        .route("/_simulator/requests", get(requests))
        .route(
            "/_simulator/stats",
            get(async |State(shared): State<Shared>| Json(shared.journal.stats())),
        )
        .route("/_simulator/release", post(release))
        .fallback(async |method: Method, uri: Uri| Refusal::no_such_url(method.as_str(), uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            Refusal::wrong_method(method.as_str(), uri.path())
        })
        .layer(DefaultBodyLimit::max(MOST_REQUEST_BYTES))
        .with_state(Shared {
            settings: Arc::new(settings),
            journal,
        })
}

async fn chat(
    State(shared): State<Shared>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = (shared.settings.clock)();
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return Refusal::body(rejection.status(), rejection.body_text()).into_response(),
    };
    let fields = authorized(&shared, &headers).and_then(|()| request::fields(&body));
    let model = fields
        .as_ref()
        .ok()
        .and_then(|fields| request::model(fields).ok())
        .unwrap_or_default();
    let entry = shared.journal.enter(now, model, &headers, &body);
    let prepared = fields.and_then(|fields| prepare(&shared, &entry, &headers, &body, &fields));
    let number = entry.number;
    let delivery = Delivery {
        entry,
        connection,
        clock: shared.settings.clock,
    };
    let mut response = match prepared {
        Ok(prepared) => respond(delivery, prepared).await,
        Err(refusal) => refused(&delivery, refusal),
    };
    let id =
        HeaderValue::from_str(&format!("req_{now:016x}{number:016x}")).unwrap_or(HeaderValue::from_static("req_0"));
    response.headers_mut().insert("x-request-id", id);
    response
        .headers_mut()
        .insert("openai-version", HeaderValue::from_static("2020-10-01"));
    response
}

/// All that is decided before the first byte goes out.
struct Prepared {
    behaviour: Behaviour,
    fault: Option<Fault>,
    stream: bool,
    completion: Completion,
}

fn prepare(
    shared: &Shared,
    entry: &Entry,
    headers: &HeaderMap,
    body: &Bytes,
    fields: &request::Fields,
) -> Result<Prepared, Refusal> {
    let settings = &shared.settings;
    let model = request::model(fields)?;
    let behaviour = settings
        .behaviour
        .clone()
        .with_model(model)
        .map_err(|_| Refusal::unknown_model(model))?;
    let wishes = headers
        .get(SIMULATE)
        .map(|value| value.to_str().unwrap_or("?"))
        .unwrap_or_default();
    let behaviour = behaviour
        .with_header(wishes)
        .map_err(|error| Refusal::invalid(format!("{SIMULATE}: {error}"), SIMULATE))?;
    let mut request = request::read(fields, behaviour.lenient)?;
    if behaviour.echo {
        request.ask.echo = echo(headers, body);
    }
    let fault = behaviour.fault_of(settings.seed, entry.number_of_model);
    // An oversized answer is made by the fault that befalls this very request.
    let behaviour = Behaviour { fault, ..behaviour };
    let choices = answer::answer(settings.seed, &request.ask, &behaviour)
        .map_err(|error| Refusal::invalid(format!("Invalid schema: {error}."), "response_format"))?;
    let completion = Completion {
        id: format!("chatcmpl-{}", Random::of(settings.seed, &[entry.number]).letters(29)),
        created: (settings.clock)() / 1_000_000,
        fingerprint: format!("fp_{}", Random::of(settings.seed, &[]).hex(10)),
        usage: (!behaviour.no_usage).then(|| Completion::usage(&request, &choices, behaviour.cached_tokens)),
        choices,
        request,
    };
    Ok(Prepared {
        fault,
        stream: completion.request.stream,
        behaviour,
        completion,
    })
}

/// Acts on the faults that come before the headers, and begins to answer.
async fn respond(delivery: Delivery, prepared: Prepared) -> Response {
    let Prepared {
        behaviour,
        fault,
        stream,
        completion,
    } = prepared;
    if !stream && behaviour.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    match fault {
        Some(Fault::Status(status)) => {
            return refused(&delivery, Refusal::fault(status, &completion.request.model, &behaviour));
        }
        Some(Fault::ErrorEvent { .. }) if !stream => return refused(&delivery, Refusal::fault(500, "", &behaviour)),
        Some(Fault::Break { how, after: None }) => {
            delivery.entry.unanswered();
            delivery.stop(how).await;
        }
        Some(Fault::Html) => {
            delivery.entry.answered(StatusCode::OK);
            delivery.entry.ended(Outcome::Complete);
            return ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response();
        }
        _ => {}
    }
    delivery.entry.answered(StatusCode::OK);
    if !stream {
        let (length, steps) = script::whole(&completion.body(), &behaviour, fault);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_LENGTH, length.into()),
        ];
        return (headers, delivery.body(steps)).into_response();
    }
    let (garbage, error) = (
        Completion::event(script::GARBAGE),
        Completion::event(&Refusal::fault(500, "", &behaviour).body_text()),
    );
    let steps = script::stream(completion.frames(), &behaviour, fault, &garbage, error);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, delivery.body(steps)).into_response()
}

fn refused(delivery: &Delivery, refusal: Refusal) -> Response {
    delivery.entry.answered(refusal.status);
    delivery.entry.ended(Outcome::Complete);
    refusal.into_response()
}

/// The request as it came in, as one JSON object: its body is not re-written.
fn echo(headers: &HeaderMap, body: &Bytes) -> String {
    let headers = json!(super::journal::without_secrets(headers));
    format!(
        r#"{{"path":"/v1/chat/completions","headers":{headers},"body":{}}}"#,
        String::from_utf8_lossy(body)
    )
}

fn authorized(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(key) = &shared.settings.api_key else {
        return Ok(());
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match given {
        None => Err(Refusal::no_key()),
        Some(given) if given == key => Ok(()),
        Some(given) => Err(Refusal::wrong_key(given)),
    }
}

async fn list_models(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    authorized(&shared, &headers)?;
    Ok(Json(models::list()).into_response())
}

async fn one_model(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    authorized(&shared, &headers)?;
    let known = Behaviour::default().with_model(&id).is_ok();
    if known {
        Ok(Json(models::one(&id)).into_response())
    } else {
        Err(Refusal::unknown_model(&id))
    }
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
