//! What is deleted, and what stays.

use tempfile::tempdir;

use super::{examples, total};
use crate::capture::examples::Examples;
use crate::capture::policy::Limits;
use crate::capture::record::{Answer, Content, Record};
use crate::capture::sample::{BEGIN_UNIX_MICROS, HOUR_MICROS, Traffic, settings, store};
use crate::capture::{Forget, Forgotten, Queue, Settings, SharedLimits, Store};

const DAY_MICROS: i64 = 24 * HOUR_MICROS;

fn record(traffic: &mut Traffic, route: &str, age_days: i64) -> Record {
    let mut record = traffic.record();
    record.route = Some(route.into());
    record.started_unix_micros = BEGIN_UNIX_MICROS - age_days * DAY_MICROS;
    record.content = Some(Content {
        request: vec![b'x'; 1000].into(),
        answer: Answer::None,
    });
    record
}

fn limits(route: &str, max_examples: u64, max_age_days: i64) -> crate::capture::policy::LimitsByRoute {
    let limits = Limits {
        max_examples,
        max_age_micros: max_age_days * DAY_MICROS,
    };
    [(route.into(), limits)].into()
}

fn by_route(directory: &std::path::Path) -> Vec<(String, u64)> {
    let connection = rusqlite::Connection::open(directory.join(super::FILE)).unwrap();
    let mut statement = connection
        .prepare("SELECT route, count(*) FROM examples GROUP BY route ORDER BY route")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_route_keeps_its_newest_examples_and_all_figures() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(settings(directory.path())).unwrap();
    queue.limit(limits("default/few", 20, 90));
    let mut traffic = Traffic::new(30);
    for number in 0..100 {
        for route in ["default/few", "default/many"] {
            let mut record = record(&mut traffic, route, 0);
            record.started_unix_micros += number;
            queue.record(record);
        }
        if number % 7 == 0 {
            queue.flush().await;
        }
    }
    queue.flush().await;
    assert_eq!(total(&queue), 200);
    queue.close();
    assert_eq!(
        by_route(directory.path()),
        [("default/few".to_owned(), 20), ("default/many".to_owned(), 100)]
    );
    let oldest = rusqlite::Connection::open(directory.path().join(super::FILE))
        .unwrap()
        .query_row(
            "SELECT min(created_unix_micros) FROM examples WHERE route = 'default/few'",
            [],
            |row| row.get::<_, i64>(0),
        );
    assert_eq!(oldest.unwrap(), BEGIN_UNIX_MICROS + 80);
}

