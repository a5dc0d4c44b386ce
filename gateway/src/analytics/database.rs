//! The `DuckDB` file: opening it with its limits, one connection that writes, and a way in for queries.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Instant;

use duckdb::Connection;
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::types::{TimeUnit, Value};

use super::gathered::Gathered;
use super::lexicon::Lexicon;
use super::numbers::Numbers;
use super::tables::{ATTEMPT_ROWS, NAMES, REQUEST_FACTS, REQUEST_KINDS};
use super::{Error as QueryError, columns, opening};
use crate::capture::{Forget, Newer, SharedLimits, Size, Store, Try};

pub(crate) const FILE: &str = "analytics.duckdb";
pub(crate) const LOG: &str = "analytics.duckdb.wal";
/// The only one, below that of the file, in which the engine may write files that somebody names. What a backup left in it is removed at
/// the start: no name that a person would give to copies of their own.
pub(crate) const BACKUP_DIRECTORY: &str = "backup.draft";
/// Rows that take more, for long texts are among them, are written with the memory of questions.
const LARGE_GROUP_BYTES: usize = 4 << 20;

/// The file, which may be closed, and opened again after a failure. Nothing may have it open twice in one process: that is
/// what the gate is for. Queries hold it shared for as long as they run.
pub(crate) struct Database {
    directory: PathBuf,
    max_bytes: Option<u64>,
    limits: SharedLimits,
    gate: RwLock<Option<Mutex<Connection>>>,
    asked: Mutex<Asked>,
    /// Held by the one query of an administrator that runs.
    pub(super) sql_turn: Mutex<()>,
    /// That query takes what the writer needs.
    pub(super) sql_preempted: AtomicBool,
}

/// Whether questions are asked, for which the engine takes more memory than for writing.
#[derive(Default)]
struct Asked {
    running: usize,
    /// The engine has that memory.
    extended: bool,
}

/// A question for as long as it runs.
pub(super) struct Asking<'a>(&'a Mutex<Asked>);

/// The connection that writes.
pub(crate) struct Writer {
    pub(super) connection: Connection,
    /// Those of the file, as long as no write has failed; after that the writer is not used again.
    pub(super) numbers: Numbers,
    pub(super) limits: SharedLimits,
    pub(super) directory: PathBuf,
    /// When it was last looked for what is too old, in microseconds since 1970.
    pub(super) expired_unix_micros: Option<i64>,
    /// When names that nothing has any more were last deleted.
    pub(super) pruned: Option<Instant>,
    pub(super) database: Arc<Database>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to make the directory {directory}")]
    MakeDirectory { directory: PathBuf, source: std::io::Error },
    #[error("failed to open {file}")]
    Open { file: PathBuf, source: duckdb::Error },
    #[error("failed to open {file}")]
    Newer { file: PathBuf, source: Newer },
    #[error("failed to open {file}: its tables are of an older version; start a gateway on it once")]
    Older { file: PathBuf },
    #[error("failed to open the store of analytics: a query still runs on what failed")]
    Busy,
    #[error("failed to write analytics")]
    Write(#[from] duckdb::Error),
    #[error("failed to put records into columns")]
    Columns(#[from] ArrowError),
}

impl Database {
    pub(crate) fn new(directory: &Path, max_bytes: Option<u64>, limits: SharedLimits) -> Self {
        Self {
            directory: directory.to_owned(),
            max_bytes,
            limits,
            gate: RwLock::new(None),
            // The engine opens a file with much memory.
            asked: Mutex::new(Asked {
                running: 0,
                extended: true,
            }),
            sql_turn: Mutex::new(()),
            sql_preempted: AtomicBool::new(false),
        }
    }

    /// Opens the file anew; the writer of before must be gone.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Writer, Error> {
        let mut gate = match self.gate.try_write() {
            Ok(gate) => gate,
            Err(TryLockError::Poisoned(gate)) => gate.into_inner(),
            Err(TryLockError::WouldBlock) if self.preempt_sql() => self.gate.try_write().map_err(|_| Error::Busy)?,
            Err(TryLockError::WouldBlock) => return Err(Error::Busy),
        };
        *gate = None;
        let connection = opening::open(&self.directory, self.max_bytes)?;
        self.lock_asked().extended = true;
        self.shrink(&connection);
        *gate = Some(Mutex::new(connection.try_clone()?));
        Ok(Writer {
            numbers: Numbers::stored(&connection)?,
            connection,
            limits: Arc::clone(&self.limits),
            directory: self.directory.clone(),
            expired_unix_micros: None,
            pruned: None,
            database: Arc::clone(self),
        })
    }

    /// Opens the file for queries only. What stands in its log is seen as well.
    pub(crate) fn open_to_read(&self) -> Result<(), Error> {
        let connection = opening::open_to_read(&self.directory, self.max_bytes)?;
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = Some(Mutex::new(connection));
        Ok(())
    }

    /// Runs a query on a connection of its own, on one state of the data.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, QueryError>) -> Result<T, QueryError> {
        self.with_connection(|connection| {
            connection.execute_batch("BEGIN TRANSACTION READ ONLY")?;
            query(&connection)
        })
    }

