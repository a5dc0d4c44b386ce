//! Queries of people, and of people who mean harm.

use std::sync::Arc;
use std::time::Instant;

use tempfile::tempdir;

use super::{Answer, ROWS};
use crate::analytics::{Analytics, Database, Error};
use crate::capture::SharedLimits;
use crate::capture::sample::{Traffic, store};

/// What is refused before it runs.
const REFUSED: &[&str] = &[
    // Files.
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_blob('/etc/hostname')",
    "SELECT * FROM read_json_auto('/etc/passwd')",
    "SELECT * FROM parquet_scan('/etc/passwd')",
    "SELECT * FROM sqlite_scan('examples.sqlite', 'examples')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM \"/etc/passwd.csv\"",
    "WITH \"/etc/passwd.csv\" AS (SELECT 1) SELECT * FROM \"/etc/passwd.csv\"",
    "COPY requests TO '/tmp/requests.csv'",
    "COPY (SELECT 1) TO '/tmp/one.csv'",
    "COPY requests FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/all'",
    "IMPORT DATABASE '/tmp/all'",
    // Other databases and extensions.
    "ATTACH '/tmp/other.duckdb' AS other",
    "DETACH analytics",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM 'http://127.0.0.1:1'",
    // Settings and the environment.
    "SET memory_limit = '1TB'",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "PRAGMA database_list",
    "PRAGMA memory_limit = '1TB'",
    "SELECT current_setting('memory_limit')",
    "SELECT * FROM duckdb_settings()",
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "CALL enable_profiling()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM duckdb_secrets()",
    // Writing.
    "DELETE FROM request_rows",
    "INSERT INTO names VALUES (1, 'x')",
    "UPDATE request_rows SET status = 200",
    "DROP TABLE request_rows",
    "CREATE TABLE mine (a INTEGER)",
    "CREATE MACRO f(a) AS a",
    "TRUNCATE request_rows",
    "CHECKPOINT",
    "SELECT nextval('numbers')",
    // Several statements, and statements in disguise.
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM request_rows",
    "COMMIT; DELETE FROM request_rows",
    "BEGIN TRANSACTION",
    "ROLLBACK",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('requests')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT json_deserialize_sql('{}')",
    "SELECT * FROM (DESCRIBE SELECT * FROM read_csv('/etc/passwd'))",
    "",
    "-- nothing",
    "SELECT",
    "not SQL at all",
    "SELECT $1",
    "SELECT 'a\0b'",
    // What belongs to the store itself.
    "SELECT * FROM request_rows",
    "SELECT * FROM names",
    "SELECT * FROM main.requests",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM sqlite_master",
    "WITH duckdb_settings AS (SELECT 1) SELECT * FROM duckdb_settings",
    "SHOW TABLES",
    "SHOW DATABASES",
    "SUMMARIZE requests",
    // What grows without the engine counting it.
    "SELECT length(repeat('x', 1000000000))",
    "SELECT lpad('x', 1000000000, 'y')",
    "SELECT format('{:1000000000}', 1)",
    "SELECT printf('%1000000000d', 1)",
    "SELECT list_sum(range(1000000000))",
    "SELECT * FROM range(1000000000)",
    "SELECT list(id) FROM requests",
    "SELECT string_agg(id, ',') FROM requests",
    "SELECT replace(id, '0', id) FROM requests",
    "SELECT a||a||a||a||a||a FROM (SELECT id AS a FROM requests)",
    "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t",
    "SELECT CAST('[1]' AS INTEGER[])",
    "SELECT unnest([1, 2])",
    "SELECT error('x')",
    "SELECT random()",
    "SELECT pg_sleep(100)",
];

/// What may run, and then is stopped or fails, in time.
const STOPPED: &[&str] = &[
    "SELECT count(*) FROM requests a, requests b, requests c, requests d",
    "SELECT sum(length(a.id || b.id || c.id)) FROM requests a, requests b, requests c",
    "SELECT * FROM requests a, requests b, requests c ORDER BY a.id || b.id || c.id",
    "SELECT count(DISTINCT a.id || b.id || c.id) FROM requests a, requests b, requests c",
    "SELECT median(a.latency_micros * b.latency_micros) FROM requests a, requests b, requests c",
    "SELECT a.id, row_number() OVER (ORDER BY a.id || b.id || c.id) FROM requests a, requests b, requests c",
    "SELECT max(a.error) FROM requests a, requests b, requests c WHERE regexp_matches(a.id || b.id || c.id, '(0*)*1(0*)*2')",
];

fn analytics(directory: &std::path::Path, rows: usize) -> Analytics {
    let mut records = Traffic::new(40).records(rows);
    for record in &mut records {
        record.content = None;
    }
    store(directory, &records);
    let database = Arc::new(Database::new(directory, None, SharedLimits::default()));
    database.open().unwrap();
    Analytics::new(database)
}

fn first(answer: &Answer) -> serde_json::Value {
    answer.rows[0][0].clone()
}

