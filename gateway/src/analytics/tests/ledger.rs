//! Sums over requests against a second bookkeeping of the same requests.

use std::collections::BTreeMap;

use tempfile::tempdir;

use super::{DAY_MICROS, assert_close, everything, open};
use crate::analytics::Error;
use crate::analytics::system::{Dimension, Granularity, MAX_ROWS, Query, Row, SystemAnalytics};
use crate::capture::record::{Outcome, Record};
use crate::capture::sample::{BEGIN_UNIX_MICROS, HOUR_MICROS, Traffic, store};

fn value(dimension: Dimension, record: &Record) -> Option<String> {
    let last = record.attempts.last();
    match dimension {
        Dimension::Model => last.map(|attempt| attempt.model.to_string()),
        Dimension::Provider => last.map(|attempt| attempt.provider.to_string()),
        Dimension::Target => last.map(|attempt| attempt.target.to_string()),
        Dimension::Route => record.route.as_deref().map(str::to_owned),
        Dimension::Key => record.key.as_deref().map(str::to_owned),
        Dimension::Outcome => Some(record.outcome.as_str().to_owned()),
        Dimension::Prompt => last.and_then(|attempt| attempt.prompt.as_deref().map(str::to_owned)),
        Dimension::Revision => last.and_then(|attempt| attempt.revision.as_deref().map(str::to_owned)),
    }
}

fn bucket(granularity: Granularity, record: &Record) -> Option<i64> {
    let width = match granularity {
        Granularity::None => return None,
        Granularity::Minute => HOUR_MICROS / 60,
        Granularity::Hour => HOUR_MICROS,
        Granularity::Day => DAY_MICROS,
    };
    Some(record.started_unix_micros / width * width)
}

/// Null is last, as in the answer.
type Keys = (Option<i64>, Vec<(bool, Option<String>)>);

fn ledger<'a>(records: &'a [Record], query: &Query) -> BTreeMap<Keys, Vec<&'a Record>> {
    let mut groups: BTreeMap<Keys, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let keys = query
            .group_by
            .iter()
            .map(|&dimension| value(dimension, record))
            .map(|key| (key.is_none(), key));
        groups
            .entry((bucket(query.granularity, record), keys.collect()))
            .or_default()
            .push(record);
    }
    groups
}

/// The value of nearest rank, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "the values are small")]
fn percentile(mut micros: Vec<u64>, percent: usize) -> Option<f64> {
    micros.sort_unstable();
    micros
        .get((micros.len() * percent).div_ceil(100).checked_sub(1)?)
        .map(|&micros| micros as f64 / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "the values are small")]
fn assert_measures(row: &Row, records: &[&Record]) {
    let measures = &row.measures;
    let count = |outcome: Outcome| records.iter().filter(|record| record.outcome == outcome).count();
    let tried = records.len() - count(Outcome::ClientError) - count(Outcome::Cancelled);
    let counts = [
        records.len(),
        count(Outcome::Ok),
        count(Outcome::ClientError),
        count(Outcome::Cancelled),
    ];
    let found = [
        measures.requests,
        measures.success_count,
        measures.client_error_count,
        measures.cancelled_count,
    ];
    assert_eq!(found, counts.map(|count| count as u64));
    assert_eq!(measures.error_count, (tried - count(Outcome::Ok)) as u64);
    let success_rate = (tried > 0).then(|| count(Outcome::Ok) as f64 / tried as f64);
    assert_eq!(measures.success_rate, success_rate);

    let usages = || records.iter().filter_map(|record| record.usage);
    assert_eq!(
        measures.prompt_tokens,
        usages().map(|usage| u128::from(usage.prompt_tokens)).sum()
    );
    assert_eq!(
        measures.completion_tokens,
        usages().map(|usage| u128::from(usage.completion_tokens)).sum()
    );
    let costs: Vec<i128> = records
        .iter()
        .filter_map(|record| record.cost_pico_usd)
        .map(i128::from)
        .collect();
    let cost: i128 = costs.iter().sum();
    assert_eq!(measures.cost_micro_usd, (cost + 500_000) / 1_000_000);
    assert_eq!(measures.unpriced_count, (records.len() - costs.len()) as u64);
    assert_close(
        measures.avg_cost,
        (!costs.is_empty()).then(|| cost as f64 / 1e12 / costs.len() as f64),
        1e-9,
    );

    let latencies: Vec<u64> = records.iter().map(|record| record.latency_micros).collect();
    let average = latencies.iter().sum::<u64>() as f64 / 1e3 / latencies.len() as f64;
    assert_close(measures.avg_latency_ms, Some(average), 1e-9);
    assert_close(measures.p50_latency_ms, percentile(latencies.clone(), 50), 0.0051);
    assert_close(measures.p95_latency_ms, percentile(latencies, 95), 0.0051);
    let first_tokens = records.iter().filter_map(|record| record.first_token_micros).collect();
    assert_close(measures.p50_first_token_ms, percentile(first_tokens, 50), 0.0051);
}

