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
use crate::capture::{Entry, Group, Load};

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

    const ROOM_PARTS: usize = 12;

    /// A whole group is exactly that: what a transaction has beyond it would be a small group of its own, and the engine would write those around
    /// it again to be rid of it.
    fn gather(&mut self, entries: &mut Vec<Entry>, from: usize, lexicon: &mut Lexicon) -> usize {
        let end = entries.len().min(from + GROUP_ROWS.saturating_sub(self.requests));
        let entries = &entries[from..end];
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
        end
    }

    fn requests(&self) -> usize {
        self.requests
    }

    fn load(&self) -> Load {
        Load::of_figures(self.row_bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::Traffic;

    #[test]
    fn a_group_takes_as_many_rows_as_a_whole_one_has() {
        let mut traffic = Traffic::new(41);
        let entry = Entry {
            record: traffic.record(),
            content_dropped: false,
        };
        let mut entries = vec![entry; GROUP_ROWS + 5];
        let (mut group, mut next, mut lexicon) = (Gathered::default(), Gathered::default(), Lexicon::default());
        assert_eq!(group.gather(&mut entries, 0, &mut lexicon), GROUP_ROWS);
        assert!(group.is_full() && group.requests() == GROUP_ROWS);
        assert_eq!(group.gather(&mut entries, 7, &mut lexicon), 7, "it is full");
        assert_eq!(next.gather(&mut entries, GROUP_ROWS, &mut lexicon), GROUP_ROWS + 5);
        assert_eq!((next.requests(), next.is_full()), (5, false));
    }
}
