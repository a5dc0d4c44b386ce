//! `POST /backup`: all that this gateway keeps, as a tar. For whoever is on its machine, or in its pod: it holds what was asked and
//! answered, and goes over the wire as it is.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use http::{StatusCode, header};

use super::signed::refuse;
use crate::{
    app::App,
    backup::{Backup, Error, PATH},
    capture::in_full,
    http::server::Connection,
};

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new().route(PATH, post(backup)).with_state(app)
}

async fn backup(State(app): State<Arc<App>>, request: Request) -> Response {
    let remote = Connection::in_extensions(request.extensions()).remote.ip();
    if !remote.to_canonical().is_loopback() {
        let message = "a backup is given to the gateway's own machine or pod only: run `route-switch backup` there";
        return refuse(StatusCode::FORBIDDEN, message.to_owned());
    }
    let backup = match app.backups.make().await {
        Ok(backup) => backup,
        Err(error) => {
            let message = in_full(&error);
            tracing::warn!(error = message, "failed to make a backup");
            return refuse(status(&error), message);
        }
    };
    let chunks = stream::unfold(backup, |mut backup: Backup| async {
        let chunk = backup.next().await?;
        Some((chunk, backup))
    });
    ([(header::CONTENT_TYPE, "application/x-tar")], Body::from_stream(chunks)).into_response()
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::Occupied => StatusCode::CONFLICT,
        Error::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::Prepare { .. } | Error::Examples(_) | Error::Analytics(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
