//! `/fleet/analytics` and the like: what siblings ask when one of them answers for the fleet. Who asks was checked before
//! ([`super::signed`]); what their caller may see is in the question.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{StatusCode, Uri, header};

use super::signed::refuse;
use crate::fleet_reads::{Error, FleetReads, PATHS};

pub(super) fn router(reads: Arc<FleetReads>) -> Router {
    PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, post(answer)))
        .with_state(reads)
}

async fn answer(State(reads): State<Arc<FleetReads>>, uri: Uri, body: Bytes) -> Response {
    match reads.answer(uri.path(), &body).await {
        Some(Ok(answer)) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Some(Err(error @ Error::Question(_))) => refuse(StatusCode::BAD_REQUEST, error.to_string()),
        Some(Err(error)) => {
            tracing::warn!(%error, path = uri.path(), "failed to answer a sibling");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
        None => refuse(StatusCode::NOT_FOUND, format!("nothing is asked at {}", uri.path())),
    }
}
