//! `GET /system/analytics`: sums over requests, in all and by group. The SQL is put together from the enums below and from
//! numbers of names; no text of a caller is ever part of it.

use std::str::FromStr;

use duckdb::Connection;
use jiff::Timestamp;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::Error;
use super::database::timestamp;
use super::groups;
use super::measures::Measures;
use super::names::Book;

/// Rows in one answer.
pub const MAX_ROWS: usize = 10_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// First microsecond since 1970 that counts.
    pub since_unix_micros: i64,
    /// First microsecond since 1970 that counts no more.
    pub until_unix_micros: i64,
    /// Requests that have all of these in common are one row. Empty: all requests are.
    pub group_by: Vec<Dimension>,
    pub granularity: Granularity,
    /// Only requests to Routes of this namespace, and those of its keys.
    pub namespace: Option<Box<str>>,
    /// Only requests of this key (`namespace/name`).
    pub key: Option<Box<str>>,
    /// Only requests that were rendered from this prompt (`namespace/name`).
    pub prompt: Option<Box<str>>,
}

/// What requests can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The provider's name of the model, at the last attempt.
    Model,
    /// The provider of the last attempt.
    Provider,
    Route,
    /// The target of the last attempt.
    Target,
    Key,
    Outcome,
    /// The prompt of the last attempt.
    Prompt,
    /// The revision of that prompt.
    Revision,
}

/// How long a row's time is. Begins and ends in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// All the time that is asked for.
    #[default]
    None,
    Minute,
    Hour,
    Day,
}

/// No dimension or granularity has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown name {0:?}")]
pub struct UnknownName(pub String);

/// The answer. The first five are the Go program's.
#[derive(Clone, Debug, Serialize)]
pub struct SystemAnalytics {
    /// Prompts that the requests were rendered from.
    pub total_prompts: u64,
    pub total_requests: u64,
    pub success_rate: Option<f64>,
    pub avg_latency_ms: Option<f64>,
    /// USD.
    pub avg_cost: Option<f64>,
    pub since: String,
    pub until: String,
    pub scope: &'static str,
    pub pods: Pods,
    pub rows: Vec<Row>,
}

/// Who answered, by ordinal.
#[derive(Clone, Debug, Serialize)]
pub struct Pods {
    pub answered: Vec<String>,
    pub missing: Vec<String>,
}

/// One group of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In the order that was asked for; null is a value as any other.
    pub keys: Vec<(Dimension, Option<String>)>,
    /// Where the row's time begins, in microseconds since 1970; none without a granularity.
    pub bucket_unix_micros: Option<i64>,
    pub measures: Measures,
}

impl Dimension {
    pub const ALL: [Self; 8] = [
        Self::Model,
        Self::Provider,
        Self::Route,
        Self::Target,
        Self::Key,
        Self::Outcome,
        Self::Prompt,
        Self::Revision,
    ];

    /// Its name in the API, and that of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Route => "route",
            Self::Target => "target",
            Self::Key => "key",
            Self::Outcome => "outcome",
            Self::Prompt => "prompt",
            Self::Revision => "revision",
        }
    }
}

impl FromStr for Dimension {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.name() == name)
            .ok_or_else(|| UnknownName(name.to_owned()))
    }
}

impl Granularity {
    /// SQL that gives the begin of a row's time, of a column with times.
    pub(super) fn bucket(self, time: &str) -> String {
        let unit = match self {
            Self::None => return "CAST(NULL AS BIGINT)".to_owned(),
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        };
        format!("epoch_us(date_trunc('{unit}', {time}))")
    }
}

impl FromStr for Granularity {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "none" => Ok(Self::None),
            "minute" => Ok(Self::Minute),
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            _ => Err(UnknownName(name.to_owned())),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            keys: Keys<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            bucket: Option<String>,
            #[serde(flatten)]
            measures: &'a Measures,
        }
        let bucket = self.bucket_unix_micros.map(rfc3339);
        Flat {
            keys: Keys(&self.keys),
            bucket,
            measures: &self.measures,
        }
        .serialize(serializer)
    }
}

