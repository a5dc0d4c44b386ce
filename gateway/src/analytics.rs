//! Figures of traffic: the store of analytics (`DuckDB`), which the writer of `crate::capture` fills, and the questions that
//! the API asks it. The functions here block for as long as a query takes: call them off the request path.

use std::path::Path;
use std::sync::{Arc, LazyLock};

mod columns;
mod copy;
mod database;
mod gathered;
pub mod generation;
pub mod generations;
mod groups;
mod kinds;
mod lexicon;
mod measures;
mod names;
mod numbers;
mod opening;
pub mod prompts;
mod questions;
mod renewal;
mod retention;
pub mod share;
pub mod sql;
pub mod system;
mod tables;
#[cfg(test)]
mod tests;

use crate::capture::SharedLimits;
pub(crate) use copy::interruptible;
pub use database::Error as OpenError;
pub(crate) use database::{BACKUP_DIRECTORY, Database, FILE, LOG};
use generation::Generation;
use generations::Listing;
use prompts::PromptShare;
use share::Share;
use system::{Pods, Query, Scope, SystemAnalytics};

/// Answers questions about stored requests.
#[derive(Clone)]
pub struct Analytics {
    database: Arc<Database>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store of analytics is not open")]
    Closed,
    #[error("failed to query the store of analytics")]
    Query(#[from] duckdb::Error),
    #[error(
        "the answer would have more than {limit} rows: group by less, or take a shorter time or a coarser granularity"
    )]
    TooManyRows { limit: usize },
    #[error("failed to write what was found as JSON")]
    Write(#[from] serde_json::Error),
    #[error("another query runs; there is one at a time")]
    Occupied,
    /// The query asks for something that is not allowed, or cannot be understood; says what.
    #[error("{0}")]
    Refused(String),
    #[error("the query was stopped: {0}")]
    Stopped(sql::Stop),
}

/// The version of `DuckDB` that this program runs with, for instance `v1.5.6`.
pub fn engine_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = duckdb::Connection::open_in_memory()
            .and_then(|connection| connection.query_row("SELECT version()", [], |row| row.get(0)));
        version.unwrap_or_else(|_| "unknown".to_owned())
    });
    &VERSION
}

impl Analytics {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Of the files that a gateway left, which must have stopped. They are not changed.
    pub fn of_files(directory: &Path) -> Result<Self, OpenError> {
        let database = Arc::new(Database::new(directory, None, SharedLimits::default()));
        database.open_to_read()?;
        Ok(Self { database })
    }

    /// What is known of one request; none when no stored request has this id.
    pub fn generation(&self, id: &str) -> Result<Option<Generation>, Error> {
        self.database.read(|connection| generation::find(connection, id))
    }

    /// Requests for a page, the newest first.
    pub fn generations(&self, query: &generations::Query) -> Result<Listing, Error> {
        self.database.read(|connection| generations::list(connection, query))
    }

    /// Runs a query of an administrator, in `namespace` if it is confined to one.
    pub fn sql(&self, text: &str, namespace: Option<&str>) -> Result<sql::Answer, Error> {
        sql::run(&self.database, text, namespace)
    }

    /// What is known of a prompt.
    pub fn prompt(&self, asked: &prompts::Asked) -> Result<PromptShare, Error> {
        self.database.read(|connection| prompts::share(connection, asked))
    }

    /// Sums over requests, by group.
    pub fn share(&self, query: &Query) -> Result<Share, Error> {
        self.database.read(|connection| system::share(connection, query))
    }

    /// Sums over requests, in all and by group, as the one gateway of its machine tells them.
    pub fn system(&self, query: &Query) -> Result<SystemAnalytics, Error> {
        Ok(self.share(query)?.answer(query, Scope::Pod, Pods::only(0)))
    }
}
