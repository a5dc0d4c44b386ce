//! The admin listener: metrics, probes and the configuration in use.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};

use super::error::{ApiError, Contract};
use crate::{app::App, telemetry::metrics::Sources};

/// The admin API. Under `--manifests` it is for this machine only and needs no key.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/config", get(config))
        .with_state(app)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let sources = Sources {
        config: &app.config.load_full(),
        faults: app.faults.load().len(),
        queue: &app.queue,
        spans: app.spans.as_deref(),
        lost_lines: app.lost_lines.count(),
    };
    match app.metrics.render(&sources) {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => ApiError::internal(format!("failed to write the metrics: {error}")).respond(Contract::OpenAi),
    }
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or draining").into_response()
    }
}

/// The Snapshot in use; credentials are left out.
async fn config(State(app): State<Arc<App>>) -> Response {
    Json(&app.config.load_full().snapshot).into_response()
}
