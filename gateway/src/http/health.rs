//! `GET /health` and `GET /health/storage`: in the open, without figures.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::router::Worker;

pub(super) async fn health() -> Response {
    Json(json!({ "status": "healthy", "message": "route-switch is running" })).into_response()
}

/// Whether what is captured is stored. A store that fails stops capture, not traffic: the status stays 200.
pub(super) async fn storage(State(worker): State<Arc<Worker>>) -> Response {
    let health = worker.app.queue.health();
    let word = |failed: bool| if failed { "unavailable" } else { "ok" };
    let (dataset, analytics) = (health.examples.failure.is_some(), health.analytics.failure.is_some());
    let status = if dataset || analytics { "degraded" } else { "ok" };
    Json(json!({ "status": status, "dataset": word(dataset), "analytics": word(analytics) })).into_response()
}