#[tokio::test]
async fn what_is_too_old_is_deleted_and_stays_in_the_figures() {
    let directory = tempdir().unwrap();
    let mut traffic = Traffic::new(31);
    let queue = Queue::open(settings(directory.path())).unwrap();
    queue.limit(limits("default/short", 10_000, 2));
    let mut old = None;
    for (route, age_days) in [
        ("default/short", 3),
        ("default/short", 1),
        ("default/long", 3),
        ("default/long", 100),
    ] {
        for _ in 0..10 {
            let record = record(&mut traffic, route, age_days);
            old.get_or_insert(record.id.clone());
            queue.record(record);
        }
    }
    queue.flush().await;
    // The look for what is too old comes after the flush; the next flush waits for it.
    queue.record(record(&mut traffic, "default/long", 0));
    queue.flush().await;
    assert_eq!(total(&queue), 41);
    let found = queue.analytics().generation(&old.unwrap()).unwrap();
    assert!(found.is_none());
    queue.close();
    let expected = [("default/long".to_owned(), 11), ("default/short".to_owned(), 10)];
    assert_eq!(by_route(directory.path()), expected);
    let connection = duckdb::Connection::open(directory.path().join("analytics.duckdb")).unwrap();
    let rows: (i64, i64, i64) = connection
        .query_row(
            "SELECT (SELECT count(*) FROM requests), (SELECT sum(requests) FROM hours), (SELECT count(*) FROM attempts WHERE created < '2026-02-01')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(rows, (21, 20, 0));
}

#[tokio::test]
async fn somebody_is_forgotten_in_both_stores() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(settings(directory.path())).unwrap();
    let mut traffic = Traffic::new(32);
    for number in 0..60 {
        let mut record = record(&mut traffic, if number % 3 == 0 { "default/a" } else { "team/b" }, 0);
        record.user = Some(if number % 2 == 0 { "ann-who-leaves" } else { "bob" }.into());
        record.key = None;
        queue.record(record);
    }
    let forget = |user: &str, namespace: Option<&str>| Forget {
        user: user.into(),
        namespace: namespace.map(Into::into),
    };
    let counts = |count| {
        Some(Forgotten {
            examples: Some(count),
            requests: Some(count),
        })
    };
    assert_eq!(
        queue.forget(forget("ann-who-leaves", Some("default"))).await,
        counts(10)
    );
    assert_eq!(queue.forget(forget("ann-who-leaves", None)).await, counts(20));
    assert_eq!(queue.forget(forget("ann-who-leaves", None)).await, counts(0));
    assert_eq!(total(&queue), 60, "figures stay");
    queue.close();
    assert_eq!(examples(directory.path()).len(), 30);
    for file in [super::FILE, "analytics.duckdb"] {
        let bytes = std::fs::read(directory.path().join(file)).unwrap();
        let found = memchr::memmem::find(&bytes, b"ann-who-leaves").is_some();
        assert!(!found || file != super::FILE, "{file} still holds the name");
    }
    assert_eq!(queue.forget(forget("bob", None)).await, None, "the queue is closed");
}

#[tokio::test]
async fn the_files_stay_below_their_bound_and_the_figures_are_exact() {
    const MAX_BYTES: u64 = 8 << 20;
    let directory = tempdir().unwrap();
    let queue = Queue::open(Settings {
        max_bytes: Some(MAX_BYTES),
        ..settings(directory.path())
    })
    .unwrap();
    let on_disk = || -> u64 {
        let files = std::fs::read_dir(directory.path()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let mut traffic = Traffic::new(33);
    let mut most = 0;
    for round in 0..60 {
        for _ in 0..400 {
            let mut record = record(&mut traffic, "default/a", 0);
            record.started_unix_micros += round * HOUR_MICROS / 4;
            queue.record(record);
        }
        queue.flush().await;
        most = most.max(on_disk());
    }
    queue.flush().await;
    assert!(most <= MAX_BYTES, "{most} bytes");
    assert_eq!(total(&queue), 24_000);
    queue.close();
    let left = by_route(directory.path());
    assert!(left[0].1 > 1000 && left[0].1 < 10_000, "{left:?}");
}

#[test]
fn a_new_file_has_large_pages_and_one_of_before_keeps_its_own() {
    const FREE_BYTES: u64 = 1_000_000;
    let page_bytes = |directory: &std::path::Path| -> u32 {
        let connection = rusqlite::Connection::open(directory.join(super::FILE)).unwrap();
        connection
            .pragma_query_value(None, "page_size", |row| row.get(0))
            .unwrap()
    };
    let new = tempdir().unwrap();
    store(new.path(), &[]);
    assert_eq!(page_bytes(new.path()), 16_384);

    let before = tempdir().unwrap();
    let connection = rusqlite::Connection::open(before.path().join(super::FILE)).unwrap();
    let script = format!(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; CREATE TABLE kept AS SELECT zeroblob(8 * {FREE_BYTES});
        CREATE TABLE gone AS SELECT zeroblob({FREE_BYTES}); DROP TABLE gone;"
    );
    connection.execute_batch(&script).unwrap();
    connection.close().unwrap();
    let examples = Examples::open(before.path(), None, SharedLimits::default()).unwrap();
    let free = examples.size().unwrap().reusable_bytes;
    assert!((FREE_BYTES / 2..FREE_BYTES * 2).contains(&free), "{free} bytes");
    drop(examples);
    assert_eq!(page_bytes(before.path()), 4_096);
}
