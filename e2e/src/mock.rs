//! A stand-in provider that speaks `OpenAI`'s chat completions and costs next to nothing: bare hyper, no JSON parser, no state.
//!
//! It is the upstream of the benchmarks, where `route-switch simulate` would be measured along with the gateway. Every answer
//! carries the mark of its request, so that an answer that reaches the wrong client cannot pass.

mod answer;
mod chunks;

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub use answer::{MARK_DIGITS, MARK_OPEN};
use chunks::Chunks;

/// What a streamed answer looks like.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// Chunks with content in one answer.
    pub chunks: usize,
    /// Wait between two of them; the timer rounds it up to a millisecond.
    pub gap: Duration,
}

type Body = Either<Full<Bytes>, Chunks>;

/// Answers until the task is dropped.
pub async fn serve(listener: TcpListener, streams: Streams) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("failed to accept a connection")?;
        stream.set_nodelay(true).context("failed to set TCP_NODELAY")?;
        tokio::spawn(async move {
            let service = service_fn(move |request| answer_request(request, streams));
            // A connection that its peer resets is that peer's affair: the loader counts what it lost.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer_request(request: Request<Incoming>, streams: Streams) -> Result<Response<Body>, Infallible> {
    let Ok(body) = request.into_body().collect().await else {
        return Ok(refuse("the request broke off"));
    };
    let body = body.to_bytes();
    let Some(asked) = answer::read_request(&body) else {
        return Ok(refuse("the request carries no mark [[16 digits]]"));
    };
    if asked.stream {
        let body = Chunks::new(asked.mark, asked.include_usage, streams);
        return Ok(respond(StatusCode::OK, "text/event-stream", Either::Right(body)));
    }
    let body = Either::Left(Full::new(answer::completion(asked.mark)));
    Ok(respond(StatusCode::OK, "application/json", body))
}

fn refuse(why: &str) -> Response<Body> {
    let text = format!(r#"{{"error":{{"message":"{why}","type":"invalid_request_error","param":null,"code":null}}}}"#);
    let body = Either::Left(Full::new(Bytes::from(text)));
    respond(StatusCode::BAD_REQUEST, "application/json", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
