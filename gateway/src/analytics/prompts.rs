//! `GET /prompts/{id}/stats`: figures of all requests that a prompt was put in front of, in all and by revision.

use duckdb::Connection;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    measures::Measures,
    names::Book,
    share::{Part, Share},
    system::{self, Dimension, Granularity, Pods, Query, Scope},
};

/// Which prompt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// `namespace/name`.
    pub prompt: Box<str>,
    /// First microsecond since 1970 that counts no more.
    pub until_unix_micros: i64,
}

/// What one store knows of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptShare {
    by_revision: Share,
    first_seen_unix_micros: Option<i64>,
    last_seen_unix_micros: Option<i64>,
}

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
    /// None where there is no fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
}

/// The same of one revision.
#[derive(Clone, Debug, Serialize)]
pub struct ByRevision {
    pub revision: Option<String>,
    #[serde(flatten)]
    pub measures: Measures,
}

impl Asked {
    fn query(&self) -> Query {
        Query {
            since_unix_micros: 0,
            until_unix_micros: self.until_unix_micros,
            group_by: vec![Dimension::Revision],
            granularity: Granularity::None,
            namespace: None,
            key: None,
            prompt: Some(self.prompt.clone()),
        }
    }
}

impl PromptShare {
    /// The figures, if this is all that there is to know. `revision` is the active one's name.
    pub fn stats(self, asked: &Asked, revision: &str) -> PromptStats {
        let all = Measures::from(&self.by_revision.total());
        let prompt = asked.prompt.to_string();
        let rows = self.by_revision.into_rows(&asked.query()).into_iter();
        PromptStats {
            prompt_id: prompt.clone(),
            template_id: prompt,
            revision: revision.to_owned(),
            total_requests: all.requests,
            success_rate: all.success_rate,
            avg_latency_ms: all.avg_latency_ms,
            avg_cost: all.avg_cost,
            error_count: all.error_count,
            first_seen: text(self.first_seen_unix_micros),
            last_seen: text(self.last_seen_unix_micros),
            success_count: all.success_count,
            p50_latency_ms: all.p50_latency_ms,
            p95_latency_ms: all.p95_latency_ms,
            prompt_tokens: all.prompt_tokens,
            completion_tokens: all.completion_tokens,
            cost_micro_usd: all.cost_micro_usd,
            by_revision: rows
                .map(|row| ByRevision {
                    revision: row.keys.into_iter().next().and_then(|(_, revision)| revision),
                    measures: row.measures,
                })
                .collect(),
            scope: None,
            pods: None,
        }
    }
}

impl Part for PromptShare {
    fn add(&mut self, other: Self) -> Result<(), Error> {
        let first = [self.first_seen_unix_micros, other.first_seen_unix_micros];
        self.first_seen_unix_micros = first.into_iter().flatten().min();
        self.last_seen_unix_micros = self.last_seen_unix_micros.max(other.last_seen_unix_micros);
        self.by_revision.add(other.by_revision)
    }
}

pub(super) fn share(connection: &Connection, asked: &Asked) -> Result<PromptShare, Error> {
    let query = asked.query();
    let (first_seen_unix_micros, last_seen_unix_micros) = seen(connection, &query)?;
    Ok(PromptShare {
        by_revision: system::share(connection, &query)?,
        first_seen_unix_micros,
        last_seen_unix_micros,
    })
}

/// When the first and the last request was; of requests that were rolled up, the hour.
fn seen(connection: &Connection, query: &Query) -> Result<(Option<i64>, Option<i64>), Error> {
    let only = system::only(&Book::read(connection)?, query);
    let sql = format!(
        "SELECT epoch_us(min(seen)), epoch_us(max(seen)) FROM (
            SELECT created AS seen FROM request_rows WHERE true{only}
            UNION ALL SELECT hour FROM hourly_rows WHERE true{only})"
    );
    Ok(connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn text(unix_micros: Option<i64>) -> Option<String> {
    Some(Timestamp::from_microsecond(unix_micros?).ok()?.to_string())
}
