//! The `DuckDB` file: opening it with its limits, one connection that writes, and a way in for queries.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Instant;

use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::types::{TimeUnit, Value};
use duckdb::{AccessMode, Config, Connection, params};

use super::names::Names;
use super::tables::{ATTEMPT_ROWS, NAMES, REQUEST_ROWS, STEPS};
use super::{Error as QueryError, columns};
use crate::capture::{Entry, Forget, Newer, SharedLimits, Size, Store, Try, make_directory, newest, steps_from};

pub(crate) const FILE: &str = "analytics.duckdb";
pub(crate) const LOG: &str = "analytics.duckdb.wal";
/// The only one, below that of the file, in which the engine may write files that somebody names. What a backup left in it is removed at
/// the start: no name that a person would give to copies of their own.
pub(crate) const BACKUP_DIRECTORY: &str = "backup.draft";
const MEMORY: &str = "64MB";
/// Log past which the file is brought up to date. Each time rewrites the last, not yet full group of rows (122,880 of them), so that
/// a larger log means less writing.
const CHECKPOINT_BYTES: u64 = 64_000_000;
/// Ways to compress that cost more of the processor than they save of the disk, each tried on each column at each checkpoint.
const COSTLY: &str = "fsst,dict_fsst,zstd,alp,alprd,chimp,patas";
/// What a large query may put on the disk beside the file.
const OVERFLOW_BYTES: u64 = 1_000_000_000;
const OVERFLOW_DIRECTORY: &str = "analytics.tmp";

/// The file, which may be closed, and opened again after a failure. Nothing may have it open twice in one process: that is
/// what the gate is for. Queries hold it shared for as long as they run.
pub(crate) struct Database {
    directory: PathBuf,
    max_bytes: Option<u64>,
    limits: SharedLimits,
    gate: RwLock<Option<Mutex<Connection>>>,
    /// Held by the one query of an administrator that runs.
    pub(super) sql_turn: Mutex<()>,
    /// That query takes what the writer needs.
    pub(super) sql_preempted: AtomicBool,
}

