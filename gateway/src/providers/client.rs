//! The only HTTP client that talks to providers: pooled connections, one pool a traffic worker.
//!
//! **Invariant**: no connection is made to a link-local address (a cloud's metadata service), whatever a name resolves to; in a pod, none
//! to a loopback address either, where only the pod's own ports are.

use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{Service, ServiceExt as _};

use super::{body::Pieces, connection::ProviderStream, resolver::Resolver};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(1);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<ProviderStream, BoxError>> + Send>>;
pub type Client = legacy::Client<Connector, Pieces>;

/// The clients of one traffic worker.
pub struct Clients {
    tls: rustls::ClientConfig,
    reach: Reach,
    /// One for each connect timeout in use: the pool's connector knows no other way to be told.
    /// They are few.
    by_connect_timeout: Mutex<Vec<(Duration, Client)>>,
}

/// Where providers may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Also on this machine.
    Local,
    /// On other machines only.
    Remote,
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
    pub fn new(tls: rustls::ClientConfig, reach: Reach) -> Self {
        Self {
            tls,
            reach,
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
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(self.reach));
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
            .build(Connector {
                https: Arc::new(https),
                timeout,
                reach: self.reach,
            })
    }
}

/// No connection stood in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub struct ConnectTimedOut(pub Duration);

/// TCP, then TLS where the URL says so, within a time.
#[derive(Clone)]
pub struct Connector {
    /// Shared, since every request clones the client and few connect.
    https: Arc<HttpsConnector<HttpConnector<Resolver>>>,
    timeout: Duration,
    reach: Reach,
}

impl Service<Uri> for Connector {
    type Response = ProviderStream;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let literal = uri
            .host()
            .and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if let Some(forbidden) = literal.and_then(|address| self.reach.forbids(address)) {
            return Box::pin(async move { Err(forbidden.into()) });
        }
        let connecting = HttpsConnector::clone(&self.https).oneshot(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            let connected = tokio::time::timeout(timeout, connecting).await;
            let connected = connected.unwrap_or_else(|_| Err(ConnectTimedOut(timeout).into()));
            connected.map(ProviderStream)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client of this reach says of the URL, without connecting anywhere that answers.
    async fn refusal(reach: Reach, url: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(tls().unwrap(), reach);
        let mut connector = Connector {
            https: Arc::new(
                HttpsConnectorBuilder::new()
                    .with_tls_config(clients.tls.clone())
                    .https_or_http()
                    .enable_http1()
                    .wrap_connector(HttpConnector::new_with_resolver(Resolver::new(reach))),
            ),
            timeout: Duration::from_secs(1),
            reach,
        };
        let mut text = String::new();
        let error = connector.call(url.parse().unwrap()).await.map(drop).unwrap_err();
        let mut cause: Option<&dyn std::error::Error> = Some(&*error);
        while let Some(error) = cause {
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    #[tokio::test]
    async fn link_local_addresses_are_refused() {
        for reach in [Reach::Local, Reach::Remote] {
            for url in [
                "http://169.254.169.254/latest",
                "http://[fe80::1]/",
                "http://[::ffff:169.254.1.1]/",
            ] {
                let refusal = refusal(reach, url).await;
                assert!(refusal.contains("link-local"), "{url}: {refusal}");
            }
        }
    }

    #[tokio::test]
    async fn loopback_addresses_are_refused_in_a_pod_also_behind_a_name() {
        for url in [
            "http://127.0.0.1:9/",
            "http://127.9.9.9:9/",
            "http://[::1]:9/",
            "http://[::ffff:127.0.0.1]:9/",
            "http://0.0.0.0:9/",
            "http://[::]:9/",
            "http://localhost:9/",
        ] {
            let remote = refusal(Reach::Remote, url).await;
            assert!(remote.contains("is a loopback address"), "{url}: {remote}");
            let local = refusal(Reach::Local, url).await;
            assert!(!local.contains("loopback"), "{url}: {local}");
        }
    }
}
