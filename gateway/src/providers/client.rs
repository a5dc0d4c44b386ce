//! The only HTTP client that talks to providers: pooled connections, one pool a traffic worker.
//!
//! **Invariant**: no connection is made to a link-local address (a cloud's metadata service), whatever a name resolves to.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        self,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tower::Service;

use super::body::Pieces;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(1);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>> + Send>>;
pub type Client = legacy::Client<Connector, Pieces>;

/// The clients of one traffic worker.
pub struct Clients {
    tls: rustls::ClientConfig,
    /// One for each connect timeout in use: the pool's connector knows no other way to be told.
    /// They are few.
    by_connect_timeout: Mutex<Vec<(Duration, Client)>>,
}

/// Reads the system's certificates; done once, for all workers.
pub fn tls() -> std::io::Result<rustls::ClientConfig> {
    let mut config = rustls::ClientConfig::builder()
        .with_native_roots()?
        .with_no_client_auth();
    config.alpn_protocols.clear();
    Ok(config)
}

impl Clients {
    pub fn new(tls: rustls::ClientConfig) -> Self {
        Self {
            tls,
            by_connect_timeout: Mutex::default(),
        }
    }

    /// The client whose connections must stand within `timeout`.
    pub fn with_connect_timeout(&self, timeout: Duration) -> Client {
        let mut clients = self.by_connect_timeout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == timeout) {
            return client.clone();
        }
        let client = self.build(timeout);
        clients.push((timeout, client.clone()));
        client
    }

    fn build(&self, timeout: Duration) -> Client {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_adaptive_window(true)
            .build(Connector { https, timeout })
    }
}

/// No connection stood in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub struct ConnectTimedOut(pub Duration);

/// The address is one that is never connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a link-local address, which providers may not have")]
struct Forbidden(IpAddr);

/// TCP, then TLS where the URL says so, within a time.
#[derive(Clone)]
pub struct Connector {
    https: HttpsConnector<HttpConnector<Resolver>>,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let literal = uri
            .host()
            .and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if let Some(address) = literal.filter(|address| is_link_local(*address)) {
            return Box::pin(async move { Err(Forbidden(address).into()) });
        }
        let connecting = self.https.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err(ConnectTimedOut(timeout).into()))
        })
    }
}

/// Name resolution that leaves out forbidden addresses.
#[derive(Clone)]
pub struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move {
            let mut allowed = Vec::new();
            let mut forbidden = None;
            for address in resolving.await? {
                if is_link_local(address.ip()) {
                    forbidden = Some(address.ip());
                } else {
                    allowed.push(address);
                }
            }
            match forbidden {
                Some(address) if allowed.is_empty() => Err(Forbidden(address).into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn link_local_addresses_are_refused() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(tls().unwrap());
        let mut connector = Connector {
            https: HttpsConnectorBuilder::new()
                .with_tls_config(clients.tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(HttpConnector::new_with_resolver(Resolver(GaiResolver::new()))),
            timeout: Duration::from_secs(1),
        };
        for url in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.1.1]/",
        ] {
            let error = connector.call(url.parse().unwrap()).await.map(drop).unwrap_err();
            assert!(error.to_string().contains("link-local"), "{url}: {error}");
        }
    }
}
