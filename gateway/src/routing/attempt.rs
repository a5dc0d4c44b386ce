//! One request to one target: sent, and answered with a status that is worth reading on.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::exchange::Exchange;
use crate::{
    config::resolved::Target,
    providers::{
        client::{Client, Clients, ConnectTimedOut},
        failure::Failure,
        front::ClientRequest,
        upstream_error::UpstreamError,
    },
};

/// Longest error body that is read, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The header that carries a credential.
pub type Credential = (HeaderName, HeaderValue);

/// When an attempt must have come how far.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub begun: Instant,
    pub first_token: Instant,
    pub total: Instant,
    pub idle: Duration,
}

impl Deadlines {
    pub fn from_now(target: &Target) -> Self {
        let now = Instant::now();
        let total = now + target.timeouts.total;
        Self {
            begun: now,
            first_token: (now + target.timeouts.first_token).min(total),
            total,
            idle: target.timeouts.idle,
        }
    }

    /// When the next read must have come, and what it means if it has not.
    pub fn next_read(&self, now: Instant) -> Instant {
        (now + self.idle).min(self.total)
    }
}

/// Sends the request and waits for the head of the answer.
pub async fn send(
    clients: &Clients,
    target: &Target,
    credential: Option<&Credential>,
    request: &ClientRequest,
    exchange: &Exchange,
    deadlines: &Deadlines,
) -> Result<Response<Incoming>, Failure> {
    let body = request.body_for(target)?;
    let mut headers = headers_for(target, credential, request);
    exchange.propagate(&mut headers);
    post(
        clients,
        target,
        target.destination.uri.clone(),
        headers,
        body,
        deadlines,
    )
    .await
}

/// The headers of a request to a target.
pub fn headers_for(target: &Target, credential: Option<&Credential>, request: &ClientRequest) -> HeaderMap {
    let mut headers = target.destination.headers.clone();
    if let Some((name, value)) = credential {
        headers.insert(name, value.clone());
    }
    request.add_headers(target, &mut headers);
    headers
}

/// Sends a body to a target's provider and waits for the head of the answer.
pub async fn post(
    clients: &Clients,
    target: &Target,
    uri: Uri,
    mut headers: HeaderMap,
    body: Vec<Bytes>,
    deadlines: &Deadlines,
) -> Result<Response<Incoming>, Failure> {
    let client: Client = clients.with_connect_timeout(target.timeouts.connect);
    let length: usize = body.iter().map(Bytes::len).sum();
    if let Ok(length) = HeaderValue::from_str(itoa::Buffer::new().format(length)) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    let mut outgoing = Request::new(body.into());
    *outgoing.method_mut() = Method::POST;
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers;
    let answer = timeout_at(deadlines.first_token, client.request(outgoing)).await;
    let answer = answer.map_err(|_| Failure::FirstTokenTimeout(target.timeouts.first_token))?;
    let answer = answer.map_err(|error| connection_failure(&error))?;
    if answer.status() == StatusCode::OK {
        Ok(answer)
    } else {
        Err(refusal(answer, deadlines).await)
    }
}

/// Whether the answer is of the media type that was asked for.
pub fn check_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Failure> {
    let found = headers
        .get(header::CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or("?"));
    let media_type = found.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(Failure::ContentType(found.chars().take(100).collect()))
    }
}

fn connection_failure(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(ConnectTimedOut(after)) = cause.downcast_ref() {
            return Failure::ConnectTimeout(*after);
        }
        text = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() {
        Failure::Connect(text)
    } else {
        Failure::Broken(text)
    }
}

async fn refusal(answer: Response<Incoming>, deadlines: &Deadlines) -> Failure {
    let (parts, mut body) = answer.into_parts();
    let mut text = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout_at(deadlines.next_read(Instant::now()), body.frame()).await {
        text.extend_from_slice(frame.data_ref().map_or(&[], |data: &Bytes| data));
        if text.len() > MAX_ERROR_BYTES {
            break;
        }
    }
    Failure::Status {
        status: parts.status.as_u16(),
        retry_after: retry_after(&parts.headers),
        error: Box::new(UpstreamError::read(&text)),
    }
}

/// `Retry-After` in seconds; the form with a date is not used by providers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse::<f64>()
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