/// The connection that writes.
pub(crate) struct Writer {
    pub(super) connection: Connection,
    /// Those of the file, as long as no write has failed; after that the writer is not used again.
    pub(super) names: Names,
    pub(super) limits: SharedLimits,
    pub(super) directory: PathBuf,
    /// When it was last looked for what is too old, in microseconds since 1970.
    pub(super) expired_unix_micros: Option<i64>,
    /// When names that nothing has any more were last deleted.
    pub(super) pruned: Option<Instant>,
    database: Arc<Database>,
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
        let connection = open(&self.directory, self.max_bytes)?;
        *gate = Some(Mutex::new(connection.try_clone()?));
        Ok(Writer {
            names: Names::stored(&connection)?,
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
        let file = self.directory.join(FILE);
        let failed = |source| Error::Open {
            file: file.clone(),
            source,
        };
        let config = config()
            .and_then(|config| config.access_mode(AccessMode::ReadOnly))
            .map_err(failed)?;
        let connection = Connection::open_with_flags(&file, config).map_err(failed)?;
        connection
            .execute_batch(&limits(&self.directory, self.max_bytes))
            .map_err(failed)?;
        let found = version(&connection).map_err(failed)?;
        match steps_from(found, STEPS) {
            Ok([]) => {}
            Ok(_) => return Err(Error::Older { file }),
            Err(source) => return Err(Error::Newer { file, source }),
        }
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
        let connection = shared.lock().unwrap_or_else(PoisonError::into_inner).try_clone()?;
        query(connection)
    }

    /// Whether what large queries have put on the disk leaves too little for the writer, which may need it as well: without it, the
    /// engine may give up altogether.
    pub(super) fn is_overflowing(&self) -> bool {
        let files = std::fs::read_dir(self.directory.join(OVERFLOW_DIRECTORY))
            .into_iter()
            .flatten();
        let bytes: u64 = files
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum();
        bytes > overflow_bytes(self.max_bytes) / 4
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

fn open(directory: &Path, max_bytes: Option<u64>) -> Result<Connection, Error> {
    make_directory(directory).map_err(|source| Error::MakeDirectory {
        directory: directory.to_owned(),
        source,
    })?;
    let file = directory.join(FILE);
    let failed = |source| Error::Open {
        file: file.clone(),
        source,
    };
    let connection = connect(&file).map_err(failed)?;
    connection
        .execute_batch(&limits(directory, max_bytes))
        .map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    let steps = steps_from(found, STEPS).map_err(|source| Error::Newer {
        file: file.clone(),
        source,
    })?;
    migrate(&connection, steps).map_err(failed)?;
    Ok(connection)
}

fn connect(file: &Path) -> duckdb::Result<Connection> {
    Connection::open_with_flags(file, config()?)
}

fn config() -> duckdb::Result<Config> {
    Config::default()
        .max_memory(MEMORY)?
        .threads(1)?
        .enable_autoload_extension(false)
}

fn overflow_bytes(max_bytes: Option<u64>) -> u64 {
    max_bytes.map_or(OVERFLOW_BYTES, |bytes| (bytes / 8).min(OVERFLOW_BYTES))
}

/// What nobody can undo from SQL: no file but our own, and none but backups written. The order matters.
fn limits(directory: &Path, max_bytes: Option<u64>) -> String {
    let checkpoint = max_bytes.map_or(CHECKPOINT_BYTES, |bytes| (bytes / 16).min(CHECKPOINT_BYTES));
    let overflow = overflow_bytes(max_bytes);
    let path = |name: &str| directory.join(name).to_string_lossy().replace('\'', "''");
    format!(
        "SET checkpoint_threshold = '{checkpoint}B'; SET disabled_compression_methods = '{COSTLY}'; SET temp_directory = '{}'; SET max_temp_directory_size = '{overflow}B'; SET allowed_directories = ['{}/'];
         SET enable_external_access = false; SET lock_configuration = true;",
        path(OVERFLOW_DIRECTORY),
        path(BACKUP_DIRECTORY),
    )
}

/// Of the tables; 0 when there are none.
fn version(connection: &Connection) -> duckdb::Result<u32> {
    let known = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'";
    if connection.query_row(known, [], |row| row.get::<_, u32>(0))? == 0 {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| {
        row.get(0)
    })
}

fn migrate(connection: &Connection, steps: &[&str]) -> duckdb::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.execute("DELETE FROM schema_version", [])?;
    transaction.execute("INSERT INTO schema_version VALUES (?)", params![newest(STEPS)])?;
    transaction.commit()
}

impl Store for Writer {
    type Error = Error;

    fn write(&mut self, entries: &[Entry], this_is: Try) -> Result<(), Error> {
        match self.write_once(entries, this_is) {
            // All queries share the engine's memory; new requests come first.
            Err(error) if self.database.preempt_sql() => {
                tracing::warn!(%error, "a query was stopped: it took what the store of analytics needs");
                self.names = Names::stored(&self.connection)?;
                self.write_once(entries, Try::Again)
            }
            written => written,
        }
    }

    fn tend(&mut self, now_unix_micros: i64) -> Result<(), Error> {
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
    fn write_once(&mut self, entries: &[Entry], this_is: Try) -> Result<(), Error> {
        let stored = match this_is {
            Try::First => HashSet::new(),
            Try::Again => stored_ids(&self.connection, entries)?,
        };
        let entries: Vec<&Entry> = entries
            .iter()
            .filter(|entry| !stored.contains(&*entry.record.id))
            .collect();
        let requests = columns::requests(&entries, &mut self.names)?;
        let attempts = columns::attempts(&entries, &mut self.names)?;
        let names = columns::names(&self.names.take_fresh())?;
        let transaction = self.connection.transaction()?;
        for (table, rows) in [(NAMES, names), (REQUEST_ROWS, requests), (ATTEMPT_ROWS, attempts)] {
            append(&transaction, table, rows)?;
        }
        Ok(transaction.commit()?)
    }
}

fn append(connection: &Connection, table: &str, rows: RecordBatch) -> duckdb::Result<()> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(rows)?;
    appender.flush()
}

/// Ids of the time that `entries` span.
fn stored_ids(connection: &Connection, entries: &[Entry]) -> duckdb::Result<HashSet<String>> {
    let times = || entries.iter().map(|entry| entry.record.started_unix_micros);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
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
