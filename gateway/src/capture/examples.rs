//! The store of examples: an `SQLite` file with the content of the requests whose Route captures it, by route.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::answer::Reading;
use super::batch::Entry;
use super::record::{Content, Outcome, Record};
use super::room::Load;
use super::schema::{Newer, newest, steps_from};
use super::store::{Forget, Group, SharedLimits, Size, Store, Try, make_directory};

mod retention;

pub(crate) const FILE: &str = "examples.sqlite";
pub(crate) const LOG: &str = "examples.sqlite-wal";

/// How long another program's lock is waited for before the batch is put off.
const BUSY: Duration = Duration::from_millis(250);

/// Pages of a new file.
const PAGE_BYTES: u64 = 16_384;
/// What the log may hold before it is folded into the file.
const LOG_BYTES: u64 = 8 << 20;

/// Large pages: an example takes a kilobyte or two, or a hundred, and a commit costs by the page. Their size comes first: the next setting
/// makes the file, and from then on it has the pages that it has. Pages that become free can be given back.
const SETTINGS: &str = "
PRAGMA page_size = 16384;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA secure_delete = FAST;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -2048;
";

const STEPS: &[&str] = &[
    "
CREATE TABLE examples (
    id TEXT NOT NULL PRIMARY KEY,
    route TEXT,
    created_unix_micros INTEGER NOT NULL,
    key TEXT,
    external_user TEXT,
    target TEXT,
    provider TEXT,
    model TEXT,
    outcome TEXT NOT NULL,
    -- 1 when the answer is whole; a cut or cancelled one has 0 and holds what had come.
    complete INTEGER NOT NULL,
    -- The body as the client sent it.
    request BLOB NOT NULL,
    -- The text of the first choice.
    output TEXT,
    -- A JSON array.
    tool_calls TEXT,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER
) STRICT;
CREATE INDEX examples_by_route ON examples (route, created_unix_micros);
",
    "
-- namespace/name of the prompt, and the name of its revision.
ALTER TABLE examples ADD COLUMN prompt TEXT;
ALTER TABLE examples ADD COLUMN revision TEXT;
",
];

const INSERT: &str = "
INSERT INTO examples (id, route, created_unix_micros, key, external_user, target, provider, model, outcome, complete, request,
    output, tool_calls, finish_reason, prompt_tokens, completion_tokens, prompt, revision)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
ON CONFLICT (id) DO NOTHING";

/// Examples in one transaction at most: more would hold the other store up for long.
const GROUP_EXAMPLES: usize = 1024;

/// Requests whose content is kept.
#[derive(Default)]
pub(super) struct Contents {
    entries: Vec<Entry>,
    bytes: usize,
}

/// An open store of examples.
pub(super) struct Examples {
    connection: Connection,
    file: PathBuf,
    /// Files of before have smaller pages.
    page_bytes: u64,
    limits: SharedLimits,
    counts: retention::Counts,
    /// When it was last looked for what is too old, in microseconds since 1970.
    expired_unix_micros: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to make the directory {directory}")]
    MakeDirectory { directory: PathBuf, source: std::io::Error },
    #[error("failed to open {file}")]
    Open { file: PathBuf, source: rusqlite::Error },
    #[error("failed to open {file}")]
    Newer { file: PathBuf, source: Newer },
    #[error("failed to write examples")]
    Write(#[from] rusqlite::Error),
}

impl Examples {
    pub(super) fn open(directory: &Path, max_bytes: Option<u64>, limits: SharedLimits) -> Result<Self, Error> {
        make_directory(directory).map_err(|source| Error::MakeDirectory {
            directory: directory.to_owned(),
            source,
        })?;
        let file = directory.join(FILE);
        let failed = |source| Error::Open {
            file: file.clone(),
            source,
        };
        let mut connection = Connection::open(&file).map_err(failed)?;
        let found = prepare_connection(&connection, max_bytes).map_err(failed)?;
        let steps = steps_from(found, STEPS).map_err(|source| Error::Newer {
            file: file.clone(),
            source,
        })?;
        migrate(&mut connection, steps).map_err(failed)?;
        retention::make_shrinkable(&connection).map_err(failed)?;
        Ok(Self {
            counts: retention::Counts::read(&connection, &limits.load()).map_err(failed)?,
            page_bytes: page_bytes(&connection).map_err(failed)?,
            connection,
            file,
            limits,
            expired_unix_micros: None,
        })
    }
}

/// Returns the version of the tables.
fn prepare_connection(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<u32> {
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(SETTINGS)?;
    let log_bytes = max_bytes.map_or(LOG_BYTES, |bytes| (bytes / 16).clamp(16 * PAGE_BYTES, LOG_BYTES));
    let log_pages = log_bytes / page_bytes(connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", log_pages.cast_signed())?;
    let version = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
    if connection.query_row(version, [], |row| row.get::<_, u32>(0))? == 0 {
        return Ok(0);
    }
    let version = connection
        .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
        .optional()?;
    Ok(version.unwrap_or_default())
}

fn page_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, "page_size", |row| row.get(0).map(i64::cast_unsigned))
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT")?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.execute("DELETE FROM schema_version", [])?;
    transaction.execute("INSERT INTO schema_version VALUES (?1)", [newest(STEPS)])?;
    transaction.commit()
}

impl Group for Contents {
    type Book = ();

