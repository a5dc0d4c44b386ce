//! Who may ask the admin port of a pod: whoever holds the fleet key, and signs. Answers are signed as well.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use crds::fleet::{
    MAX_SNAPSHOT_BYTES, Refusal,
    signature::{self, HEADER, sign},
};
use http::{HeaderValue, Method, StatusCode};
use tokio::{sync::Semaphore, time::timeout};

use crate::fleet::{Fleet, unix_millis};

/// Longest body of a request other than a push, in bytes.
const MAX_SMALL_BYTES: usize = 256 * 1024;
/// Bodies that are read at once: nobody is known before the body is read whole.
const READ_AT_ONCE: usize = 4;
/// How long a body may take, its turn included.
const READING: Duration = Duration::from_secs(10);

/// What the check of signatures needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) fleet: Arc<Fleet>,
    turns: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            turns: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }
}

/// A request that is believed.
struct Verified {
    request: Request,
    path: String,
    /// Its signature.
    asked: String,
}

/// Lets those through that are signed, and signs the answer for whoever asked.
pub(super) async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match verify(&gate, request).await {
        Ok(Verified { request, path, asked }) => answered(&gate.fleet, next.run(request).await, &path, &asked).await,
        Err(refusal) => refusal,
    }
}

/// As [`check`], for an answer that is too long to be signed, and proves itself whole in another way.
pub(super) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match verify(&gate, request).await {
        Ok(Verified { request, .. }) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

async fn verify(gate: &Gate, request: Request) -> Result<Verified, Response> {
    let (parts, body) = request.into_parts();
    let header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let Some(asked) = header.map(str::to_owned) else {
        return Err(refuse(StatusCode::UNAUTHORIZED, signature::Error::Missing.to_string()));
    };
    let body = read(gate, &parts.method, body).await?;
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let verifying = {
        let (fleet, asked, path, method) = (
            Arc::clone(&gate.fleet),
            asked.clone(),
            path.clone(),
            parts.method.clone(),
        );
        let body = body.clone();
        // The digest of a long body takes a while.
        tokio::task::spawn_blocking(move || {
            let request = signature::Request {
                method: method.as_str(),
                path: &path,
                body: &body,
                receiver: &fleet.pod.uid,
            };
            fleet.verify(Some(&asked), request)
        })
    };
    match verifying.await {
        Ok(Ok(())) => Ok(Verified {
            request: Request::from_parts(parts, Body::from(body)),
            path,
            asked,
        }),
        Ok(Err(error)) => Err(refuse(StatusCode::UNAUTHORIZED, error.to_string())),
        Err(_) => Err(refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed to check the signature".to_owned(),
        )),
    }
}

async fn read(gate: &Gate, method: &Method, body: Body) -> Result<Bytes, Response> {
    let limit = if method == Method::PUT {
        MAX_SNAPSHOT_BYTES
    } else {
        MAX_SMALL_BYTES
    };
    let reading = async {
        let _turn = gate.turns.acquire().await;
        to_bytes(body, limit).await
    };
    match timeout(READING, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body broke off, or is longer than {limit} bytes"),
        )),
        Err(_) => Err(refuse(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {READING:?}"),
        )),
    }
}

async fn answered(fleet: &Fleet, answer: Response, path: &str, asked: &str) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, MAX_SNAPSHOT_BYTES).await else {
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the answer is longer than {MAX_SNAPSHOT_BYTES} bytes"),
        );
    };
    let keys = fleet.keys();
    let key = signature::key_of(asked).unwrap_or_else(|| keys.current.id().clone());
    let answer = signature::answer(parts.status.as_str(), path, &body, asked);
    let signed = sign(&keys, &key, answer, unix_millis(), rand::random());
    if let Ok(signed) = HeaderValue::from_str(&signed) {
        parts.headers.insert(HEADER, signed);
    }
    Response::from_parts(parts, Body::from(body))
}

pub(super) fn refuse(status: StatusCode, message: String) -> Response {
    (status, Json(Refusal { message, order: None })).into_response()
}
