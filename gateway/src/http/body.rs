//! Bodies of requests, bounded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use super::error::ApiError;
use crate::providers::body::detached;

/// Longest request body, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Memory that is taken for a body at most because its head says that it is as long.
const MAX_TRUSTED_BYTES: usize = 1024 * 1024;
/// How much more of a body that is too long is read, and for how long.
const MAX_DISCARDED_BYTES: usize = 128 * 1024 * 1024;
const MAX_DISCARDING: Duration = Duration::from_secs(10);

/// Reads a request's body. One that is too long is read all the same, within bounds, and thrown away: a client that is still
/// sending when the connection closes would not see the answer.
pub(super) async fn read_body<B>(mut body: B, headers: &HeaderMap) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_none_or(|length| length <= MAX_BODY_BYTES) {
        match read(&mut body, declared.unwrap_or_default()).await {
            Ok(Some(whole)) => return Ok(whole),
            Ok(None) => {}
            Err(_) => return Err(ApiError::body_broken()),
        }
    }
    let discarded = Limited::new(body, MAX_DISCARDED_BYTES);
    // However the rest ends, the answer is the same.
    let _ = timeout(MAX_DISCARDING, discard(discarded)).await;
    Err(ApiError::body_too_long(MAX_BODY_BYTES))
}

/// The whole body; none when it is too long. What comes at once and is long stays where it was read. All else is put together as it comes, so
/// that the connection can use its buffer again.
async fn read<B>(body: &mut B, declared: usize) -> Result<Option<Bytes>, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let length = first.len() + whole.len() + data.len();
        if length > MAX_BODY_BYTES {
            return Ok(None);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(declared.min(MAX_TRUSTED_BYTES).max(length));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(if whole.is_empty() {
        detached(first)
    } else {
        whole.freeze()
    }))
}

async fn discard<B>(mut body: Limited<B>)
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream;
    use http::HeaderValue;

    use super::*;
    use crate::providers::body::COPIED_BYTES;

    fn body(parts: &[&'static str]) -> Body {
        let parts: Vec<Result<_, std::io::Error>> = parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part.as_bytes())))
            .collect();
        Body::from_stream(stream::iter(parts))
    }

    fn declaring(length: usize) -> HeaderMap {
        [(header::CONTENT_LENGTH, HeaderValue::from(length))]
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn a_body_is_whole_however_it_comes() {
        for parts in [&[][..], &["abcdef"], &["", "abc", "", "def", ""], &["a", "b", "cdef"]] {
            for headers in [HeaderMap::new(), declaring(6), declaring(3)] {
                let whole = read_body(body(parts), &headers).await.unwrap();
                assert_eq!(whole, parts.concat(), "{parts:?}");
            }
        }
        for (length, is_copied) in [(COPIED_BYTES, true), (COPIED_BYTES + 1, false)] {
            let text = Bytes::from(vec![b'x'; length]);
            let whole = read_body(Body::from(text.clone()), &HeaderMap::new()).await.unwrap();
            assert_eq!(whole, text);
            assert_eq!(whole.as_ptr() != text.as_ptr(), is_copied, "{length}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_whether_it_says_so_or_not() {
        let part = Bytes::from(vec![b' '; MAX_BODY_BYTES / 2]);
        let parts = |count| Body::from_stream(stream::iter(vec![Ok::<_, Infallible>(part.clone()); count]));
        assert_eq!(
            read_body(parts(2), &HeaderMap::new()).await.unwrap().len(),
            MAX_BODY_BYTES
        );
        assert!(read_body(parts(3), &HeaderMap::new()).await.is_err());
        assert!(read_body(parts(1), &declaring(MAX_BODY_BYTES + 1)).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let parts = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))];
        let broken = Body::from_stream(stream::iter(parts));
        assert!(read_body(broken, &HeaderMap::new()).await.is_err());
    }
}
