//! `GET /status`: what this gateway is and how it does. Liveness and storage are open; targets and faults are for Viewers.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use crds::snapshot::Role;
use http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{authenticate::authorize, router::Worker, server::Connection};
use crate::{
    app::{App, ConfigFault},
    config::resolved::{Caller, Config, Target},
    fleet::{Fleet, unix_millis},
    routing::breaker::State as Breaker,
};

pub(super) async fn status(State(worker): State<Arc<Worker>>, request: Request<Body>) -> Response {
    let app = &worker.app;
    let config = app.config.load_full();
    let remote = Connection::in_extensions(request.extensions()).remote.ip();
    // Read once, so that count and list agree.
    let faults = app.faults.load_full();
    let mut status = in_the_open(app, &config, faults.len());
    if let Ok(caller) = authorize(&config, request.headers(), remote, Role::Viewer) {
        for_viewers(&mut status, &faults, &config, &caller);
        if let Some(fleet) = &app.fleet {
            let siblings = fleet.siblings.last_told();
            status["fleet"]["siblings"] = json!(siblings.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
    }
    Json(status).into_response()
}

fn in_the_open(app: &App, config: &Config, faults: usize) -> Value {
    let queue = &app.queue;
    let health = queue.health();
    let dropped = queue.dropped();
    let is_stored = health.examples.failure.is_none() && health.analytics.failure.is_none();
    let mut status = json!({
        "status": if is_stored { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "duckdb": crate::analytics::engine_version(),
        "started": app.started.to_string(),
        "snapshot": &*config.revision,
        "config": {
            "providers": config.snapshot.providers.len(),
            "routes": config.snapshot.routes.len(),
            "prompts": config.snapshot.prompts.len(),
            "keys": config.snapshot.keys.len(),
            "faults": faults,
        },
        "capture": {
            "examples": health.examples,
            "analytics": health.analytics,
            "queued_bytes": queue.queued_bytes(),
            "capacity_bytes": queue.capacity_bytes(),
            "dropped_records": dropped.records,
            "dropped_contents": dropped.contents,
            "thinned_contents": queue.thinned_contents(),
        },
    });
    if let Some(fleet) = &app.fleet {
        status["fleet"] = in_fleet(fleet);
    }
    status
}

/// What a pod has of the fleet's Snapshots. What it refuses stands among the faults.
fn in_fleet(fleet: &Fleet) -> Value {
    let held = fleet.held();
    let held = held.as_deref();
    let kept = fleet.kept_unix_millis();
    json!({
        "pod": fleet.pod.name,
        "ordinal": fleet.ordinal,
        "order": held.map(|held| held.order),
        "refused": held.map(|held| held.refused.len()),
        "last_known_good_age_seconds": kept.map(|kept| (unix_millis() - kept).max(0) / 1000),
    })
}

/// Adds how a target does now.
fn health(combination: &mut Value, target: &Target) {
    let now = Instant::now();
    let (breaker, open_for) = match target.health.breaker.state(now) {
        Breaker::Closed => ("closed", None),
        Breaker::Open(left) => ("open", Some(left.as_secs_f64())),
        Breaker::HalfOpen => ("half_open", None),
    };
    let cooling_keys: Vec<Value> = target
        .account
        .cooling_keys(now)
        .map(|(name, left)| json!({ "key": name, "seconds": left.as_secs_f64() }))
        .collect();
    combination["breaker"] = json!({ "state": breaker, "open_for_seconds": open_for });
    combination["cooling_keys"] = json!(cooling_keys);
    combination["in_flight"] = json!(target.health.in_flight());
}

/// Adds what a Viewer of its namespace, or of all, may see.
fn for_viewers(status: &mut Value, faults: &[ConfigFault], config: &Config, caller: &Caller) {
    let namespace = caller.confined_to();
    let routes = config.all_routes();
    let visible = routes
        .iter()
        .filter(|route| namespace.is_none_or(|own| route.namespace() == own));
    let mut combinations = Vec::new();
    for route in visible {
        let Some(entry) = config.snapshot.routes.get(&route.object()) else {
            continue;
        };
        for target in &entry.targets {
            let mut combination = json!({
                "id": format!("{}/{}", route.name, target.name),
                "route": &*route.name,
                "names": entry.names,
                "target": target.name,
                "provider": target.provider,
                "model": target.model,
                "weight": target.weight,
                "priority": target.priority,
                "strategy": entry.strategy,
                "usable": target.resolved,
                "serving_last_good": entry.stale,
            });
            if let Some(target) = route.targets.iter().find(|known| *known.name == *target.name) {
                health(&mut combination, target);
            }
            combinations.push(combination);
        }
    }
    status["count"] = json!(combinations.len());
    status["combinations"] = json!(combinations);
    let in_namespace = |object: &Option<String>| match (namespace, object) {
        (None, _) => true,
        (Some(own), Some(object)) => object
            .split_once(' ')
            .is_some_and(|(_, name)| name.starts_with(&format!("{own}/"))),
        (Some(_), None) => false,
    };
    status["faults"] = json!(
        faults
            .iter()
            .filter(|fault| in_namespace(&fault.object))
            .collect::<Vec<_>>()
    );
}
