//! Read-only SQL on live data, for administrators.
//!
//! Neither a READ ONLY transaction nor `query(?)` keeps a query from files, settings or other effects, and the engine's bound of
//! memory does not cover all that it allocates. So a query runs only when nothing in it is unknown to `allowed`, in a READ ONLY
//! transaction, as the parameter of `SELECT * FROM query(?)` (which takes one SELECT), on a connection of its own, one at a
//! time, and is interrupted when it takes too long, takes too much memory, or takes what the writer needs.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use duckdb::{Connection, InterruptHandle};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

mod allowed;
#[cfg(test)]
mod tests;
mod values;

use super::Error;
use super::database::Database;

/// Longest text of a query.
const TEXT_BYTES: usize = 8 * 1024;
/// Rows of one answer.
const ROWS: usize = 10_000;
/// JSON of one answer.
const ANSWER_BYTES: usize = 4 << 20;
const DEADLINE: Duration = Duration::from_secs(10);
/// By how much the process may grow while a query runs.
const GROWTH_BYTES: u64 = 192 << 20;
const WATCH_INTERVAL: Duration = Duration::from_millis(10);
/// Deep queries are planned by recursion.
const STACK_BYTES: usize = 32 << 20;

/// What a query gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Json>>,
    /// There are more rows than an answer may have.
    pub truncated: bool,
}

/// Why a query was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    #[error("it took longer than {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("it took too much memory")]
    Memory,
    #[error("it took too much room on the disk")]
    Disk,
    #[error("it took memory that the store needs for new requests")]
    Preempted,
}

pub(super) fn run(database: &Database, text: &str, namespace: Option<&str>) -> Result<Answer, Error> {
    if text.len() > TEXT_BYTES {
        return Err(Error::Refused(format!("the query is longer than {TEXT_BYTES} bytes")));
    }
    if text.contains('\0') {
        return Err(Error::Refused("the query holds a null character".to_owned()));
    }
    let _turn = database.sql_turn.try_lock().map_err(|_| Error::Occupied)?;
    database
        .sql_preempted
        .store(false, std::sync::atomic::Ordering::Relaxed);
    database.with_connection(|connection| {
        let (finished, watched) = mpsc::channel();
        thread::scope(|scope| {
            let handle = connection.interrupt_handle();
            let watch = scope.spawn(move || watch(database, &handle, &watched));
            let query = thread::Builder::new()
                .name("sql".to_owned())
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, move || answer(&connection, text, namespace));
            let answer = match query.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => Err(Error::Refused("the query could not be run".to_owned())),
            };
            drop(finished);
            match (answer, watch.join().ok().flatten()) {
                (Err(_), Some(stop)) => Err(Error::Stopped(stop)),
                (answer, _) => answer,
            }
        })
    })
}

/// Interrupts the query when it must not go on, until it has ended.
fn watch(database: &Database, handle: &Arc<InterruptHandle>, finished: &Receiver<()>) -> Option<Stop> {
    let began = Instant::now();
    let before = anonymous_bytes();
    let mut stop = None;
    while let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(WATCH_INTERVAL) {
        if stop.is_none() {
            stop = if database.sql_preempted.load(std::sync::atomic::Ordering::Relaxed) {
                Some(Stop::Preempted)
            } else if began.elapsed() > DEADLINE {
                Some(Stop::Deadline)
            } else if anonymous_bytes() > before + GROWTH_BYTES {
                Some(Stop::Memory)
            } else if database.is_overflowing() {
                Some(Stop::Disk)
            } else {
                None
            };
        }
        // Again and again: between two statements there is nothing to interrupt.
        if stop.is_some() {
            handle.interrupt();
        }
    }
    stop
}

/// Memory of this process that is no file's; 0 where the system does not tell.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

fn answer(connection: &Connection, text: &str, namespace: Option<&str>) -> Result<Answer, Error> {
    let tree: String = connection
        .query_row("SELECT json_serialize_sql(CAST(? AS VARCHAR))", [text], |row| {
            row.get(0)
        })
        .map_err(|error| refusal(&error))?;
    allowed::check(&tree).map_err(|allowed::Refused(what)| Error::Refused(what))?;
    if let Some(namespace) = namespace {
        confine(connection, namespace)?;
    }
    connection.execute_batch("BEGIN TRANSACTION READ ONLY")?;
    let mut statement = connection
        .prepare(&format!("SELECT * FROM query(?) LIMIT {}", ROWS + 1))
        .map_err(|error| refusal(&error))?;
    let mut found = statement.query([text]).map_err(|error| refusal(&error))?;
    let columns = found.as_ref().map(duckdb::Statement::column_names).unwrap_or_default();
    let mut rows = Vec::new();
    let mut bytes = 0;
    while let Some(row) = found.next().map_err(|error| refusal(&error))? {
        let cells: Vec<Json> = (0..columns.len())
            .map(|column| row.get(column).map(values::json))
            .collect::<duckdb::Result<_>>()?;
        bytes += cells.iter().map(values::length).sum::<usize>();
        if rows.len() == ROWS || bytes > ANSWER_BYTES {
            return Ok(Answer {
                columns,
                rows,
                truncated: true,
            });
        }
        rows.push(cells);
    }
    Ok(Answer {
        columns,
        rows,
        truncated: false,
    })
}

/// What the engine says of a query is for whoever wrote it.
fn refusal(error: &duckdb::Error) -> Error {
    let message = error.to_string();
    let first = message.split("\n\n").next().unwrap_or_default();
    Error::Refused(first.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Views of this connection alone stand before those of the file, and show one namespace.
fn confine(connection: &Connection, namespace: &str) -> Result<(), Error> {
    // A namespace is a DNS label; the quote is doubled nevertheless.
    let inside = format!("'{}/%'", namespace.replace('\'', "''"));
    connection.execute_batch(&format!(
        "CREATE TEMP VIEW requests AS SELECT * FROM analytics.main.requests WHERE route LIKE {inside} OR key LIKE {inside};
         CREATE TEMP VIEW attempts AS SELECT * FROM analytics.main.attempts WHERE request_id IN (SELECT id FROM temp.requests);
         CREATE TEMP VIEW hours AS SELECT * FROM analytics.main.hours WHERE route LIKE {inside} OR key LIKE {inside};"
    ))?;
    Ok(())
}
