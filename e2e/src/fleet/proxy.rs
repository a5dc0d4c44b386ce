//! A proxy between an operator and the API server that does to both what networks, load and restarts do, after Sieve (OSDI'22).
//!
//! The operator speaks plain HTTP to it, with its token; TLS is between it and the API server. Every fault is one that a client of
//! Kubernetes must bear: an event that is dropped is made up for by a watch that has expired, and an answer may be lost when the
//! write was done.

mod fault;
mod stream;

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::control_plane::ControlPlane;
use fault::{Fault, Faults};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Forwards until it is dropped; without faults, until it is told to disturb.
pub struct Proxy {
    /// For a kubeconfig.
    pub url: String,
    faults: Arc<Faults>,
    task: AbortHandle,
}

/// The way to the API server.
struct Upstream {
    http: reqwest::Client,
    server: &'static str,
    faults: Arc<Faults>,
}

impl Proxy {
    pub async fn start(plane: &ControlPlane) -> anyhow::Result<Self> {
        let authority = reqwest::Certificate::from_pem(&plane.authority()?)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .tls_certs_only([authority]);
        let faults = Arc::new(Faults::default());
        let upstream = Arc::new(Upstream {
            http: http.build()?,
            server: plane.server(),
            faults: Arc::clone(&faults),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let upstream = Arc::clone(&upstream);
                let service = service_fn(move |request| forward(Arc::clone(&upstream), request));
                // An error is a cut, which ends the connection.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self {
            url,
            faults,
            task: task.abort_handle(),
        })
    }

    /// Faults from now on, as the seed has them.
    pub fn disturb(&self, seed: u64) {
        self.faults.disturb(seed);
    }

    /// No more of them.
    pub fn calm(&self) {
        self.faults.calm();
    }

    /// Tells when so many writes to other things than Leases were done; the answer to the last is lost.
    pub fn after_writes(&self, count: u32) -> oneshot::Receiver<()> {
        self.faults.after_writes(count)
    }

    /// How many faults of each kind there were.
    pub fn told(&self) -> String {
        self.faults.told()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An error cuts the connection.
async fn forward(upstream: Arc<Upstream>, request: Request<Incoming>) -> Result<Response<Body>, anyhow::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().context("a request has a path")?.as_str();
    let fault = upstream.faults.of_request(&head.method, path);
    match fault {
        Fault::Delay(time) => sleep(time).await,
        Fault::Refuse(code) => return Ok(refused(code)),
        Fault::CutBefore => anyhow::bail!("cut before"),
        Fault::None | Fault::CutAfter => {}
    }
    let url = format!("{}{path}", upstream.server);
    let mut sent = upstream.http.request(head.method.clone(), url).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT] {
        if let Some(value) = head.headers.get(&name) {
            sent = sent.header(name, value);
        }
    }
    let answer = sent.send().await?;
    let was_written = is_write(&head.method, path) && answer.status().is_success();
    if fault == Fault::CutAfter || (was_written && upstream.faults.is_last_write()) {
        anyhow::bail!("cut after");
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    let body = if path.contains("watch=true") {
        stream::disturbed(answer, Arc::clone(&upstream.faults))
    } else {
        whole(answer.bytes().await?)
    };
    Ok(response.body(body)?)
}

/// Whether it counts as a write of the operator's work.
fn is_write(method: &Method, path: &str) -> bool {
    method != Method::GET && !path.contains("/leases")
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

fn refused(code: u16) -> Response<Body> {
    let mut response = Response::new(whole(status(code)));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if code == 429 {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// As the API server says it.
fn status(code: u16) -> String {
    let (reason, message) = match code {
        409 => (
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        410 => ("Expired", "too old resource version"),
        429 => ("TooManyRequests", "Too many requests, please try again later."),
        _ => ("InternalError", "Internal error occurred: etcdserver: leader changed"),
    };
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    status.to_string()
}