    const ROOM_PARTS: usize = 32;

    fn gather(&mut self, entries: &mut Vec<Entry>, from: usize, (): &mut ()) -> usize {
        let captured = entries.extract_if(from.., |entry| entry.record.content.is_some());
        self.entries
            .extend(captured.inspect(|entry| self.bytes += entry.record.retained_bytes()));
        entries.len()
    }

    fn requests(&self) -> usize {
        self.entries.len()
    }

    fn load(&self) -> Load {
        Load::of_content(self.bytes)
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= GROUP_EXAMPLES
    }

    fn is_outgrown((): &()) -> bool {
        false
    }

    fn tidy((): &mut ()) {}
}

impl Store for Examples {
    type Error = Error;
    type Group = Contents;

    fn write(&mut self, group: &Contents, (): &(), _: Try) -> Result<(), Error> {
        let captured = group
            .entries
            .iter()
            .filter_map(|entry| Some((&entry.record, entry.record.content.as_ref()?)));
        self.counts.follow(&self.limits.load());
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for (record, content) in captured {
                if insert_example(&mut insert, record, content)? > 0 {
                    self.counts.add(&record.route);
                }
            }
        }
        self.counts.trim(&transaction, retention::Tolerance::AnEighth)?;
        Ok(transaction.commit()?)
    }

    fn tend(&mut self, now_unix_micros: i64) -> Result<(), Error> {
        Ok(self.tend_at(now_unix_micros)?)
    }

    fn disk_bytes(&self) -> u64 {
        self.length_of_files()
    }

    fn size(&self) -> Result<Size, Error> {
        Ok(self.measure()?)
    }

    fn oldest(&self) -> Result<Option<i64>, Error> {
        let oldest = "SELECT created_unix_micros FROM examples ORDER BY rowid LIMIT 1";
        Ok(self.connection.query_row(oldest, [], |row| row.get(0)).optional()?)
    }

    fn shed(&mut self, bytes: u64) -> Result<(), Error> {
        Ok(self.shed_oldest(bytes)?)
    }

    fn forget(&mut self, forget: &Forget) -> Result<u64, Error> {
        Ok(self.forget_user(forget)?)
    }

    fn close(self) -> Result<(), Error> {
        // Closing the last connection also folds the write-ahead log into the file.
        self.connection.close().map_err(|(_, error)| Error::Write(error))
    }
}

fn insert_example(insert: &mut CachedStatement, record: &Record, content: &Content) -> rusqlite::Result<usize> {
    let answering = record.attempts.last();
    let Reading { output, tool_calls } = Reading::of(&content.answer);
    insert.execute(params![
        &*record.id,
        record.route.as_deref(),
        record.started_unix_micros,
        record.key.as_deref(),
        record.user.as_deref(),
        answering.map(|attempt| &*attempt.target),
        answering.map(|attempt| &*attempt.provider),
        answering.map(|attempt| &*attempt.model),
        record.outcome.as_str(),
        record.outcome == Outcome::Ok,
        &*content.request,
        output,
        tool_calls,
        record.finish_reason.as_deref(),
        record.usage.map(|usage| usage.prompt_tokens.cast_signed()),
        record.usage.map(|usage| usage.completion_tokens.cast_signed()),
        answering.and_then(|attempt| attempt.prompt.as_deref()),
        answering.and_then(|attempt| attempt.revision.as_deref()),
    ])
}