#[test]
fn people_get_columns_and_rows() {
    let directory = tempdir().unwrap();
    let analytics = analytics(directory.path(), 300);
    let ask = |text: &str| analytics.sql(text, None).unwrap();
    let answer = ask(
        "SELECT route, count(*) AS n, sum(cost_pico_usd) / 1e12 AS usd, min(created) AS since, avg(latency_micros)
        FROM requests WHERE outcome <> 'ok' GROUP BY ALL ORDER BY n DESC;",
    );
    assert_eq!(answer.columns[..4], ["route", "n", "usd", "since"]);
    assert!(answer.rows[0][1].is_i64() && answer.rows[0][2].is_f64() && !answer.truncated);
    assert!(
        answer.rows[0][3].as_str().unwrap().starts_with("2026-03-0"),
        "{answer:?}"
    );
    let with = "WITH slow AS (SELECT * FROM requests WHERE latency_micros > 1000), a AS (FROM attempts)
        SELECT date_trunc('hour', slow.created) AS hour, quantile_cont(slow.latency_micros, 0.95), count(*) FILTER (WHERE a.status = 200),
               CASE WHEN any_value(key) IS NULL THEN 'none' ELSE upper(any_value(key)) END, CAST(max(slow.status) AS VARCHAR) || '!'
        FROM slow JOIN a ON a.request_id = slow.id WHERE slow.created >= TIMESTAMP '2026-01-01' AND id LIKE 'gen-%' AND slow.status IN (200, 429)
        GROUP BY hour HAVING count(*) > 0 ORDER BY hour LIMIT 3";
    assert_eq!(ask(with).rows.len(), 3);
    assert_eq!(first(&ask("SELECT count(*) FROM hours")), 0);
    assert_eq!(first(&ask("SELECT coalesce(NULL, 7)")), 7);
    assert_eq!(
        first(&ask("SELECT CAST(170141183460469231731687303715884105727 AS HUGEINT)")),
        "170141183460469231731687303715884105727"
    );
    assert_eq!(first(&ask("SELECT DATE '2026-02-03'")), "2026-02-03");
    let columns = ask("DESCRIBE requests");
    assert!(columns.rows.iter().any(|row| row[0] == "outcome"), "{columns:?}");
}

#[test]
fn an_answer_has_so_many_rows_and_says_that_there_are_more() {
    let directory = tempdir().unwrap();
    let analytics = analytics(directory.path(), 300);
    let answer = analytics.sql("SELECT a.id FROM requests a, requests b", None).unwrap();
    assert!(answer.truncated);
    assert_eq!(answer.rows.len(), ROWS);
}

#[test]
fn who_is_confined_sees_one_namespace() {
    let directory = tempdir().unwrap();
    let analytics = analytics(directory.path(), 300);
    for view in ["requests", "attempts", "hours"] {
        let count = |namespace| {
            first(
                &analytics
                    .sql(&format!("SELECT count(*) FROM {view}"), namespace)
                    .unwrap(),
            )
            .as_u64()
            .unwrap()
        };
        let (all, inside) = (count(None), count(Some("team")));
        assert!(inside < all || all == 0, "{view}: {inside} of {all}");
        assert_eq!(count(Some("nowhere")), 0);
    }
    let routes = "SELECT count(*) FROM requests WHERE route NOT LIKE 'team/%' AND key NOT LIKE 'team/%'";
    assert_eq!(first(&analytics.sql(routes, Some("team")).unwrap()), 0);
}

#[test]
fn what_means_harm_is_refused() {
    let directory = tempdir().unwrap();
    let analytics = analytics(directory.path(), 100);
    assert!(REFUSED.len() >= 40);
    for text in REFUSED {
        let refused = analytics.sql(text, None);
        assert!(matches!(refused, Err(Error::Refused(_))), "{text}: {refused:?}");
    }
    for deep in [
        format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000)),
        format!("SELECT {}true", "NOT ".repeat(1500)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(300), " END".repeat(300)),
        format!("SELECT 1{}", "+1".repeat(3500)),
        format!(
            "SELECT * FROM {}requests{}",
            "(SELECT * FROM ".repeat(400),
            ")".repeat(400)
        ),
        format!("SELECT {}1", "- ".repeat(4000)),
        format!("SELECT '{}'", "x".repeat(9000)),
    ] {
        let answer = analytics.sql(&deep, None);
        assert!(matches!(answer, Err(Error::Refused(_)) | Ok(_)), "{answer:?}");
    }
    assert_eq!(
        first(&analytics.sql("SELECT count(*) FROM requests", None).unwrap()),
        100
    );
}

#[test]
fn what_takes_too_long_or_too_much_is_stopped() {
    let directory = tempdir().unwrap();
    let analytics = analytics(directory.path(), 3000);
    // One after the other until its deadline would take too long here; each of them, on a running gateway: suite `stores`.
    let began = Instant::now();
    let stopped = analytics.sql(STOPPED[4], None);
    let is_stopped = matches!(stopped, Err(Error::Stopped(_) | Error::Refused(_)));
    assert!(is_stopped, "{stopped:?}");
    assert!(began.elapsed() < super::DEADLINE * 6, "{:?}", began.elapsed());
    assert_eq!(
        first(&analytics.sql("SELECT count(*) FROM requests", None).unwrap()),
        3000
    );
}
