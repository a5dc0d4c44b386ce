//! `GET /health` and `GET /health/storage`: in the open, without figures.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::router::Worker;

/// As `/readyz` of the admin port, for load balancers that see only this one.
pub(super) async fn health(State(worker): State<Arc<Worker>>) -> Response {
    if !worker.app.ready.load(Ordering::Relaxed) {
        let message = "route-switch is starting or draining: send requests elsewhere";
        let body = json!({ "status": "not ready", "message": message });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
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
