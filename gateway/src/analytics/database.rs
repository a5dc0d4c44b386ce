//! The `DuckDB` file: opening it with its limits, one connection that writes, and a way in for queries.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use std::time::Instant;

use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::types::{TimeUnit, Value};
use duckdb::{Connection, Transaction};

use super::gathered::Gathered;
use super::lexicon::Lexicon;
use super::numbers::Numbers;
use super::opening::GROUP_ROWS;
use super::questions::Questions;
use super::renewal::Wear;
use super::tables::{ATTEMPT_ROWS, NAMES, REQUEST_FACTS, REQUEST_KINDS};
use super::{Error as QueryError, columns, opening};
use crate::capture::{Forget, Group as _, Newer, SharedLimits, Size, Store, Try};

pub(crate) const FILE: &str = "analytics.duckdb";
pub(crate) const LOG: &str = "analytics.duckdb.wal";
/// The only one, below that of the file, in which the engine may write files that somebody names. What a backup left in it is removed at
/// the start: no name that a person would give to copies of their own.
pub(crate) const BACKUP_DIRECTORY: &str = "backup.draft";
/// Rows that take more, for long texts are among them, are written with the memory of questions.
const LARGE_GROUP_BYTES: usize = 2_500_000;
/// So many, and less than a whole group, are as well: see [`Writer::needs_memory`].
const LARGE_PART_ROWS: usize = 1024;

/// What queries are given connections from; none while the file is closed.
pub(super) type Gate = Option<Mutex<Connection>>;

/// The file, which may be closed, and opened again after a failure and now and then (see `renewal`). Nothing may have it open twice in one
/// process: that is what the gate is for. Queries hold it shared for as long as they run.
pub(crate) struct Database {
    directory: PathBuf,
    max_bytes: Option<u64>,
    limits: SharedLimits,
    gate: RwLock<Gate>,
    pub(super) questions: Questions,
    /// Held by the one query of an administrator that runs.
    pub(super) sql_turn: Mutex<()>,
    /// That query takes what the writer needs.
    pub(super) sql_preempted: AtomicBool,
}

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
    pub(super) wear: Wear,
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
            questions: Questions::new(),
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
        let connection = self.connect(&mut gate)?;
        Ok(Writer {
            numbers: Numbers::stored(&connection)?,
            connection,
            limits: Arc::clone(&self.limits),
            directory: self.directory.clone(),
            expired_unix_micros: None,
            pruned: None,
            wear: Wear::default(),
            database: Arc::clone(self),
        })
    }

    /// The file without anybody who asks it; none while a question runs.
    pub(super) fn try_claim(&self) -> Option<RwLockWriteGuard<'_, Gate>> {
        self.gate.try_write().ok()
    }

    /// As [`Self::try_claim`], when the questions that run have ended, which are short: no other begins meanwhile. None while a query of an
    /// administrator or a backup runs, which are not.
    pub(super) fn claim(&self) -> Option<RwLockWriteGuard<'_, Gate>> {
        let _turn = match self.sql_turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.gate.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the file for the writer, and for queries, which wait at the gate meanwhile.
    pub(super) fn connect(&self, gate: &mut Gate) -> Result<Connection, Error> {
        *gate = None;
        let connection = opening::open(&self.directory, self.max_bytes)?;
        self.questions.begin(&connection);
        *gate = Some(Mutex::new(connection.try_clone()?));
        Ok(connection)
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
        let _asking = self.questions.ask(&connection)?;
        query(connection)
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
        let expired = self.expire(now_unix_micros);
        self.database.questions.shrink(&self.connection);
        expired
    }

    fn disk_bytes(&self) -> u64 {
        self.length(FILE) + self.length(LOG)
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

    fn renewed(self) -> Result<Self, Error> {
        self.renewed_if_worn()
    }

    fn close(self) -> Result<(), Error> {
        let memory = self.database.questions.borrow(&self.connection);
        let folded = memory.and_then(|_memory| self.connection.execute_batch("CHECKPOINT"));
        drop(self.connection);
        self.database.close();
        Ok(folded?)
    }
}

impl Writer {
    /// An error does not say that nothing was stored: what goes into one table may have been. The next try finds out.
    fn write_once(&mut self, group: &Gathered, lexicon: &Lexicon, this_is: Try) -> Result<(), Error> {
        let database = Arc::clone(&self.database);
        // What does not find memory while it is written may leave the engine's own state in disorder: it is looked at before.
        let mut memory = None;
        let mut rows = group.numbered(lexicon, &mut self.numbers)?;
        if this_is == Try::Again || self.needs_memory(group, rows.bytes()) {
            memory = Some(database.questions.borrow(&self.connection)?);
        }
        if this_is == Try::Again {
            rows = rows.without(&stored_ids(&self.connection, group.span())?)?;
        }
        let tables = [
            (NAMES, Some(columns::names(&self.numbers.names.take_fresh())?)),
            (REQUEST_KINDS, Some(columns::kinds(&self.numbers.kinds.take_fresh())?)),
            (REQUEST_FACTS, rows.facts),
            (ATTEMPT_ROWS, rows.attempts),
        ];
        let filled: Vec<_> = tables
            .into_iter()
            .filter_map(|(table, rows)| Some((table, rows.filter(|rows| rows.num_rows() > 0)?)))
            .collect();
        // What goes into one table is a transaction of its own, and most of the time that is all.
        let transaction = match filled.len() {
            0 | 1 => None,
            _ => Some(self.connection.unchecked_transaction()?),
        };
        for (table, rows) in filled {
            self.wear.written_rows += rows.num_rows();
            append(&self.connection, table, rows)?;
        }
        transaction.map_or(Ok(()), Transaction::commit)?;
        drop(memory);
        Ok(())
    }

    /// Whether rows of so many bytes are written with the memory of questions. Parts of a group are: they stay in memory and the log until they
    /// are put into the file, together with parts of before. With little memory the engine would put them on the disk meanwhile.
    fn needs_memory(&self, group: &Gathered, bytes: usize) -> bool {
        let bound = opening::checkpoint_bytes(self.database.max_bytes) / 2;
        let is_part = group.requests() < GROUP_ROWS;
        let log_bytes = || self.length(LOG) + if is_part { bytes as u64 } else { 0 };
        bytes > LARGE_GROUP_BYTES || is_part && group.requests() >= LARGE_PART_ROWS || log_bytes() >= bound
    }
}

fn append(connection: &Connection, table: &str, rows: RecordBatch) -> duckdb::Result<()> {
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