struct Keys<'a>(&'a [(Dimension, Option<String>)]);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(dimension, value)| (dimension.name(), value)))
    }
}

pub(super) fn answer(connection: &Connection, query: &Query) -> Result<SystemAnalytics, Error> {
    let book = Book::read(connection)?;
    let undivided = Query {
        group_by: Vec::new(),
        granularity: Granularity::None,
        ..query.clone()
    };
    let all = rows(connection, &book, &undivided)?;
    let all = all.first().map(|row| &row.measures);
    Ok(SystemAnalytics {
        total_prompts: prompts(connection, &only(&book, query), query)?,
        total_requests: all.map_or(0, |all| all.requests),
        success_rate: all.and_then(|all| all.success_rate),
        avg_latency_ms: all.and_then(|all| all.avg_latency_ms),
        avg_cost: all.and_then(|all| all.avg_cost),
        since: rfc3339(query.since_unix_micros),
        until: rfc3339(query.until_unix_micros),
        scope: "pod",
        pods: Pods {
            answered: vec!["0".to_owned()],
            missing: Vec::new(),
        },
        rows: rows(connection, &book, query)?,
    })
}

/// In the order of time, then of the keys, with null last.
fn rows(connection: &Connection, book: &Book, query: &Query) -> Result<Vec<Row>, Error> {
    let groups = groups::read(connection, book, query)?;
    let mut rows: Vec<Row> = groups
        .into_iter()
        .map(|(group, sums)| Row {
            keys: group
                .keys
                .into_iter()
                .map(|(dimension, id)| (dimension, book.name(id)))
                .collect(),
            bucket_unix_micros: group.bucket_unix_micros,
            measures: sums.into(),
        })
        .collect();
    rows.sort_by(|left, right| {
        let order = |row: &Row| {
            row.keys
                .iter()
                .map(|(_, key)| (key.is_none(), key.clone()))
                .collect::<Vec<_>>()
        };
        left.bucket_unix_micros
            .cmp(&right.bucket_unix_micros)
            .then_with(|| order(left).cmp(&order(right)))
    });
    Ok(rows)
}

/// SQL that leaves only what the query is about, to follow a condition.
pub(super) fn only(book: &Book, query: &Query) -> String {
    let mut only = String::new();
    if let Some(namespace) = &query.namespace {
        let inside = |name: &str| {
            name.strip_prefix(&**namespace)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let ids = book.ids(inside);
        // A request that named no Route belongs to the namespace of its key.
        let (of_its_routes, of_its_keys) = (one_of("route_name", &ids), one_of("key_name", &ids));
        only = format!("{only} AND ({of_its_routes} OR {of_its_keys})");
    }
    if let Some(key) = &query.key {
        let ids = book.ids(|name| name == &**key);
        only = format!("{only} AND {}", one_of("key_name", &ids));
    }
    if let Some(prompt) = &query.prompt {
        let ids = book.ids(|name| name == &**prompt);
        only = format!("{only} AND {}", one_of("prompt_name", &ids));
    }
    only
}

/// How many prompts there were.
fn prompts(connection: &Connection, only: &str, query: &Query) -> Result<u64, Error> {
    let sql = format!(
        "SELECT count(DISTINCT prompt_name) FROM (
            SELECT prompt_name FROM request_rows WHERE created >= ? AND created < ?{only}
            UNION ALL SELECT prompt_name FROM hourly_rows WHERE hour >= ? AND hour < ?{only})"
    );
    let (since, until) = (timestamp(query.since_unix_micros), timestamp(query.until_unix_micros));
    Ok(connection.query_row(&sql, [&since, &until, &since, &until], |row| row.get(0))?)
}

pub(super) fn one_of(column: &str, ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    // No row has the number -1.
    format!(
        "{column} IN (-1, {})",
        if ids.is_empty() {
            "-1".to_owned()
        } else {
            ids.join(", ")
        }
    )
}

/// In UTC; what no calendar holds is shown as its number.
pub(super) fn rfc3339(unix_micros: i64) -> String {
    Timestamp::from_microsecond(unix_micros).map_or_else(|_| unix_micros.to_string(), |time| time.to_string())
}
