//! `GET /generations`: requests one by one, the newest first, page by page. A page is continued behind the last request of the
//! one before, so that what comes meanwhile shifts nothing. That request is told by its time and id, which stand in one order
//! for all pods, so that each pod can continue what another began.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::str::FromStr;

use duckdb::types::Value;
use duckdb::{Connection, ToSql};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Error;
use super::database::timestamp;
use super::generation::{Attempt, Generation};
use super::names::Book;
use super::share::Part;
use super::system::{Pods, Scope, one_of};

/// What is asked. What is none does not matter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Query {
    /// First microsecond since 1970 that counts.
    pub since_unix_micros: i64,
    /// First microsecond since 1970 that counts no more.
    pub until_unix_micros: i64,
    /// By name, all of them.
    pub names: Vec<(Field, Box<str>)>,
    pub status: Option<u16>,
    /// Only requests to Routes of this namespace, and those of its keys.
    pub namespace: Option<Box<str>>,
    /// Only requests of this key (`namespace/name`).
    pub key: Option<Box<str>>,
    pub after: Option<Cursor>,
    pub limit: usize,
}

/// What a request can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Route,
    Prompt,
    Revision,
    Provider,
    Model,
    Outcome,
}

/// The last request of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    created_unix_micros: i64,
    id: Box<str>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The requests, as `GET /generation` tells them.
    pub data: Vec<Box<RawValue>>,
    /// Gives the next page; none on the last one.
    pub next_cursor: Option<String>,
    /// None where there is no fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
}

/// The newest requests of a store that are to be on a page, as many as fit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    limit: usize,
    rows: Vec<Listed>,
    /// There are others that do not fit.
    has_more: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    created_unix_micros: i64,
    id: String,
    generation: Box<RawValue>,
}

impl Field {
    pub const ALL: [Self; 6] = [
        Self::Route,
        Self::Prompt,
        Self::Revision,
        Self::Provider,
        Self::Model,
        Self::Outcome,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Prompt => "prompt",
            Self::Revision => "revision",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Outcome => "outcome",
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created, id) = text.split_once('_').ok_or(())?;
        let is_id = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        Ok(Self {
            created_unix_micros: created.parse().map_err(|_| ())?,
            id: is_id.then(|| id.into()).ok_or(())?,
        })
    }
}

/// A condition with its parameters.
struct Condition {
    sql: String,
    parameters: Vec<Value>,
}

impl Condition {
    fn of(query: &Query, book: &Book) -> Self {
        let mut condition = Self {
            sql: "created >= ? AND created < ?".to_owned(),
            parameters: vec![timestamp(query.since_unix_micros), timestamp(query.until_unix_micros)],
        };
        for (field, name) in &query.names {
            let ids = book.ids(|known| known == &**name);
            condition.and(&one_of(&format!("{}_name", field.name()), &ids), []);
        }
        if let Some(status) = query.status {
            condition.and("status = ?", [Value::Int(status.into())]);
        }
        if let Some(namespace) = &query.namespace {
            let inside = format!("{namespace}/");
            let ids = book.ids(|name| name.starts_with(&inside));
            condition.and(
                &format!("({} OR {})", one_of("route_name", &ids), one_of("key_name", &ids)),
                [],
            );
        }
        if let Some(key) = &query.key {
            let ids = book.ids(|name| name == &**key);
            condition.and(&one_of("key_name", &ids), []);
        }
        if let Some(Cursor {
            created_unix_micros,
            id,
        }) = &query.after
        {
            let created = timestamp(*created_unix_micros);
            condition.and(
                "(created < ? OR created = ? AND id < ?)",
                [created.clone(), created, Value::Text(id.to_string())],
            );
        }
        condition
    }

    fn and<const N: usize>(&mut self, sql: &str, parameters: [Value; N]) {
        self.sql = format!("{} AND {sql}", self.sql);
        self.parameters.extend(parameters);
    }
}

impl Listing {
    /// The page, if these are all requests that there are.
    pub fn page(self) -> Page {
        let last = self.rows.last().filter(|_| self.has_more);
        Page {
            next_cursor: last.map(|last| format!("{}_{}", last.created_unix_micros, last.id)),
            data: self.rows.into_iter().map(|listed| listed.generation).collect(),
            scope: None,
            pods: None,
        }
    }
}

impl Part for Listing {
    fn add(&mut self, other: Self) -> Result<(), Error> {
        self.rows.extend(other.rows);
        let place = |listed: &Listed| (listed.created_unix_micros, listed.id.clone());
        self.rows.sort_by_cached_key(|listed| Reverse(place(listed)));
        self.rows.dedup_by(|one, other| one.id == other.id);
        self.has_more |= other.has_more || self.rows.len() > self.limit;
        self.rows.truncate(self.limit);
        Ok(())
    }
}

pub(super) fn list(connection: &Connection, query: &Query) -> Result<Listing, Error> {
    let book = Book::read(connection)?;
    let Condition { sql, parameters } = Condition::of(query, &book);
    let sql = format!(
        "SELECT *, epoch_us(created) AS created_unix_micros FROM request_rows WHERE {sql} ORDER BY created DESC, id DESC LIMIT {}",
        query.limit.saturating_add(1)
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(as_parameters(&parameters).as_slice(), |row| {
        Ok((row.get::<_, i64>("created_unix_micros")?, Generation::read(row, &book)?))
    })?;
    let mut found: Vec<(i64, Generation)> = rows.collect::<duckdb::Result<_>>()?;
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    add_attempts(connection, &book, &mut found)?;
    let listed = |(created_unix_micros, generation): (i64, Generation)| {
        Ok(Listed {
            created_unix_micros,
            generation: to_raw_value(&generation)?,
            id: generation.id,
        })
    };
    Ok(Listing {
        limit: query.limit,
        rows: found.into_iter().map(listed).collect::<serde_json::Result<_>>()?,
        has_more,
    })
}

fn add_attempts(connection: &Connection, book: &Book, found: &mut [(i64, Generation)]) -> Result<(), Error> {
    let (Some((last, _)), Some((first, _))) = (found.first(), found.last()) else {
        return Ok(());
    };
    let mut parameters = vec![timestamp(*first), timestamp(*last)];
    parameters.extend(found.iter().map(|(_, generation)| Value::Text(generation.id.clone())));
    let ids = vec!["?"; found.len()].join(", ");
    let sql = format!(
        "SELECT * FROM all_attempt_rows WHERE created BETWEEN ? AND ? AND request_id IN ({ids}) ORDER BY position"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(as_parameters(&parameters).as_slice(), |row| {
        Ok((row.get::<_, String>("request_id")?, Attempt::read(row, book)?))
    })?;
    let mut attempts: HashMap<String, Vec<Attempt>> = HashMap::new();
    for row in rows {
        let (id, attempt) = row?;
        attempts.entry(id).or_default().push(attempt);
    }
    for (_, generation) in found {
        generation.tried(attempts.remove(&generation.id).unwrap_or_default());
    }
    Ok(())
}

fn as_parameters(values: &[Value]) -> Vec<&dyn ToSql> {
    values.iter().map(|value| value as &dyn ToSql).collect()
}