fn assert_answer(answer: &SystemAnalytics, query: &Query, records: &[Record]) {
    let groups = ledger(records, query);
    assert_eq!(answer.total_requests, records.len() as u64);
    assert_eq!(answer.rows.len(), groups.len(), "{query:?}");
    for (row, ((bucket, keys), records)) in answer.rows.iter().zip(&groups) {
        let keys: Vec<_> = keys.iter().map(|(_, key)| key.clone()).collect();
        assert_eq!(row.bucket_unix_micros, *bucket);
        assert_eq!(row.keys, query.group_by.iter().copied().zip(keys).collect::<Vec<_>>());
        assert_measures(row, records);
    }
}

#[test]
fn every_grouping_equals_an_independent_ledger() {
    let directory = tempdir().unwrap();
    let records = Traffic::new(12).records(800);
    store(directory.path(), &records);
    let analytics = open(directory.path());
    let mut groupings: Vec<Vec<Dimension>> = vec![Vec::new(), Dimension::ALL.to_vec()];
    for first in Dimension::ALL {
        groupings.push(vec![first]);
        groupings.extend(
            Dimension::ALL
                .into_iter()
                .filter(|&second| second != first)
                .map(|second| vec![first, second]),
        );
    }
    for group_by in groupings {
        for granularity in [
            Granularity::None,
            Granularity::Minute,
            Granularity::Hour,
            Granularity::Day,
        ] {
            let query = Query {
                group_by: group_by.clone(),
                granularity,
                ..everything()
            };
            assert_answer(&analytics.system(&query).unwrap(), &query, &records);
        }
    }
}

#[test]
fn a_filter_leaves_only_what_its_caller_may_see_and_the_range_excludes_its_end() {
    let directory = tempdir().unwrap();
    let mut records = Traffic::new(13).records(400);
    records[0].started_unix_micros = BEGIN_UNIX_MICROS + HOUR_MICROS;
    records[1].started_unix_micros = BEGIN_UNIX_MICROS + 30 * HOUR_MICROS;
    store(directory.path(), &records);
    let analytics = open(directory.path());
    let group_by = vec![Dimension::Route, Dimension::Key];
    let check = |query: Query, keep: &dyn Fn(&Record) -> bool| {
        let kept: Vec<Record> = records.iter().filter(|record| keep(record)).cloned().collect();
        assert!(!kept.is_empty() && kept.len() < records.len());
        assert_answer(&analytics.system(&query).unwrap(), &query, &kept);
    };
    let query = Query {
        group_by,
        ..everything()
    };
    // `default-2` begins as `default` does.
    check(
        Query {
            namespace: Some("default".into()),
            ..query.clone()
        },
        &|record| {
            let is_inside =
                |name: &Option<std::sync::Arc<str>>| name.as_deref().is_some_and(|name| name.starts_with("default/"));
            is_inside(&record.route) || is_inside(&record.key)
        },
    );
    let key = r#"default/it's "quoted""#;
    check(
        Query {
            key: Some(key.into()),
            ..query.clone()
        },
        &|record| record.key.as_deref() == Some(key),
    );
    let of_prompt = |record: &Record| {
        let last = record.attempts.last();
        last.is_some_and(|attempt| attempt.prompt.as_deref() == Some("team/greeting"))
    };
    check(
        Query {
            prompt: Some("team/greeting".into()),
            ..query.clone()
        },
        &of_prompt,
    );
    let (since, until) = (BEGIN_UNIX_MICROS + HOUR_MICROS, BEGIN_UNIX_MICROS + 30 * HOUR_MICROS);
    check(
        Query {
            since_unix_micros: since,
            until_unix_micros: until,
            ..query
        },
        &|record| (since..until).contains(&record.started_unix_micros),
    );
}

