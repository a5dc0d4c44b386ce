//! What is in the tables against what was recorded.

use std::path::Path;
use std::sync::Arc;

use duckdb::types::{TimeUnit, Value};
use tempfile::tempdir;

use crate::analytics::Database;
use crate::analytics::database::Writer;
use crate::analytics::gathered::Gathered;
use crate::analytics::lexicon::Lexicon;
use crate::analytics::tables::STEPS;
use crate::capture::record::{Attempt, Record, Usage};
use crate::capture::sample::{Traffic, store};
use crate::capture::{Entry, Group, SharedLimits, Store, Try};

fn rows(directory: &Path, sql: &str) -> Vec<Vec<Value>> {
    let connection = duckdb::Connection::open(directory.join("analytics.duckdb")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        found.push(
            (0..row.as_ref().column_count())
                .map(|column| row.get(column).unwrap())
                .collect(),
        );
    }
    found
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

fn big(number: Option<u64>) -> Value {
    number.map_or(Value::Null, |number| Value::BigInt(number.cast_signed()))
}

fn small(number: Option<u16>) -> Value {
    number.map_or(Value::Null, |number| Value::Int(number.into()))
}

fn usage(usage: Option<Usage>) -> [Value; 6] {
    [
        big(usage.map(|usage| usage.prompt_tokens)),
        big(usage.map(|usage| usage.cached_tokens)),
        big(usage.map(|usage| usage.cache_write_tokens)),
        big(usage.map(|usage| usage.completion_tokens)),
        big(usage.map(|usage| usage.reasoning_tokens)),
        usage.map_or(Value::Null, |usage| Value::Boolean(usage.estimated)),
    ]
}

fn request_row(record: &Record) -> Vec<Value> {
    let last = record.attempts.last();
    let mut row = vec![
        text(Some(&record.id)),
        Value::Timestamp(TimeUnit::Microsecond, record.started_unix_micros),
        text(record.route.as_deref()),
        text(Some(&record.requested_model)),
        text(record.key.as_deref()),
        text(record.user.as_deref()),
        text(Some(&record.snapshot_revision)),
        Value::Boolean(record.streamed),
        text(Some(record.outcome.as_str())),
        small(Some(record.status)),
        text(record.error.as_deref()),
        text(record.finish_reason.as_deref()),
        big(Some(record.latency_micros)),
        big(record.first_token_micros),
        big(Some(record.overhead_micros)),
        Value::Int(record.attempts.len().try_into().unwrap()),
        text(last.map(|attempt| &*attempt.target)),
        text(last.map(|attempt| &*attempt.provider)),
        text(last.map(|attempt| &*attempt.model)),
        text(last.and_then(|attempt| attempt.prompt.as_deref())),
        text(last.and_then(|attempt| attempt.revision.as_deref())),
    ];
    row.extend(usage(record.usage));
    row.push(record.cost_pico_usd.map_or(Value::Null, Value::BigInt));
    row.push(record.content.as_ref().map_or(Value::Null, |_| Value::Boolean(true)));
    row
}

fn attempt_row(record: &Record, position: usize, attempt: &Attempt) -> Vec<Value> {
    let mut row = vec![
        text(Some(&record.id)),
        Value::Timestamp(TimeUnit::Microsecond, record.started_unix_micros),
        Value::Int(i32::try_from(position).unwrap() + 1),
        text(record.route.as_deref()),
        text(Some(&attempt.target)),
        text(Some(&attempt.provider)),
        text(Some(&attempt.model)),
        text(attempt.prompt.as_deref()),
        text(attempt.revision.as_deref()),
        text(Some(attempt.outcome.as_str())),
        small(attempt.status),
        text(attempt.error.as_deref()),
        big(Some(attempt.latency_micros)),
        big(attempt.first_token_micros),
    ];
    row.extend(usage(attempt.usage));
    row.push(attempt.cost_pico_usd.map_or(Value::Null, Value::BigInt));
    row.push(text(attempt.upstream_id.as_deref()));
    row
}

#[test]
fn every_field_of_a_record_comes_back_from_the_tables() {
    let directory = tempdir().unwrap();
    // More than one of DuckDB's vectors and more than one batch.
    let mut records = Traffic::new(10).records(5000);
    store(directory.path(), &records);
    records.sort_by(|left, right| left.id.cmp(&right.id));
    let requests: Vec<_> = records.iter().map(request_row).collect();
    assert!(rows(directory.path(), "SELECT * FROM requests ORDER BY id") == requests);
    let of = |record: &Record| -> Vec<_> {
        record
            .attempts
            .iter()
            .enumerate()
            .map(|(position, attempt)| attempt_row(record, position, attempt))
            .collect()
    };
    let attempts: Vec<_> = records.iter().flat_map(of).collect();
    assert!(rows(directory.path(), "SELECT * FROM attempts ORDER BY request_id, position") == attempts);
}

fn write(writer: &mut Writer, entries: &[Entry], this_is: Try) {
    let (mut group, mut lexicon) = (Gathered::default(), Lexicon::default());
    for part in entries.chunks(1000) {
        group.gather(&mut part.to_vec(), 0, &mut lexicon);
    }
    writer.write(&group, &lexicon, this_is).unwrap();
}

#[test]
fn entries_that_an_earlier_try_stored_are_not_stored_again() {
    let directory = tempdir().unwrap();
    let mut writer = Arc::new(Database::new(directory.path(), None, SharedLimits::default()))
        .open()
        .unwrap();
    let records = Traffic::new(11).records(60);
    let entries: Vec<Entry> = records
        .into_iter()
        .map(|record| Entry {
            record,
            content_dropped: false,
        })
        .collect();
    write(&mut writer, &entries[..40], Try::First);
    write(&mut writer, &entries, Try::Again);
    writer.close().unwrap();
    let counted = rows(directory.path(), "SELECT count(*), count(DISTINCT id) FROM requests");
    assert_eq!(counted, [[Value::BigInt(60), Value::BigInt(60)]]);
}

#[test]
fn a_query_cannot_write_reach_other_files_or_change_settings() {
    let directory = tempdir().unwrap();
    store(directory.path(), &[]);
    let database = Arc::new(Database::new(directory.path(), None, SharedLimits::default()));
    let _writer = database.open().unwrap();
    for sql in [
        "DELETE FROM requests",
        "SELECT * FROM read_text('/etc/hostname')",
        "ATTACH 'other.duckdb'",
        "SET threads = 8",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "COPY (SELECT 1) TO 'elsewhere.csv'",
    ] {
        assert!(
            database.read(|connection| Ok(connection.execute_batch(sql)?)).is_err(),
            "{sql}"
        );
    }
}

#[test]
fn rows_keep_their_names_when_the_file_or_the_lexicon_is_a_new_one() {
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let records = Traffic::new(12).records(300);
    let mut lexicon = Lexicon::default();
    let mut groups: Vec<Gathered> = Vec::new();
    for part in records.chunks(100) {
        let entry = |record: &Record| Entry {
            record: record.clone(),
            content_dropped: false,
        };
        let mut group = Gathered::default();
        group.gather(&mut part.iter().map(entry).collect(), 0, &mut lexicon);
        groups.push(group);
    }
    // The first file takes all but the first part; the other one all but the last, the second part first.
    for (directory, order) in [(&first, [1, 2]), (&second, [1, 0])] {
        let database = Arc::new(Database::new(directory.path(), None, SharedLimits::default()));
        let mut writer = database.open().unwrap();
        for part in order {
            writer.write(&groups[part], &lexicon, Try::First).unwrap();
        }
        // A lexicon of another edition has other numbers.
        let edition = lexicon.edition + 1;
        let (mut group, mut other) = (Gathered::default(), Lexicon::default());
        other.edition = edition;
        let mut last = Traffic::new(13).record();
        last.route = Some("a/new-one".into());
        last.id = "last".into();
        let content_dropped = false;
        group.gather(
            &mut vec![Entry {
                record: last.clone(),
                content_dropped,
            }],
            0,
            &mut other,
        );
        writer.write(&group, &other, Try::First).unwrap();
        writer.close().unwrap();
        let mut stored: Vec<&Record> = order.iter().flat_map(|part| &records[part * 100..][..100]).collect();
        stored.push(&last);
        stored.sort_by(|left, right| left.id.cmp(&right.id));
        let expected: Vec<_> = stored.into_iter().map(request_row).collect();
        assert!(rows(directory.path(), "SELECT * FROM requests ORDER BY id") == expected);
    }
}

/// Regression to keep: an older file is brought up to date, and its rows stay.
#[test]
fn rows_of_an_older_file_are_there_after_its_tables_were_brought_up_to_date() {
    let directory = tempdir().unwrap();
    let older = duckdb::Connection::open(directory.path().join("analytics.duckdb")).unwrap();
    let version_1 = "CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (1);
        INSERT INTO names VALUES (0, 'a'), (1, 'ok');
        INSERT INTO request_rows (id, created, streamed, outcome_name, status, latency_micros, overhead_micros, attempt_count, route_name)
        VALUES ('before', '2026-03-01', false, 1, 200, 5, 5, 0, 0);";
    older.execute_batch(STEPS[0]).unwrap();
    older.execute_batch(version_1).unwrap();
    drop(older);
    store(directory.path(), &Traffic::new(19).records(50));
    let found = rows(
        directory.path(),
        "SELECT count(*), count(*) FILTER (WHERE id = 'before' AND outcome = 'ok' AND route = 'a') FROM requests",
    );
    assert_eq!(found, [[Value::BigInt(51), Value::BigInt(1)]]);
}

/// Regression to keep: questions that found no memory beside rows that are not yet in the file were answered with 500.
#[test]
fn questions_have_more_memory_than_the_writer_alone() {
    let memory = |connection: &duckdb::Connection| {
        let setting = "SELECT current_setting('memory_limit')";
        connection
            .query_row(setting, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let (new, old) = (tempdir().unwrap(), tempdir().unwrap());
    drop(duckdb::Connection::open(old.path().join("analytics.duckdb")).unwrap());
    let while_writing = [(&new, "4.7 MiB"), (&old, "61.0 MiB")].map(|(directory, expected)| {
        let database = Arc::new(Database::new(directory.path(), None, SharedLimits::default()));
        let mut writer = database.open().unwrap();
        let before = memory(&writer.connection);
        let asked = database.read(|connection| Ok(memory(connection))).unwrap();
        assert_eq!(asked, "61.0 MiB");
        writer.tend(0).unwrap();
        assert_eq!(memory(&writer.connection), before);
        (before, expected)
    });
    for (found, expected) in while_writing {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_group_that_takes_more_memory_than_the_writer_has_is_stored() {
    let directory = tempdir().unwrap();
    let mut traffic = Traffic::new(23);
    let entries: Vec<Entry> = (0..8192)
        .map(|number| {
            let mut record = traffic.record();
            record.error = Some(format!("{number} {}", "a long error ".repeat(150)).into());
            record.attempts.truncate(1);
            Entry {
                record,
                content_dropped: false,
            }
        })
        .collect();
    let database = Arc::new(Database::new(directory.path(), None, SharedLimits::default()));
    let mut writer = database.open().unwrap();
    for batch in [&entries[..], &entries[..5000]] {
        let renamed: Vec<Entry> = batch
            .iter()
            .map(|entry| Entry {
                record: Record {
                    id: format!("{}-{}", entry.record.id, batch.len()).into(),
                    ..entry.record.clone()
                },
                ..*entry
            })
            .collect();
        write(&mut writer, &renamed, Try::First);
    }
    writer.close().unwrap();
    let found = rows(
        directory.path(),
        "SELECT count(*), count(DISTINCT id) FROM requests WHERE length(error) > 1900",
    );
    assert_eq!(found, [[Value::BigInt(13_192), Value::BigInt(13_192)]]);
}