    /// Gives a connection of its own to a query; the file stays open until it has ended.
    pub(super) fn with_connection<T>(
        &self,
        query: impl FnOnce(Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let shared = gate.as_ref().ok_or(QueryError::Closed)?;
        let connection = opening::another(&shared.lock().unwrap_or_else(PoisonError::into_inner))?;
        let _asking = self.ask(&connection)?;
        query(connection)
    }

    /// What a question, or work that takes as much, holds for as long as it runs.
    pub(super) fn ask(&self, connection: &Connection) -> duckdb::Result<Asking<'_>> {
        let mut asked = self.lock_asked();
        if !asked.extended {
            opening::extend(connection)?;
            asked.extended = true;
        }
        asked.running += 1;
        Ok(Asking(&self.asked))
    }

    /// Takes the memory for questions back when none is asked.
    fn shrink(&self, connection: &Connection) {
        let mut asked = self.lock_asked();
        if asked.running > 0 || !asked.extended {
            return;
        }
        match opening::shrink(connection) {
            Ok(()) => asked.extended = false,
            Err(error) => tracing::debug!(%error, "the store of analytics keeps its memory for a while"),
        }
    }

    fn lock_asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what large queries have put on the disk leaves too little for the writer, which may need it as well: without it, the
    /// engine may give up altogether.
    pub(super) fn is_overflowing(&self) -> bool {
        let files = std::fs::read_dir(self.directory.join(opening::OVERFLOW_DIRECTORY))
            .into_iter()
            .flatten();
        let bytes: u64 = files
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum();
        bytes > opening::overflow_bytes(self.max_bytes) / 4
    }

    /// Stops the query of an administrator, if one runs, and waits for its end.
    fn preempt_sql(&self) -> bool {
        if self.sql_turn.try_lock().is_ok() {
            return false;
        }
        self.sql_preempted.store(true, Ordering::Relaxed);
        drop(self.sql_turn.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }

    fn close(&self) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
    }
}

impl Store for Writer {
    type Error = Error;
    type Group = Gathered;

    fn write(&mut self, group: &Gathered, lexicon: &Lexicon, this_is: Try) -> Result<(), Error> {
        match self.write_once(group, lexicon, this_is) {
            // All queries share the engine's memory; new requests come first.
            Err(error) if self.database.preempt_sql() => {
                tracing::warn!(%error, "a query was stopped: it took what the store of analytics needs");
                self.numbers = Numbers::stored(&self.connection)?;
                self.write_once(group, lexicon, Try::Again)
            }
            written => written,
        }
    }

    fn tend(&mut self, now_unix_micros: i64) -> Result<(), Error> {
        self.database.shrink(&self.connection);
        self.expire(now_unix_micros)
    }

    fn size(&self) -> Result<Size, Error> {
        Ok(self.measure()?)
    }

    fn oldest(&self) -> Result<Option<i64>, Error> {
        Ok(self.oldest_row()?)
    }

    fn shed(&mut self, bytes: u64) -> Result<(), Error> {
        self.shed_oldest(bytes)
    }

    fn forget(&mut self, forget: &Forget) -> Result<u64, Error> {
        self.forget_user(forget)
    }

    fn close(self) -> Result<(), Error> {
        let folded = self.connection.execute_batch("CHECKPOINT");
        drop(self.connection);
        self.database.close();
        Ok(folded?)
    }
}

impl Writer {
    fn write_once(&mut self, group: &Gathered, lexicon: &Lexicon, this_is: Try) -> Result<(), Error> {
        let mut rows = group.numbered(lexicon, &mut self.numbers)?;
        if this_is == Try::Again {
            rows = rows.without(&stored_ids(&self.connection, group.span())?)?;
        }
        let kinds = columns::kinds(&self.numbers.kinds.take_fresh())?;
        let names = columns::names(&self.numbers.names.take_fresh())?;
        // What does not find memory while it is written may leave the engine's own state in disorder: it is looked at before.
        let _memory = if rows.bytes() > LARGE_GROUP_BYTES {
            Some(self.database.ask(&self.connection)?)
        } else {
            None
        };
        let transaction = self.connection.transaction()?;
        for (table, rows) in [
            (NAMES, Some(names)),
            (REQUEST_KINDS, Some(kinds)),
            (REQUEST_FACTS, rows.facts),
            (ATTEMPT_ROWS, rows.attempts),
        ] {
            append(&transaction, table, rows)?;
        }
        Ok(transaction.commit()?)
    }
}

fn append(connection: &Connection, table: &str, rows: Option<RecordBatch>) -> duckdb::Result<()> {
    let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) else {
        return Ok(());
    };
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(rows)?;
    appender.flush()
}

/// Ids of a time, in microseconds since 1970.
fn stored_ids(connection: &Connection, span: Option<(i64, i64)>) -> duckdb::Result<HashSet<String>> {
    let Some((first, last)) = span else {
        return Ok(HashSet::new());
    };
    let mut statement = connection.prepare("SELECT id FROM request_rows WHERE created BETWEEN ? AND ?")?;
    let ids = statement.query_map([timestamp(first), timestamp(last)], |row| row.get(0))?;
    ids.collect()
}

/// A time as a parameter.
pub(super) fn timestamp(unix_micros: i64) -> Value {
    Value::Timestamp(TimeUnit::Microsecond, unix_micros)
}