#[test]
fn nothing_and_what_only_clients_spoilt_have_no_success_rate() {
    let directory = tempdir().unwrap();
    let mut record = Traffic::new(14).record();
    record.outcome = Outcome::ClientError;
    (record.cost_pico_usd, record.first_token_micros) = (None, None);
    store(directory.path(), &[record]);
    let analytics = open(directory.path());
    let answer = analytics.system(&everything()).unwrap();
    assert_eq!(
        (answer.total_requests, answer.success_rate, answer.avg_cost),
        (1, None, None)
    );
    assert_eq!(answer.rows[0].measures.p50_first_token_ms, None);

    let answer = analytics
        .system(&Query {
            until_unix_micros: BEGIN_UNIX_MICROS,
            ..everything()
        })
        .unwrap();
    assert_eq!(
        (answer.total_requests, answer.avg_latency_ms, answer.rows.len()),
        (0, None, 0)
    );
}

#[test]
fn costs_are_summed_beyond_64_bits() {
    let directory = tempdir().unwrap();
    let mut records = Traffic::new(15).records(5);
    for record in &mut records {
        record.cost_pico_usd = Some(i64::MAX);
    }
    store(directory.path(), &records);
    let answer = open(directory.path()).system(&everything()).unwrap();
    assert_eq!(
        answer.rows[0].measures.cost_micro_usd,
        (5 * i128::from(i64::MAX) + 500_000) / 1_000_000
    );
    assert_close(answer.avg_cost, Some(9_223_372.036_854_776), 1e-12);
}

#[test]
fn an_answer_of_too_many_rows_is_refused() {
    let directory = tempdir().unwrap();
    let mut records = Traffic::new(16).records(MAX_ROWS + 1);
    for (number, record) in records.iter_mut().enumerate() {
        (record.key, record.content) = (Some(format!("default/{number}").into()), None);
    }
    store(directory.path(), &records);
    let query = Query {
        group_by: vec![Dimension::Key],
        ..everything()
    };
    let refused = open(directory.path()).system(&query);
    assert!(matches!(refused, Err(Error::TooManyRows { limit: MAX_ROWS })));
}

#[test]
fn an_answer_has_the_shape_of_the_api() {
    let directory = tempdir().unwrap();
    let mut record = Traffic::new(17).record();
    (record.route, record.key) = (Some("default/chat".into()), None);
    record.started_unix_micros = BEGIN_UNIX_MICROS + HOUR_MICROS / 2;
    store(directory.path(), &[record]);
    let group_by = vec![Dimension::Route, Dimension::Key, Dimension::Route];
    let query = Query {
        group_by,
        granularity: Granularity::Hour,
        ..everything()
    };
    let answer = serde_json::to_value(open(directory.path()).system(&query).unwrap()).unwrap();
    assert_eq!(answer["since"], "2026-03-01T00:00:00Z");
    assert_eq!(answer["pods"], serde_json::json!({"answered": ["0"], "missing": []}));
    let row = &answer["rows"][0];
    assert_eq!(
        (&row["route"], &row["key"]),
        (&"default/chat".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&row["bucket"], &row["requests"]),
        (&"2026-03-01T00:00:00Z".into(), &1.into())
    );
    assert!(row["cost_micro_usd"].is_i64() || row["cost_micro_usd"].is_u64());
}
