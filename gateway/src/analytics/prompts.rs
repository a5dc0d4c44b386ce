//! `GET /prompts/{id}/stats`: figures of all requests that a prompt was put in front of, in all and by revision.

use duckdb::Connection;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Error,
    measures::Measures,
    names::Book,
    system::{self, Dimension, Granularity, Query},
};

/// Figures of one prompt. The Go program's come first.
#[derive(Clone, Debug, Serialize)]
pub struct PromptStats {
    /// `namespace/name`.
    pub prompt_id: String,
    pub template_id: String,
    /// Name of the active revision.
    pub revision: String,
    pub total_requests: u64,
    pub success_rate: Option<f64>,
    pub avg_latency_ms: Option<f64>,
    /// USD.
    pub avg_cost: Option<f64>,
    pub error_count: u64,
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    pub success_count: u64,
    pub p50_latency_ms: Option<f64>,
    pub p95_latency_ms: Option<f64>,
    pub prompt_tokens: u128,
    pub completion_tokens: u128,
    pub cost_micro_usd: i128,
    pub by_revision: Vec<ByRevision>,
}

/// The same of one revision.
#[derive(Clone, Debug, Serialize)]
pub struct ByRevision {
    pub revision: Option<String>,
    #[serde(flatten)]
    pub measures: Measures,
}

pub(super) fn stats(connection: &Connection, prompt: &str, revision: &str) -> Result<PromptStats, Error> {
    let query = Query {
        since_unix_micros: 0,
        until_unix_micros: Timestamp::now().as_microsecond() + 1,
        group_by: vec![Dimension::Revision],
        granularity: Granularity::None,
        namespace: None,
        key: None,
        prompt: Some(prompt.into()),
    };
    let undivided = Query {
        group_by: Vec::new(),
        ..query.clone()
    };
    let all = system::answer(connection, &undivided)?.rows.into_iter().next();
    let all = all.map(|row| row.measures);
    let count = |of: fn(&Measures) -> u64| all.as_ref().map_or(0, of);
    let (first_seen, last_seen) = seen(connection, &query)?;
    let rows = system::answer(connection, &query)?.rows.into_iter();
    Ok(PromptStats {
        prompt_id: prompt.to_owned(),
        template_id: prompt.to_owned(),
        revision: revision.to_owned(),
        total_requests: count(|all| all.requests),
        success_rate: all.as_ref().and_then(|all| all.success_rate),
        avg_latency_ms: all.as_ref().and_then(|all| all.avg_latency_ms),
        avg_cost: all.as_ref().and_then(|all| all.avg_cost),
        error_count: count(|all| all.error_count),
        first_seen,
        last_seen,
        success_count: count(|all| all.success_count),
        p50_latency_ms: all.as_ref().and_then(|all| all.p50_latency_ms),
        p95_latency_ms: all.as_ref().and_then(|all| all.p95_latency_ms),
        prompt_tokens: all.as_ref().map_or(0, |all| all.prompt_tokens),
        completion_tokens: all.as_ref().map_or(0, |all| all.completion_tokens),
        cost_micro_usd: all.as_ref().map_or(0, |all| all.cost_micro_usd),
        by_revision: rows
            .map(|row| ByRevision {
                revision: row.keys.into_iter().next().and_then(|(_, revision)| revision),
                measures: row.measures,
            })
            .collect(),
    })
}

/// When the first and the last request was; of requests that were rolled up, the hour.
fn seen(connection: &Connection, query: &Query) -> Result<(Option<String>, Option<String>), Error> {
    let only = system::only(&Book::read(connection)?, query);
    let sql = format!(
        "SELECT epoch_us(min(seen)), epoch_us(max(seen)) FROM (
            SELECT created AS seen FROM request_rows WHERE true{only}
            UNION ALL SELECT hour FROM hourly_rows WHERE true{only})"
    );
    let (first, last): (Option<i64>, Option<i64>) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let text = |micros: Option<i64>| Some(Timestamp::from_microsecond(micros?).ok()?.to_string());
    Ok((text(first), text(last)))
}
