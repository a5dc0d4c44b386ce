//! The admin listener: metrics, probes, the configuration in use and, in a fleet, what the operator and siblings ask.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};

use super::{
    error::{ApiError, Contract},
    this_machine,
};
use crate::{app::App, fleet::siblings::UID_HEADER, telemetry::metrics::Sources};

mod backup;
mod fleet;
mod reads;
mod signed;

/// The admin API. Under `--manifests` it is for this machine only and needs no key; in a fleet, all but metrics and probes are for those
/// who sign with the fleet key.
pub fn router(app: &Arc<App>) -> Router {
    let open = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(app));
    let config = Router::new().route("/config", get(config)).with_state(Arc::clone(app));
    let backup = backup::router(Arc::clone(app));
    let Some(fleet) = app.fleet.clone() else {
        return open.merge(config.merge(backup).layer(middleware::from_fn(for_this_machine)));
    };
    let gate = signed::Gate::new(Arc::clone(&fleet));
    let reads = app.fleet_reads.clone().map_or_else(Router::new, reads::router);
    let backup = backup.layer(middleware::from_fn_with_state(gate.clone(), signed::admit));
    let signed = config
        .merge(fleet::router(fleet))
        .merge(reads)
        .layer(middleware::from_fn_with_state(gate, signed::check))
        // The check has a limit of its own, which is far above the usual one.
        .layer(DefaultBodyLimit::disable());
    open.merge(signed).merge(backup)
}

/// A page in a browser of this machine, or a name that was made to lead here, gets nothing that was asked and answered.
async fn for_this_machine(request: Request, next: Next) -> Response {
    if this_machine::is_named(request.headers()) {
        next.run(request).await
    } else {
        let message = "the Host or Origin of this request is not this machine: use localhost or 127.0.0.1";
        signed::refuse(StatusCode::FORBIDDEN, message.to_owned())
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let sources = Sources {
        config: &app.config.load_full(),
        ready: app.ready.load(Ordering::Relaxed),
        faults: app.faults.load().len(),
        queue: &app.queue,
        spans: app.spans.as_deref(),
        lost_lines: app.lost_lines.count(),
        fleet: app.fleet.as_deref(),
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

/// In a fleet it tells the pod's uid, ready or not: who signs for this pod must know it.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let fleet = app.fleet.as_deref();
    let mut answer = if app.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready".to_owned()).into_response()
    } else {
        let why = match fleet.filter(|fleet| fleet.held().is_none()) {
            Some(fleet) => format!("not ready: no Snapshot: {}", fleet.waiting()),
            None => "not ready: starting or draining".to_owned(),
        };
        (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
    };
    if let Some(uid) = fleet.and_then(|fleet| HeaderValue::from_str(&fleet.pod.uid).ok()) {
        answer.headers_mut().insert(UID_HEADER, uid);
    }
    answer
}

/// The Snapshot in use; credentials are left out.
async fn config(State(app): State<Arc<App>>) -> Response {
    Json(&app.config.load_full().snapshot).into_response()
}
