//! Probes and metrics: `/healthz`, `/readyz`, `/metrics`. Nothing secret, nothing that changes anything.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, routing::get};
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What the program still waits for, by subject; ready when there is nothing.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, String>>>);

/// The probes could not be served.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}; is another operator running? Name another address with --listen")]
pub struct Error {
    address: SocketAddr,
    source: io::Error,
}

impl Readiness {
    /// Says what `subject` waits for.
    pub fn waits(&self, subject: impl Into<String>, reason: impl Into<String>) {
        self.lock().insert(subject.into(), reason.into());
    }

    /// Says that `subject` waits no more.
    pub fn is_there(&self, subject: &str) {
        self.lock().remove(subject);
    }

    /// Why the program is not ready, if it is not.
    pub(crate) fn reasons(&self) -> Option<String> {
        let waiting = self.lock();
        let lines = waiting.iter().map(|(subject, reason)| format!("{subject}: {reason}\n"));
        (!waiting.is_empty()).then(|| lines.collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        // Nobody panics while holding it; what is in it is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until `stop`.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), Error> {
    let failed = |source| Error { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "probes and metrics are served");
    axum::serve(listener, router(readiness, metrics))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(failed)
}

fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(figures).with_state(metrics))
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.reasons() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    }
}

async fn figures(
    State(metrics): State<Metrics>,
) -> Result<([(header::HeaderName, &'static str); 1], String), (StatusCode, String)> {
    match metrics.text() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn asked(readiness: &Readiness, path: &str) -> (StatusCode, String) {
        let router = router(readiness.clone(), Metrics::new().unwrap());
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_what_is_waited_for() {
        let readiness = Readiness::default();
        readiness.waits("Routes in llm", "not listed yet");
        readiness.waits("Secrets in llm", "not listed yet");
        readiness.is_there("Secrets in llm");
        let (status, text) = asked(&readiness, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "Routes in llm: not listed yet\n");
        readiness.is_there("Routes in llm");
        assert_eq!(asked(&readiness, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn the_figures_are_served_by_name() {
        let (status, text) = asked(&Readiness::default(), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("route_switch_operator_leader 0"), "{text}");
    }
}
