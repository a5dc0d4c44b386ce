//! `/fleet/`: what the operator and siblings ask a pod. Who asks was checked before ([`super::signed`]).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{post, put},
};
use bytes::Bytes;
use crds::fleet::{HEARTBEAT_PATH, Heartbeat, Refusal, SNAPSHOT_PATH};
use http::{StatusCode, header};

use super::signed::refuse;
use crate::fleet::{Fleet, NotTaken, siblings::MAX_SIBLINGS};

pub(super) fn router(fleet: Arc<Fleet>) -> Router {
    Router::new()
        .route(SNAPSHOT_PATH, put(take).get(give))
        .route(HEARTBEAT_PATH, post(heartbeat))
        .with_state(fleet)
}

async fn take(State(fleet): State<Arc<Fleet>>, body: Bytes) -> Response {
    let error = match fleet.take(body).await {
        Ok(()) => return Json(fleet.report()).into_response(),
        Err(error) => error,
    };
    let status = match &error {
        NotTaken::NotAbove { .. } => StatusCode::CONFLICT,
        NotTaken::NotUnderstood(_) => StatusCode::UNPROCESSABLE_ENTITY,
        NotTaken::Busy => StatusCode::SERVICE_UNAVAILABLE,
    };
    let refusal = Refusal {
        message: error.to_string(),
        order: fleet.held().map(|held| held.order),
    };
    (status, Json(refusal)).into_response()
}

async fn give(State(fleet): State<Arc<Fleet>>) -> Response {
    match fleet.held() {
        Some(held) => ([(header::CONTENT_TYPE, "application/json")], held.body.clone()).into_response(),
        None => refuse(
            StatusCode::NOT_FOUND,
            format!("this pod has no Snapshot yet: {}", fleet.waiting()),
        ),
    }
}

async fn heartbeat(State(fleet): State<Arc<Fleet>>, body: Bytes) -> Response {
    let heartbeat: Heartbeat = match serde_json::from_slice(&body) {
        Ok(heartbeat) => heartbeat,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("this is no heartbeat: {error}")),
    };
    if heartbeat.siblings.len() > MAX_SIBLINGS {
        return refuse(
            StatusCode::BAD_REQUEST,
            format!("siblings: at most {MAX_SIBLINGS} are known at once"),
        );
    }
    let mut siblings = Vec::with_capacity(heartbeat.siblings.len());
    for sibling in heartbeat.siblings {
        match sibling.parse::<SocketAddr>() {
            Ok(address) => siblings.push(address),
            Err(_) => return refuse(StatusCode::BAD_REQUEST, format!("siblings: {sibling:?} is not IP:PORT")),
        }
    }
    fleet.siblings.told(siblings);
    Json(fleet.report()).into_response()
}
