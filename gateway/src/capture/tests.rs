//! The queue with both of its stores, in a directory of their own.

use std::time::Duration;

use rusqlite::types::Value;
use tempfile::tempdir;

use super::answer::Reading;
use super::examples::FILE;
use super::record::{Content, Outcome, Record};
use super::sample::{Traffic, eventually, settings, store};
use super::{Dropped, Queue, Settings};
use crate::analytics::system::{Granularity, Query};

mod retention;
mod room;

fn examples(directory: &std::path::Path) -> Vec<Vec<Value>> {
    let connection = rusqlite::Connection::open(directory.join(FILE)).unwrap();
    let mut statement = connection.prepare("SELECT * FROM examples ORDER BY id").unwrap();
    let columns = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..columns).map(|column| row.get(column)).collect())
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// What must be stored of a record, written down a second time.
fn example(record: &Record) -> Option<Vec<Value>> {
    let content = record.content.as_ref()?;
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let number = |number: Option<u64>| number.map_or(Value::Null, |number| Value::Integer(number.cast_signed()));
    let last = record.attempts.last();
    let reading = Reading::of(&content.answer);
    Some(vec![
        text(Some(&record.id)),
        text(record.route.as_deref()),
        Value::Integer(record.started_unix_micros),
        text(record.key.as_deref()),
        text(record.user.as_deref()),
        text(last.map(|attempt| &*attempt.target)),
        text(last.map(|attempt| &*attempt.provider)),
        text(last.map(|attempt| &*attempt.model)),
        text(Some(record.outcome.as_str())),
        Value::Integer((record.outcome == Outcome::Ok).into()),
        Value::Blob(content.request.to_vec()),
        text(reading.output.as_deref()),
        text(reading.tool_calls.as_deref()),
        text(record.finish_reason.as_deref()),
        number(record.usage.map(|usage| usage.prompt_tokens)),
        number(record.usage.map(|usage| usage.completion_tokens)),
        text(last.and_then(|attempt| attempt.prompt.as_deref())),
        text(last.and_then(|attempt| attempt.revision.as_deref())),
    ])
}

fn total(queue: &Queue) -> u64 {
    let query = Query {
        since_unix_micros: 0,
        until_unix_micros: i64::MAX / 2,
        group_by: Vec::new(),
        granularity: Granularity::None,
        namespace: None,
        key: None,
        prompt: None,
    };
    queue.analytics().system(&query).unwrap().total_requests
}

#[test]
fn what_is_captured_comes_back_byte_for_byte() {
    let directory = tempdir().unwrap();
    let mut records = Traffic::new(1).records(600);
    store(directory.path(), &records);
    records.sort_by(|left, right| left.id.cmp(&right.id));
    let expected: Vec<_> = records.iter().filter_map(example).collect();
    assert!(expected.len() > 300);
    assert!(examples(directory.path()) == expected);
}

#[test]
fn across_restarts_every_record_is_there_once() {
    let directory = tempdir().unwrap();
    let records = Traffic::new(2).records(300);
    for part in records.chunks(100) {
        store(directory.path(), part);
    }
    assert_eq!(
        examples(directory.path()).len(),
        records.iter().filter(|record| record.content.is_some()).count()
    );
    let queue = Queue::open(settings(directory.path())).unwrap();
    assert_eq!(total(&queue), 300);
    for record in &records {
        assert!(queue.analytics().generation(&record.id).unwrap().is_some());
    }
}

#[tokio::test]
async fn after_a_flush_all_that_was_recorded_is_stored() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(settings(directory.path())).unwrap();
    queue.flush().await;
    for (before, record) in Traffic::new(3).records(20).into_iter().enumerate() {
        let (id, captured) = (record.id.clone(), record.content.is_some());
        queue.record(record);
        queue.flush().await;
        assert_eq!(queue.queued_bytes(), 0);
        assert_eq!(queue.analytics().generation(&id).unwrap().unwrap().id, *id);
        assert_eq!(total(&queue), before as u64 + 1);
        let is_this = |row: &Vec<Value>| row[0] == Value::Text(id.to_string());
        assert_eq!(examples(directory.path()).iter().any(is_this), captured);
    }
}

#[test]
fn the_timer_stores_without_being_asked() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(Settings {
        interval: Duration::from_millis(1),
        ..settings(directory.path())
    })
    .unwrap();
    queue.record(Traffic::new(4).record());
    eventually("the record is stored", || total(&queue) == 1);
}

