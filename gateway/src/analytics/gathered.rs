//! What the store of analytics keeps of requests, as columns, until there is enough of it: a whole group of rows, which goes right into the
//! file. It takes a fifth of the memory that the records took. Names and kinds have the numbers of a lexicon in it, and not the file's:
//! whatever becomes of that meanwhile, the rows can be stored.

use std::collections::HashSet;

use duckdb::arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use duckdb::arrow::compute::filter_record_batch;
use duckdb::arrow::error::ArrowError;

use super::columns::{self, Rows};
use super::lexicon::Lexicon;
use super::numbers::Numbers;
use super::opening::GROUP_ROWS;
use crate::capture::{Entry, Group};

/// Rows of both tables.
#[derive(Default)]
pub(crate) struct Gathered {
    facts: Vec<Rows>,
    attempts: Vec<Rows>,
    requests: usize,
    row_bytes: usize,
    /// When the first and the last of the requests began, in microseconds since 1970.
    span: Option<(i64, i64)>,
}

/// The rows with the writer's numbers.
pub(super) struct Numbered {
    pub(super) facts: Option<RecordBatch>,
    pub(super) attempts: Option<RecordBatch>,
}

impl Group for Gathered {
    type Book = Lexicon;

    fn gather(&mut self, entries: &mut Vec<Entry>, lexicon: &mut Lexicon) {
        let facts = columns::facts(entries, lexicon);
        let attempts = columns::attempts(entries, &mut lexicon.names);
        for (rows, all) in [(facts, &mut self.facts), (attempts, &mut self.attempts)] {
            if !rows.is_empty() {
                self.row_bytes += rows.bytes();
                all.push(rows);
            }
        }
        self.requests += entries.len();
        for entry in entries {
            let began = entry.record.started_unix_micros;
            let (first, last) = self.span.unwrap_or((began, began));
            self.span = Some((first.min(began), last.max(began)));
        }
    }

    fn requests(&self) -> usize {
        self.requests
    }

    fn bytes(&self) -> usize {
        self.row_bytes
    }

    fn is_full(&self) -> bool {
        self.requests >= GROUP_ROWS
    }

    fn is_outgrown(lexicon: &Lexicon) -> bool {
        lexicon.is_outgrown()
    }

    fn tidy(lexicon: &mut Lexicon) {
        lexicon.tidy();
    }
}

impl Gathered {
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// The rows as they are stored: with the numbers of the file, which learns of names and kinds that it does not have.
    pub(super) fn numbered(&self, lexicon: &Lexicon, numbers: &mut Numbers) -> Result<Numbered, ArrowError> {
        numbers.read_from(lexicon);
        Ok(Numbered {
            facts: Rows::join(&self.facts, lexicon, numbers)?,
            attempts: Rows::join(&self.attempts, lexicon, numbers)?,
        })
    }
}

impl Numbered {
    /// Without the rows of these requests.
    pub(super) fn without(self, ids: &HashSet<String>) -> Result<Self, ArrowError> {
        let rest = |rows: Option<RecordBatch>, id| rows.map(|rows| without(&rows, id, ids)).transpose();
        Ok(Self {
            facts: rest(self.facts, "id")?,
            attempts: rest(self.attempts, "request_id")?,
        })
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        let both = [&self.facts, &self.attempts];
        both.into_iter().flatten().map(RecordBatch::get_array_memory_size).sum()
    }
}

fn without(rows: &RecordBatch, id: &str, ids: &HashSet<String>) -> Result<RecordBatch, ArrowError> {
    let Some(column) = rows.column_by_name(id) else {
        return Ok(rows.clone());
    };
    let stays = column
        .as_string::<i32>()
        .iter()
        .map(|id| id.is_none_or(|id| !ids.contains(id)));
    filter_record_batch(rows, &stays.map(Some).collect::<BooleanArray>())
}
