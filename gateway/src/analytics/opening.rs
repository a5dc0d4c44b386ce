//! Opening the file with its limits and its tables.

use std::path::{Path, PathBuf};

use duckdb::{Config, Connection, params};

use super::database::{Error, FILE};
use super::tables::STEPS;
use crate::capture::{make_directory, newest, steps_from};

/// The file's name in the engine.
const CATALOG: &str = "analytics";
/// Rows of a table that are written, compressed and deleted together. A transaction of as many goes right into the file: nothing of it waits
/// in memory or in the log to be written again. Each group costs memory for as long as the file is open, some kilobytes a column.
pub(super) const GROUP_ROWS: usize = 8192;
/// How the file is written: what the engine linked here knows. A file of before is brought to it.
const STORAGE_VERSION: &str = "v1.5.0";
/// The unit of the file, and of memory: a query holds one of each column. The engine's own is four times as large.
const BLOCK_BYTES: u64 = 65_536;
/// What the engine may take while whole groups of rows are written: what it would keep of the file in order not to read it again is not worth
/// more.
const LITTLE_MEMORY: &str = "5MB";
/// The same while questions are asked, while a log is read or put into the file, and always for a file of larger blocks, which it keeps.
const MUCH_MEMORY: &str = "64MB";
/// Log past which the file is brought up to date. Rows that are only in the log are in memory, three times as large as there.
const CHECKPOINT_BYTES: u64 = 1_000_000;
/// Ways to compress that cost more of the processor than they save of the disk, each tried on each column of each group.
const COSTLY: &str = "fsst,dict_fsst,zstd,alp,alprd,chimp,patas";
/// What a large query may put on the disk beside the file.
const OVERFLOW_BYTES: u64 = 1_000_000_000;
pub(super) const OVERFLOW_DIRECTORY: &str = "analytics.tmp";

/// Opens the file to write, and makes or brings up to date its tables.
pub(super) fn open(directory: &Path, max_bytes: Option<u64>) -> Result<Connection, Error> {
    make_directory(directory).map_err(|source| Error::MakeDirectory {
        directory: directory.to_owned(),
        source,
    })?;
    let file = directory.join(FILE);
    let failed = failure(&file);
    let connection = connect(directory, max_bytes, "READ_WRITE").map_err(failed)?;
    limit(&connection, directory, max_bytes).map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    let steps = steps_from(found, STEPS).map_err(|source| Error::Newer {
        file: file.clone(),
        source,
    })?;
    migrate(&connection, steps).map_err(failed)?;
    Ok(connection)
}

/// Opens the file for queries only. What stands in its log is seen as well.
pub(super) fn open_to_read(directory: &Path, max_bytes: Option<u64>) -> Result<Connection, Error> {
    let file = directory.join(FILE);
    let failed = failure(&file);
    let connection = connect(directory, max_bytes, "READ_ONLY").map_err(failed)?;
    limit(&connection, directory, max_bytes).map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    match steps_from(found, STEPS) {
        Ok([]) => Ok(connection),
        Ok(_) => Err(Error::Older { file }),
        Err(source) => Err(Error::Newer { file, source }),
    }
}

/// Another connection to the file.
pub(super) fn another(connection: &Connection) -> duckdb::Result<Connection> {
    let another = connection.try_clone()?;
    another.execute_batch(&format!("USE {CATALOG}"))?;
    Ok(another)
}

/// Attaches `file`, quoted, as a database that is written as ours is.
pub(super) fn attached(file: &Path, name: &str, access: &str) -> String {
    let file = file.to_string_lossy().replace('\'', "''");
    format!("ATTACH '{file}' AS {name} ({access}, STORAGE_VERSION '{STORAGE_VERSION}', ROW_GROUP_SIZE {GROUP_ROWS})")
}

/// Log past which the file is brought up to date.
pub(super) fn checkpoint_bytes(max_bytes: Option<u64>) -> u64 {
    max_bytes.map_or(CHECKPOINT_BYTES, |bytes| (bytes / 16).min(CHECKPOINT_BYTES))
}

pub(super) fn overflow_bytes(max_bytes: Option<u64>) -> u64 {
    max_bytes.map_or(OVERFLOW_BYTES, |bytes| (bytes / 8).min(OVERFLOW_BYTES))
}

/// Gives questions the memory that they need.
pub(super) fn extend(connection: &Connection) -> duckdb::Result<()> {
    connection.execute_batch(&format!("SET memory_limit = '{MUCH_MEMORY}'"))
}

/// Takes it back; fails while more is in use.
pub(super) fn shrink(connection: &Connection) -> duckdb::Result<()> {
    let block_bytes = "SELECT block_size::UBIGINT FROM pragma_database_size() WHERE database_name = ?";
    let block_bytes: u64 = connection.query_row(block_bytes, [CATALOG], |row| row.get(0))?;
    if block_bytes > BLOCK_BYTES {
        return Ok(());
    }
    connection.execute_batch(&format!("SET memory_limit = '{LITTLE_MEMORY}'"))
}

fn failure(file: &Path) -> impl Fn(duckdb::Error) -> Error + Copy {
    move |source| Error::Open {
        file: PathBuf::from(file),
        source,
    }
}

/// The file is attached to an engine that has no other, for only then it takes the size of groups. Where large work overflows to is said at
/// once: reading the log may be such.
fn connect(directory: &Path, max_bytes: Option<u64>, access: &str) -> duckdb::Result<Connection> {
    let overflow = format!("{}B", overflow_bytes(max_bytes));
    let config = Config::default()
        .max_memory(MUCH_MEMORY)?
        .with("default_block_size", BLOCK_BYTES.to_string())?
        .with("temp_directory", directory.join(OVERFLOW_DIRECTORY).to_string_lossy())?
        .with("max_temp_directory_size", overflow)?
        .threads(1)?
        .enable_autoload_extension(false)?;
    let connection = Connection::open_in_memory_with_flags(config)?;
    let attach = attached(&directory.join(FILE), CATALOG, access);
    connection.execute_batch(&format!("{attach}; USE {CATALOG}"))?;
    Ok(connection)
}

/// What nobody can undo from SQL: how much disk there is, no file but our own, and none but backups written. The order matters. The bound of memory
/// is changed by us alone: what others ask is one SELECT.
fn limit(connection: &Connection, directory: &Path, max_bytes: Option<u64>) -> duckdb::Result<()> {
    let checkpoint = checkpoint_bytes(max_bytes);
    let backup = directory.join(super::BACKUP_DIRECTORY);
    let backup = backup.to_string_lossy().replace('\'', "''");
    connection.execute_batch(&format!(
        "SET checkpoint_threshold = '{checkpoint}B';
         SET disabled_compression_methods = '{COSTLY}'; SET allowed_directories = ['{backup}/'];
         SET enable_external_access = false; SET allowed_configs = ['memory_limit']; SET lock_configuration = true;"
    ))
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
