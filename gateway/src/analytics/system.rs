//! `GET /system/analytics`: sums over requests, in all and by group. The SQL is put together from the enums below and from
//! numbers of names; no text of a caller is ever part of it.

use std::collections::BTreeSet;
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
use super::share::Share;

/// Rows in one answer.
pub const MAX_ROWS: usize = 10_000;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub scope: Scope,
    pub pods: Pods,
    pub rows: Vec<Row>,
}

/// Whose requests an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of the gateway that was asked.
    Pod,
    /// Those of all gateways.
    Fleet,
}

/// Who answered, by ordinal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pods {
    pub answered: Vec<String>,
    /// Those that are known of and did not answer: their requests are not in the figures.
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

impl Query {
    /// Each once.
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for &dimension in &self.group_by {
            if !dimensions.contains(&dimension) {
                dimensions.push(dimension);
            }
        }
        dimensions
    }
}

impl Pods {
    /// Of an answer that is one pod's.
    pub fn only(ordinal: u32) -> Self {
        Self {
            answered: vec![ordinal.to_string()],
            missing: Vec::new(),
        }
    }
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

/// What this store knows of it.
pub(super) fn share(connection: &Connection, query: &Query) -> Result<Share, Error> {
    let book = Book::read(connection)?;
    let prompts = prompts(connection, &book, query)?;
    Ok(Share::new(prompts, groups::read(connection, &book, query)?))
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

/// The prompts there were.
fn prompts(connection: &Connection, book: &Book, query: &Query) -> Result<BTreeSet<String>, Error> {
    let only = only(book, query);
    let sql = format!(
        "SELECT DISTINCT prompt_name FROM (
            SELECT prompt_name FROM request_rows WHERE created >= ? AND created < ?{only}
            UNION ALL SELECT prompt_name FROM hourly_rows WHERE hour >= ? AND hour < ?{only})
         WHERE prompt_name IS NOT NULL"
    );
    let (since, until) = (timestamp(query.since_unix_micros), timestamp(query.until_unix_micros));
    let mut statement = connection.prepare(&sql)?;
    let ids = statement.query_map([&since, &until, &since, &until], |row| row.get(0))?;
    let ids: Vec<Option<i32>> = ids.collect::<duckdb::Result<_>>()?;
    Ok(ids.into_iter().filter_map(|id| book.name(id)).collect())
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
