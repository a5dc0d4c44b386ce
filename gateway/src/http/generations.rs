//! `GET /generations`: requests one by one. `DELETE /generations?user=`: nothing more of somebody.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::snapshot::Role;
use http::{Request, request};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    analytics::{Parameters, time},
    authenticate::{authenticate, authorize},
    error::{ApiError, Contract},
    fleet::Reach,
    router::Worker,
    server::Connection,
};
use crate::{
    analytics::{
        generations::{Cursor, Field, Listing, Page, Query},
        system::{Pods, Scope},
    },
    capture::{Forget, record::kept_user},
    fleet_reads::Removed,
};

const PARAMETERS: [&str; 12] = [
    "route", "prompt", "revision", "provider", "model", "outcome", "status", "since", "until", "limit", "cursor",
    "scope",
];
const DEFAULT_SINCE: &str = "24h";
const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 500;

pub(super) async fn list(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    page(&worker, &request.into_parts().0)
        .await
        .map_or_else(|error| error.respond(contract), |page| Json(page).into_response())
}

async fn page(worker: &Worker, parts: &request::Parts) -> Result<Page, ApiError> {
    let remote = Connection::of(parts).remote.ip();
    let caller = authenticate(&worker.app.config.load(), &parts.headers, remote)?;
    let parameters = Parameters::read(parts.uri.query(), &PARAMETERS)?;
    let reach = Reach::of(&worker.app, parameters.get("scope"))?;
    let mut query = read(&parameters, Timestamp::now())?;
    if caller.role() >= Role::Viewer {
        query.namespace = caller.confined_to().map(Into::into);
    } else {
        query.key = caller.key_name().map(|name| (**name).into());
    }
    let finish = |listing: Listing, told: Option<(Scope, Pods)>| {
        let (scope, pods) = told.unzip();
        Page {
            scope,
            pods,
            ..listing.page()
        }
    };
    reach.ask(&worker.app, query, finish).await
}

fn read(parameters: &Parameters, now: Timestamp) -> Result<Query, ApiError> {
    let names = Field::ALL.into_iter().filter_map(|field| {
        let name = parameters.get(field.name())?;
        Some((field, with_namespace(field, name).into()))
    });
    let number = |name: &str| -> Result<Option<u16>, ApiError> {
        let wrong = |text: &str| ApiError::invalid(name, format!("Invalid '{name}': `{text}`; write a number."));
        parameters
            .get(name)
            .map(|text| text.parse().map_err(|_| wrong(text)))
            .transpose()
    };
    let limit = number("limit")?.map_or(DEFAULT_LIMIT, usize::from);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::invalid(
            "limit",
            format!("Invalid 'limit': `{limit}`; it is 1 to {MOST}."),
        ));
    }
    let cursor = parameters.get("cursor").map(|text| {
        let message = format!("Invalid 'cursor': `{text}`; use the next_cursor of the page before.");
        Cursor::from_str(text).map_err(|()| ApiError::invalid("cursor", message))
    });
    Ok(Query {
        since_unix_micros: time("since", parameters.get("since").unwrap_or(DEFAULT_SINCE), now)?,
        until_unix_micros: parameters
            .get("until")
            .map_or(Ok(now.as_microsecond() + 1), |text| time("until", text, now))?,
        names: names.collect(),
        status: number("status")?,
        namespace: None,
        key: None,
        after: cursor.transpose()?,
        limit,
    })
}

/// Objects without a namespace are those of `default`.
fn with_namespace(field: Field, name: &str) -> String {
    match field {
        Field::Route | Field::Prompt | Field::Provider if !name.contains('/') => format!("default/{name}"),
        _ => name.to_owned(),
    }
}

pub(super) async fn delete(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    forget(&worker, &request.into_parts().0)
        .await
        .map_or_else(|error| error.respond(contract), |deleted| Json(deleted).into_response())
}

async fn forget(worker: &Worker, parts: &request::Parts) -> Result<Value, ApiError> {
    let remote = Connection::of(parts).remote.ip();
    let caller = authorize(&worker.app.config.load(), &parts.headers, remote, Role::Admin)?;
    let parameters = Parameters::read(parts.uri.query(), &["user"])?;
    let user = parameters
        .get("user")
        .filter(|user| !user.is_empty())
        .ok_or_else(|| ApiError::invalid("user", "Missing required parameter: 'user'."))?;
    let forget = Forget {
        user: kept_user(user).into(),
        namespace: caller.confined_to().map(Into::into),
    };
    let finish = |removed: Removed, told: Option<(Scope, Pods)>| (removed, told.map(|(_, pods)| pods));
    let (removed, pods) = Reach::of(&worker.app, None)?.ask(&worker.app, forget, finish).await?;
    let Removed { examples, requests } = removed;
    let mut answer = json!({ "data": { "user": user, "examples": examples, "requests": requests } });
    if let Some(pods) = pods {
        // Those that are missing still have it.
        answer["pods"] = json!(pods);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_and_faults_name_the_parameter() {
        let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        let read = |text, now| read(&Parameters::read(Some(text), &PARAMETERS)?, now);
        let query = read(
            "route=chat&model=m&status=429&limit=7&cursor=5_gen-0-01ARYZ6S41TSV4RRFFQ69G5FAV",
            now,
        )
        .unwrap();
        assert_eq!(
            query.names,
            [(Field::Route, "default/chat".into()), (Field::Model, "m".into())]
        );
        assert_eq!((query.status, query.limit, query.after.is_some()), (Some(429), 7, true));
        for text in [
            "limit=0",
            "limit=501",
            "status=ok",
            "cursor=x",
            "cursor=1_'",
            "since=x",
            "colour=red",
        ] {
            let message = read(text, now).unwrap_err().message;
            assert!(message.contains(text.split('=').next().unwrap()), "{message}");
        }
    }
}
