//! What a gateway left in its stores, read from the files themselves after its end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// A row of the store of examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub outcome: String,
    pub is_complete: bool,
    pub request: Vec<u8>,
    pub output: Option<String>,
    pub tool_calls: Option<String>,
}

/// A row of the store of analytics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub outcome: String,
    pub status: i64,
    pub attempts: i64,
    pub content_kept: Option<bool>,
}

/// Reads all examples, by id. An id that stands twice is an error.
pub fn examples(data: &Path) -> anyhow::Result<BTreeMap<String, Example>> {
    let file = data.join("examples.sqlite");
    let connection = rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("failed to open {}", file.display()))?;
    let mut statement =
        connection.prepare("SELECT id, outcome, complete, request, output, tool_calls FROM examples")?;
    let mut rows = statement.query([])?;
    let mut examples = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let example = Example {
            outcome: row.get(1)?,
            is_complete: row.get(2)?,
            request: row.get(3)?,
            output: row.get(4)?,
            tool_calls: row.get(5)?,
        };
        ensure!(
            examples.insert(id.clone(), example).is_none(),
            "{id} stands twice in {}",
            file.display()
        );
    }
    Ok(examples)
}

/// Reads all requests, by id, with the number of their attempts. An id that stands twice is an error.
pub fn requests(data: &Path) -> anyhow::Result<BTreeMap<String, Request>> {
    let file = data.join("analytics.duckdb");
    let config = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly)?;
    let connection = duckdb::Connection::open_with_flags(&file, config)
        .with_context(|| format!("failed to open {}", file.display()))?;
    let mut statement = connection.prepare(
        "SELECT id, outcome, status, (SELECT count(*) FROM attempts WHERE request_id = id), content_kept FROM requests",
    )?;
    let mut rows = statement.query([])?;
    let mut requests = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let request = Request {
            outcome: row.get(1)?,
            status: row.get(2)?,
            attempts: row.get(3)?,
            content_kept: row.get(4)?,
        };
        ensure!(
            requests.insert(id.clone(), request).is_none(),
            "{id} stands twice in {}",
            file.display()
        );
    }
    Ok(requests)
}