#[test]
fn content_that_finds_no_room_is_left_out_and_the_figures_are_kept() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(Settings {
        capacity_bytes: 10_000,
        ..settings(directory.path())
    })
    .unwrap();
    let mut record = Traffic::new(5).record();
    record.attempts.clear();
    let content = Content {
        request: vec![b'x'; 20_000].into(),
        answer: super::record::Answer::None,
    };
    record.content = Some(content);
    let id = record.id.clone();
    queue.record(record);
    queue.close();
    assert_eq!(
        queue.dropped(),
        Dropped {
            records: 0,
            contents: 1
        }
    );
    assert!(examples(directory.path()).is_empty());
    let queue = Queue::open(settings(directory.path())).unwrap();
    assert_eq!(
        queue.analytics().generation(&id).unwrap().unwrap().content_kept,
        Some(false)
    );
}

#[test]
fn a_record_that_finds_no_room_or_comes_after_the_end_is_counted() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(Settings {
        capacity_bytes: 100,
        ..settings(directory.path())
    })
    .unwrap();
    let mut record = Traffic::new(6).record();
    record.content = None;
    queue.record(record.clone());
    assert_eq!(
        (queue.dropped(), queue.queued_bytes()),
        (
            Dropped {
                records: 1,
                contents: 0
            },
            0
        )
    );

    let queue = Queue::open(settings(directory.path())).unwrap();
    queue.close();
    queue.record(record);
    assert_eq!(
        (queue.dropped(), queue.queued_bytes()),
        (
            Dropped {
                records: 1,
                contents: 0
            },
            0
        )
    );
}

#[tokio::test]
async fn where_nothing_can_be_written_health_says_so_and_recording_goes_on() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let queue = Queue::open(settings(&file.join("data"))).unwrap();
    let mut with_content = 0;
    for record in Traffic::new(7).records(50) {
        with_content += u64::from(record.content.is_some());
        queue.record(record);
        queue.flush().await;
    }
    let health = queue.health();
    for store in [health.examples, health.analytics] {
        let failure = store.failure.unwrap();
        assert!(
            failure.message.starts_with("failed to make the directory"),
            "{}",
            failure.message
        );
        assert_eq!(failure.since_unix_micros, super::sample::BEGIN_UNIX_MICROS);
    }
    assert!(
        queue
            .analytics()
            .generation("gen-0-01ARYZ6S41TSV4RRFFQ69G5FAV")
            .is_err()
    );
    queue.close();
    assert_eq!(
        [
            queue.health().examples.dropped_records,
            queue.health().analytics.dropped_records
        ],
        [with_content, 50]
    );
    assert_eq!(queue.queued_bytes(), 0);
}

#[tokio::test]
async fn one_store_that_fails_takes_nothing_from_the_other() {
    let directory = tempdir().unwrap();
    std::fs::create_dir(directory.path().join(FILE)).unwrap();
    let queue = Queue::open(settings(directory.path())).unwrap();
    for record in Traffic::new(8).records(50) {
        queue.record(record);
    }
    queue.flush().await;
    assert!(queue.health().examples.failure.unwrap().message.contains(FILE));
    assert_eq!(queue.health().analytics.failure, None);
    assert_eq!(total(&queue), 50);
}

#[tokio::test]
async fn what_a_locked_file_refused_is_stored_once_when_the_lock_is_gone() {
    let directory = tempdir().unwrap();
    let (soon, patient) = (Duration::from_millis(1), Duration::from_secs(1));
    let queue = Queue::open(Settings {
        interval: soon,
        retry_pause: patient,
        ..settings(directory.path())
    })
    .unwrap();
    let other = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut record = Traffic::new(9).record();
    record.content = Some(Content {
        request: "asked".into(),
        answer: super::record::Answer::None,
    });
    queue.record(record);
    eventually("the failure shows", || queue.health().examples.failure.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    eventually("the store recovers", || queue.health().examples.failure.is_none());
    queue.flush().await;
    assert_eq!(examples(directory.path()).len(), 1);
    assert_eq!(total(&queue), 1);
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let directory = tempdir().unwrap();
    store(directory.path(), &[]);
    let newer = "UPDATE schema_version SET version = 99";
    rusqlite::Connection::open(directory.path().join(FILE))
        .unwrap()
        .execute_batch(newer)
        .unwrap();
    duckdb::Connection::open(directory.path().join("analytics.duckdb"))
        .unwrap()
        .execute_batch(newer)
        .unwrap();
    let health = Queue::open(settings(directory.path())).unwrap().health();
    for store in [health.examples, health.analytics] {
        let message = store.failure.unwrap().message;
        assert!(
            message.contains("the file has tables of version 99, this program knows versions up to"),
            "{message}"
        );
    }
}
