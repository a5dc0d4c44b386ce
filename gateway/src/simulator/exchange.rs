//! One request to a vendor's endpoint: noted, read, answered as the behaviour says.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use super::Settings;
use super::behaviour::{Behaviour, Fault};
use super::delivery::Delivery;
use super::endpoint::{Circumstances, Endpoint, Failure, Fields, Reason};
use super::journal::{Entry, Journal, Outcome};
use super::server::Connection;
use super::{answer, script};

const PAGE: &str =
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
/// Chooses a behaviour for one request.
const SIMULATE: &str = "x-simulate";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub settings: Arc<Settings>,
    pub journal: Arc<Journal>,
}

/// All that is decided before the first byte goes out.
struct Prepared<E: Endpoint> {
    behaviour: Behaviour,
    fault: Option<Fault>,
    model: String,
    stream: bool,
    answer: E::Answer,
}

/// Answers a request to this endpoint.
pub(crate) async fn answer<E: Endpoint>(
    State(shared): State<Shared>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = (shared.settings.clock)();
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return failed(E::failure(&E::refuse(unread(&rejection)), "req_0")),
    };
    let fields = admitted::<E>(&shared, &headers, &body);
    let model = fields
        .as_ref()
        .ok()
        .and_then(|fields| E::model(fields).ok())
        .unwrap_or_default();
    let entry = shared.journal.enter(now, E::PATH, model, &headers, &body);
    let prepared = fields.and_then(|fields| prepare::<E>(&shared, &entry, &headers, &body, &fields));
    let id = format!("req_{now:016x}{:016x}", entry.number);
    let delivery = Delivery {
        entry,
        connection,
        clock: shared.settings.clock,
    };
    let mut response = match prepared {
        Ok(prepared) => respond(delivery, prepared, &id).await,
        Err(refusal) => refused::<E>(&delivery, &refusal, &id),
    };
    for (name, value) in E::headers(&id) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The fields of a request whose key and size are in order.
fn admitted<E: Endpoint>(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Fields, E::Refusal> {
    if body.len() > E::MOST_BODY_BYTES {
        let text = "Request exceeds the maximum size".to_owned();
        return Err(E::refuse(Reason::Body(StatusCode::PAYLOAD_TOO_LARGE, text)));
    }
    E::admit(headers, shared.settings.api_key.as_deref())?;
    serde_json::from_slice(body).map_err(|_| E::refuse(Reason::NotJson))
}

fn prepare<E: Endpoint>(
    shared: &Shared,
    entry: &Entry,
    headers: &HeaderMap,
    body: &Bytes,
    fields: &Fields,
) -> Result<Prepared<E>, E::Refusal> {
    let settings = &shared.settings;
    let model = E::model(fields)?;
    let behaviour = behaviour::<E>(settings, model, headers)?;
    let mut request = E::read(fields, headers, behaviour.lenient)?;
    if behaviour.echo {
        E::ask(&mut request).echo = echo(E::PATH, headers, body);
    }
    let fault = behaviour.fault_of(settings.seed, entry.number_of_model);
    // An oversized answer is made by the fault that befalls this very request.
    let behaviour = Behaviour { fault, ..behaviour };
    let choices = answer::answer(settings.seed, E::ask(&mut request), &behaviour)
        .map_err(|error| E::refuse(Reason::Schema(error.to_string())))?;
    let circumstances = Circumstances {
        seed: settings.seed,
        number: entry.number,
        now_unix_seconds: (settings.clock)() / 1_000_000,
        behaviour: &behaviour,
    };
    Ok(Prepared {
        fault,
        model: model.to_owned(),
        stream: E::streams(&request),
        answer: E::answer(request, choices, &circumstances),
        behaviour,
    })
}

/// The behaviour that the settings, the model's name and the header choose, in this order.
fn behaviour<E: Endpoint>(settings: &Settings, model: &str, headers: &HeaderMap) -> Result<Behaviour, E::Refusal> {
    let behaviour = settings.behaviour.clone().with_model(model);
    let behaviour = behaviour.map_err(|_| E::refuse(Reason::UnknownModel(model)))?;
    let wishes = headers
        .get(SIMULATE)
        .map(|value| value.to_str().unwrap_or("?"))
        .unwrap_or_default();
    behaviour
        .with_header(wishes)
        .map_err(|error| E::refuse(Reason::Header(SIMULATE, error.to_string())))
}

/// Acts on the faults that come before the headers, and begins to answer.
async fn respond<E: Endpoint>(delivery: Delivery, prepared: Prepared<E>, id: &str) -> Response {
    let Prepared {
        behaviour,
        fault,
        model,
        stream,
        answer,
    } = prepared;
    if !stream && behaviour.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    let fault_of = |status| {
        E::refuse(Reason::Fault {
            status,
            model: &model,
            behaviour: &behaviour,
        })
    };
    match fault {
        Some(Fault::Status(status)) => return refused::<E>(&delivery, &fault_of(status), id),
        Some(Fault::ErrorEvent { .. }) if !stream => return refused::<E>(&delivery, &fault_of(500), id),
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
        let (length, steps) = script::whole(&E::whole(&answer), &behaviour, fault, E::GARBAGE);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_LENGTH, length.into()),
        ];
        return (headers, delivery.body(steps)).into_response();
    }
    let error = E::error_event(&fault_of(500), id);
    let steps = script::stream(E::frames(&answer), &behaviour, fault, &E::garbage(), error);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, delivery.body(steps)).into_response()
}

fn refused<E: Endpoint>(delivery: &Delivery, refusal: &E::Refusal, id: &str) -> Response {
    let failure = E::failure(refusal, id);
    delivery.entry.answered(failure.status);
    delivery.entry.ended(Outcome::Complete);
    failed(failure)
}

/// An error as a response.
pub(crate) fn failed(failure: Failure) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (failure.status, json, failure.body).into_response();
    if let Some(seconds) = failure.retry_after_seconds {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn unread(rejection: &BytesRejection) -> Reason<'static> {
    Reason::Body(rejection.status(), rejection.body_text())
}

/// The request as it came in, as one JSON object: its body is not re-written.
fn echo(path: &str, headers: &HeaderMap, body: &Bytes) -> String {
    let headers = json!(super::journal::without_secrets(headers));
    format!(
        r#"{{"path":"{path}","headers":{headers},"body":{}}}"#,
        String::from_utf8_lossy(body)
    )
}
