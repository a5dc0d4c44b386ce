//! Bodies of requests, bounded.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::error::ApiError;

/// Longest request body, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// How much more of a body that is too long is read, and for how long.
const MAX_DISCARDED_BYTES: usize = 128 * 1024 * 1024;
const MAX_DISCARDING: Duration = Duration::from_secs(10);

/// Reads a request's body. One that is too long is read all the same, within bounds, and thrown away: a client that is still
/// sending when the connection closes would not see the answer.
pub(super) async fn read_body(mut body: Body, headers: &HeaderMap) -> Result<Bytes, ApiError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_none_or(|length| length <= MAX_BODY_BYTES) {
        match Limited::new(&mut body, MAX_BODY_BYTES).collect().await {
            Ok(collected) => return Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {}
            Err(_) => return Err(ApiError::body_broken()),
        }
    }
    let discarded = Limited::new(body, MAX_DISCARDED_BYTES);
    // However the rest ends, the answer is the same.
    let _ = timeout(MAX_DISCARDING, discard(discarded)).await;
    Err(ApiError::body_too_long(MAX_BODY_BYTES))
}

async fn discard(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}
