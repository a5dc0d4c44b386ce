//! `GET /generation?id=`: what is known of one request, the moment its response has ended.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::snapshot::Role;
use http::Request;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    analytics::Parameters,
    authenticate::authenticate,
    error::{ApiError, Contract},
    fleet::failed,
    router::Worker,
    server::Connection,
};
use crate::{
    analytics::generation::{self, Sight},
    app::App,
    config::resolved::Caller,
    fleet_reads::{Find, Question},
};

/// What is told of a request.
#[derive(Serialize)]
struct Told {
    data: Box<RawValue>,
}

pub(super) async fn generation(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    find(&worker, &request.into_parts().0).await.map_or_else(
        |error| error.respond(contract),
        |data| Json(Told { data }).into_response(),
    )
}

async fn find(worker: &Worker, parts: &http::request::Parts) -> Result<Box<RawValue>, ApiError> {
    let caller = authenticate(
        &worker.app.config.load(),
        &parts.headers,
        Connection::of(parts).remote.ip(),
    )?;
    let parameters = Parameters::read(parts.uri.query(), &["id"])?;
    let id = parameters
        .get("id")
        .ok_or_else(|| ApiError::invalid("id", "Missing required parameter: 'id'."))?;
    let find = Find {
        id: id.into(),
        sight: sight(&caller),
    };
    // What was recorded before this call is in the store when it is asked.
    let own = find.clone().answer(Arc::clone(&worker.app.queue)).await;
    if let Some(found) = own.map_err(failed)?.0 {
        return Ok(found);
    }
    let elsewhere = match generation::ordinal(id) {
        Some(ordinal) => find_elsewhere(&worker.app, find, ordinal).await?,
        None => None,
    };
    let shown: String = id.chars().take(64).collect();
    elsewhere.ok_or_else(|| ApiError::not_found(&format!("There is no generation `{shown}`.")))
}

/// Asks the sibling that has the requests of this ordinal; all of them where it is not at the address at which it was.
async fn find_elsewhere(app: &App, find: Find, ordinal: u32) -> Result<Option<Box<RawValue>>, ApiError> {
    let Some(reads) = &app.fleet_reads else {
        return Ok(None);
    };
    for with in [Some(ordinal), None] {
        let heard = reads.gather(find.clone(), with).await.map_err(failed)?;
        let found = heard.others.and_then(|found| found.0);
        if found.is_some() || !heard.pods.missing.contains(&ordinal.to_string()) {
            return Ok(found);
        }
    }
    Err(ApiError::pod_missing(ordinal))
}

/// A User sees its own requests; a Viewer those of its namespace.
fn sight(caller: &Caller) -> Sight {
    match (caller.confined_to(), caller.key_name()) {
        (Some(namespace), _) if caller.role() >= Role::Viewer => Sight::Namespace(namespace.into()),
        (_, Some(key)) => Sight::Key((**key).into()),
        _ => Sight::All,
    }
}
