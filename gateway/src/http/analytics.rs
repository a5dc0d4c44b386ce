//! `GET /system/analytics`: sums over requests, in all and by group.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::{duration, snapshot::Role};
use http::{Request, request};
use jiff::Timestamp;

use super::{
    authenticate::authorize,
    error::{ApiError, Contract},
    fleet::Reach,
    router::Worker,
    server::Connection,
};
use crate::analytics::{
    self, Analytics,
    share::Share,
    system::{Dimension, Granularity, Pods, Query, Scope, SystemAnalytics},
};

const PARAMETERS: [&str; 5] = ["since", "until", "group_by", "granularity", "scope"];
/// How far back a question goes when it does not say.
const DEFAULT_SINCE: &str = "24h";

pub(super) async fn system(worker: Arc<Worker>, contract: Contract, request: Request<Body>) -> Response {
    answer(&worker, &request.into_parts().0)
        .await
        .map_or_else(|error| error.respond(contract), |answer| Json(answer).into_response())
}

async fn answer(worker: &Worker, parts: &request::Parts) -> Result<SystemAnalytics, ApiError> {
    let remote = Connection::of(parts).remote.ip();
    let caller = authorize(&worker.app.config.load(), &parts.headers, remote, Role::Viewer)?;
    let parameters = Parameters::read(parts.uri.query(), &PARAMETERS)?;
    let reach = Reach::of(&worker.app, parameters.get("scope"))?;
    let mut query = read(&parameters, Timestamp::now())?;
    query.namespace = caller.confined_to().map(Into::into);
    let asked = query.clone();
    let finish = move |share: Share, told: Option<(Scope, Pods)>| {
        let (scope, pods) = told.unwrap_or_else(|| (Scope::Pod, Pods::only(0)));
        share.answer(&asked, scope, pods)
    };
    reach.ask(&worker.app, query, finish).await
}

/// Asks the store on a thread that may block.
pub(super) async fn ask<T: Send + 'static>(
    worker: &Worker,
    question: impl FnOnce(&Analytics) -> Result<T, analytics::Error> + Send + 'static,
) -> Result<T, ApiError> {
    let analytics = worker.app.queue.analytics();
    let answer = tokio::task::spawn_blocking(move || question(&analytics)).await;
    let broken_off = |_| ApiError::internal("The question to the store of analytics was broken off.");
    answer.map_err(broken_off)?.map_err(refusal)
}

/// Why the store does not answer, as its client sees it.
pub(super) fn refusal(error: analytics::Error) -> ApiError {
    match error {
        analytics::Error::TooManyRows { .. } => ApiError::invalid("group_by", error.to_string()),
        analytics::Error::Refused(_) | analytics::Error::Stopped(_) => {
            ApiError::invalid("sql", format!("The query did not run: {error}."))
        }
        analytics::Error::Occupied => ApiError::occupied(format!("Try again: {error}.")),
        error => {
            tracing::warn!(%error, "failed to answer from the store of analytics");
            ApiError::internal("The store of analytics cannot answer now; /status says what is wrong with it.")
        }
    }
}

fn read(parameters: &Parameters, now: Timestamp) -> Result<Query, ApiError> {
    let group_by = parameters.get("group_by").unwrap_or_default();
    let group_by = group_by
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| {
            Dimension::from_str(name).map_err(|_| {
                let known: Vec<&str> = Dimension::ALL.iter().map(|dimension| dimension.name()).collect();
                ApiError::invalid(
                    "group_by",
                    format!("Invalid 'group_by': `{name}`; it is a list of {}.", known.join(", ")),
                )
            })
        });
    let granularity = parameters.get("granularity").map_or(Ok(Granularity::None), |name| {
        let message = format!("Invalid 'granularity': `{name}`; it is one of none, minute, hour, day.");
        Granularity::from_str(name).map_err(|_| ApiError::invalid("granularity", message))
    })?;
    Ok(Query {
        since_unix_micros: time("since", parameters.get("since").unwrap_or(DEFAULT_SINCE), now)?,
        until_unix_micros: parameters
            .get("until")
            .map_or(Ok(now.as_microsecond() + 1), |text| time("until", text, now))?,
        group_by: group_by.collect::<Result<_, _>>()?,
        granularity,
        namespace: None,
        key: None,
        prompt: None,
    })
}

/// A time: RFC 3339, or a duration back from now.
pub(super) fn time(name: &str, text: &str, now: Timestamp) -> Result<i64, ApiError> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_microsecond());
    }
    match duration::parse(text).map(|back| i64::try_from(back.as_micros())) {
        Ok(Ok(back)) => Ok(now.as_microsecond().saturating_sub(back)),
        _ => Err(ApiError::invalid(
            name,
            format!("Invalid '{name}': `{text}`; write a time as 2026-01-31T12:00:00Z or a duration as 24h."),
        )),
    }
}

/// The parameters of a query string.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Refuses what is not known.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        let parameters = Self(pairs.collect());
        match parameters.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::invalid(
                name,
                format!("Unknown parameter '{name}'; there are: {}.", known.join(", ")),
            )),
            None => Ok(parameters),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_and_faults_name_the_parameter() {
        let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        let read = |text, now| read(&Parameters::read(Some(text), &PARAMETERS)?, now);
        let query = read(
            "since=1h&group_by=route,%20model&granularity=hour&until=2026-01-31T23%3A30%3A00Z",
            now,
        )
        .unwrap();
        assert_eq!(query.since_unix_micros, now.as_microsecond() - 3_600_000_000);
        assert_eq!(query.until_unix_micros, now.as_microsecond() - 1_800_000_000);
        assert_eq!(query.group_by, [Dimension::Route, Dimension::Model]);
        assert_eq!(query.granularity, Granularity::Hour);
        for text in ["since=yesterday", "group_by=colour", "granularity=week", "sinc=1h"] {
            let message = read(text, now).unwrap_err().message;
            assert!(message.contains(text.split('=').next().unwrap()), "{message}");
        }
    }
}
