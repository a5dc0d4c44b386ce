//! Opening the file anew now and then. The engine holds what it knows of each group of rows, some 30 to 60 kilobytes, for as long as the file is
//! open: of those that it wrote, and of those that a question made it look at. Its bounds of memory do not count that.
//!
//! The engine gives up its lock on the file meanwhile: another program that opens it in that moment keeps us out until it has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Error, Writer};
use crate::capture::Store as _;

/// Rows that are written between two openings. An opening takes some hundredths of a second.
const MANY_ROWS: usize = 250_000;
/// Past so many it is waited for the end of questions that run, but not of a backup.
const MOST_ROWS: usize = 4 * MANY_ROWS;
/// A file that was asked is opened anew after this time, and when a look at all of it takes some megabytes.
const ASKED_FOR: Duration = Duration::from_mins(1);
const LARGE_FILE_BYTES: u64 = 32 << 20;

/// What an open file has been used for.
pub(super) struct Wear {
    pub(super) opened: Instant,
    pub(super) written_rows: usize,
}

impl Default for Wear {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            written_rows: 0,
        }
    }
}

impl Writer {
    /// While a question runs, all stays as it is for a good while.
    pub(super) fn renewed_if_worn(self) -> Result<Self, Error> {
        if !self.is_worn() {
            return Ok(self);
        }
        let database = Arc::clone(&self.database);
        let waits = self.wear.written_rows >= MOST_ROWS;
        let wait = || if waits { database.claim() } else { None };
        let Some(mut gate) = database.try_claim().or_else(wait) else {
            return Ok(self);
        };
        let begun = Instant::now();
        // Closing puts the log into the file.
        drop(database.questions.borrow(&self.connection)?);
        drop(self.connection);
        let connection = database.connect(&mut gate)?;
        tracing::debug!(took = ?begun.elapsed(), "the file of analytics was opened anew");
        Ok(Self {
            connection,
            wear: Wear::default(),
            ..self
        })
    }

    fn is_worn(&self) -> bool {
        let was_asked = self.database.questions.was_ever_asked() && self.wear.opened.elapsed() >= ASKED_FOR;
        self.wear.written_rows >= MANY_ROWS || was_asked && self.disk_bytes() >= LARGE_FILE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::mpsc};

    use tempfile::tempdir;

    use super::*;
    use crate::analytics::{Database, gathered::Gathered, lexicon::Lexicon};
    use crate::capture::{Entry, Group as _, SharedLimits, Try, record::Record, sample::Traffic};

    fn open(directory: &Path) -> (Arc<Database>, Writer) {
        let database = Arc::new(Database::new(directory, None, SharedLimits::default()));
        let writer = database.open().unwrap();
        (database, writer)
    }

    /// Writes requests, and puts what the file is to tell of them at the end of `told`.
    fn write(writer: &mut Writer, lexicon: &mut Lexicon, records: &[Record], told: &mut Vec<Told>) {
        let entry = |record: &Record| Entry {
            record: record.clone(),
            content_dropped: false,
        };
        let mut group = Gathered::default();
        group.gather(&mut records.iter().map(entry).collect(), 0, lexicon);
        writer.write(&group, lexicon, Try::First).unwrap();
        told.extend(records.iter().map(|record| {
            let route = record.route.as_ref().map(ToString::to_string);
            (record.id.to_string(), route, record.outcome.as_str().to_owned())
        }));
        told.sort();
    }

    /// Of a request: id, Route, outcome.
    type Told = (String, Option<String>, String);

    fn read(database: &Database) -> Vec<Told> {
        let read = |connection: &duckdb::Connection| {
            let mut statement = connection.prepare("SELECT id, route, outcome FROM requests ORDER BY id")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<duckdb::Result<_>>()?)
        };
        database.read(read).unwrap()
    }

    #[test]
    fn a_worn_file_is_opened_anew_with_all_that_was_written_and_not_while_a_question_runs() {
        let directory = tempdir().unwrap();
        let (database, mut writer) = open(directory.path());
        let (mut traffic, mut lexicon, mut told) = (Traffic::new(40), Lexicon::default(), Vec::new());
        write(&mut writer, &mut lexicon, &traffic.records(30), &mut told);
        let written_rows = writer.wear.written_rows;
        writer = writer.renewed_if_worn().unwrap();
        assert_eq!(writer.wear.written_rows, written_rows, "it is not worn yet");

        writer.wear.written_rows = MANY_ROWS;
        let (asked, writer) = (Arc::clone(&database), std::cell::Cell::new(Some(writer)));
        let renewed = asked.with_connection(|_| Ok(writer.take().unwrap().renewed_if_worn().unwrap()));
        let writer = renewed.unwrap();
        assert_eq!(writer.wear.written_rows, MANY_ROWS, "a question runs");

        let mut writer = writer.renewed_if_worn().unwrap();
        assert_eq!(
            (writer.wear.written_rows, database.questions.was_ever_asked()),
            (0, false)
        );
        write(&mut writer, &mut lexicon, &traffic.records(20), &mut told);
        assert_eq!(read(&database), told);
    }

    #[test]
    fn a_file_that_was_worn_for_long_is_opened_anew_when_the_questions_that_run_have_ended() {
        let directory = tempdir().unwrap();
        let (database, mut writer) = open(directory.path());
        writer.wear.written_rows = MOST_ROWS;
        let backup = database.sql_turn.lock().unwrap();
        let kept = database.with_connection(|_| Ok(writer.renewed_if_worn().unwrap()));
        let writer = kept.unwrap();
        assert_eq!(writer.wear.written_rows, MOST_ROWS, "nobody waits for a backup");
        drop(backup);
        let (begun, question) = mpsc::channel();
        let renewing = std::thread::scope(|scope| {
            let renewing = database.with_connection(|_| {
                let renewing = scope.spawn(move || {
                    begun.send(()).unwrap();
                    writer.renewed_if_worn().unwrap().wear.written_rows
                });
                question.recv().unwrap();
                assert!(!renewing.is_finished());
                Ok(renewing)
            });
            renewing.unwrap().join().unwrap()
        });
        assert_eq!(renewing, 0);
    }

    #[test]
    fn a_file_that_was_asked_is_worn_after_a_while_if_it_is_large() {
        let directory = tempdir().unwrap();
        let (database, mut writer) = open(directory.path());
        let long = std::fs::File::create(directory.path().join(crate::analytics::LOG)).unwrap();
        long.set_len(LARGE_FILE_BYTES).unwrap();
        writer.wear.opened -= ASKED_FOR;
        assert!(!writer.is_worn(), "nobody asked");
        drop(database.questions.ask(&writer.connection).unwrap());
        assert!(writer.is_worn());
        long.set_len(0).unwrap();
        assert!(!writer.is_worn(), "it is small");
    }
}
