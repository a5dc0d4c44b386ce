//! The control of the benchmarks: the least that a reverse proxy with pooled connections can do, in bare hyper.
//!
//! Heads and body bytes are forwarded as they come; nothing is read, checked, kept or counted. What a gateway costs beyond it
//! is what its features cost.

use anyhow::Context as _;
use http::Request;
use http::uri::{Authority, PathAndQuery, Scheme};
use hyper::Uri;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Forwards every request to `upstream` until the task is dropped.
pub async fn serve(listener: TcpListener, upstream: Authority) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await.context("failed to accept a connection")?;
        stream.set_nodelay(true).context("failed to set TCP_NODELAY")?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| client.request(readdress(request, upstream.clone())));
            // An error ends the client's connection, which the loader counts as a failed request.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn readdress(mut request: Request<Incoming>, upstream: Authority) -> Request<Incoming> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream);
    parts.path_and_query = Some(
        request
            .uri()
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/")),
    );
    *request.uri_mut() = Uri::from_parts(parts).expect("scheme, authority and path make a URI");
    request
}
