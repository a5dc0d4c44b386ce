//! The store of analytics in a directory of its own.

use std::path::Path;
use std::sync::Arc;

use tempfile::tempdir;

mod ledger;
mod shares;
mod tables;

use super::generation::Generation;
use super::system::{Granularity, Query};
use super::{Analytics, Database};
use crate::capture::SharedLimits;
use crate::capture::record::{Outcome, Record};
use crate::capture::sample::{BEGIN_UNIX_MICROS, HOUR_MICROS, Traffic, store};

const DAY_MICROS: i64 = 24 * HOUR_MICROS;

fn open(directory: &Path) -> Analytics {
    let database = Arc::new(Database::new(directory, None, SharedLimits::default()));
    database.open().unwrap();
    Analytics::new(database)
}

fn everything() -> Query {
    Query {
        since_unix_micros: BEGIN_UNIX_MICROS,
        until_unix_micros: BEGIN_UNIX_MICROS + 2 * DAY_MICROS,
        group_by: Vec::new(),
        granularity: Granularity::None,
        namespace: None,
        key: None,
        prompt: None,
    }
}

fn assert_close(found: Option<f64>, expected: Option<f64>, relative: f64) {
    let close = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= relative * expected.abs() + 0.002,
        (found, expected) => found == expected,
    };
    assert!(close, "{found:?} is not {expected:?}");
}

#[test]
fn a_generation_tells_all_that_was_recorded() {
    let directory = tempdir().unwrap();
    let records = Traffic::new(18).records(300);
    store(directory.path(), &records);
    let analytics = open(directory.path());
    for record in &records {
        assert_generation(&analytics.generation(&record.id).unwrap().unwrap(), record);
    }
    assert!(
        analytics
            .generation("gen-0-01ARYZ6S41TSV4RRFFQ69G5FAV")
            .unwrap()
            .is_none()
    );
    assert!(analytics.generation("no id").unwrap().is_none());
}

/// A request whose only attempt says no more than it does has no row for it.
#[test]
#[expect(clippy::cast_precision_loss, reason = "the values are small")]
fn a_generation_is_found_with_its_only_attempt_also_when_the_clock_was_set_meanwhile() {
    let directory = tempdir().unwrap();
    let mut traffic = Traffic::new(21);
    let mut records = traffic.records(40);
    for (number, record) in records.iter_mut().enumerate() {
        let mut attempt = traffic.attempt();
        (attempt.outcome, attempt.status, attempt.error) = (record.outcome, Some(record.status), record.error.clone());
        (attempt.usage, attempt.cost_pico_usd) = (record.usage, record.cost_pico_usd);
        record.attempts = vec![attempt];
        record.started_unix_micros += i64::try_from(number % 2).unwrap() * HOUR_MICROS / 2;
    }
    store(directory.path(), &records);
    let analytics = open(directory.path());
    for record in &records {
        let found = analytics.generation(&record.id).unwrap().unwrap();
        assert_generation(&found, record);
        let first_token = record.attempts[0].first_token_micros.map(|micros| micros as f64 / 1e3);
        assert_eq!(found.attempts[0].first_token_ms, first_token);
    }
}

#[expect(clippy::cast_precision_loss, reason = "the values are small")]
fn assert_generation(found: &Generation, record: &Record) {
    let last = record.attempts.last();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let ms = |micros: u64| micros as f64 / 1e3;
    assert_eq!(found.id, *record.id);
    assert_eq!(
        (&found.route, &found.key),
        (&owned(record.route.as_deref()), &owned(record.key.as_deref()))
    );
    assert_eq!(
        found.model,
        last.map_or(&*record.requested_model, |attempt| &*attempt.model)
    );
    assert_eq!(found.provider_name, last.map(|attempt| attempt.provider.to_string()));
    assert_eq!(
        found.upstream_id,
        owned(last.and_then(|attempt| attempt.upstream_id.as_deref()))
    );
    assert_eq!(
        (found.streamed, found.cancelled),
        (record.streamed, record.outcome == Outcome::Cancelled)
    );
    assert_eq!(
        (&found.prompt, &found.prompt_revision),
        (
            &owned(last.and_then(|attempt| attempt.prompt.as_deref())),
            &owned(last.and_then(|attempt| attempt.revision.as_deref()))
        )
    );
    assert_eq!(found.finish_reason, owned(record.finish_reason.as_deref()));
    assert_eq!(
        found.tokens_cache_write,
        record.usage.map(|usage| usage.cache_write_tokens)
    );
    assert_eq!(found.latency, record.first_token_micros.map(ms));
    assert_eq!(found.generation_time, Some(ms(record.latency_micros)));
    assert_eq!(
        found.native_tokens_cached,
        record.usage.map(|usage| usage.cached_tokens)
    );
    assert_eq!(
        found.tokens_completion,
        record.usage.map(|usage| usage.completion_tokens)
    );
    assert_close(
        found.total_cost,
        record.cost_pico_usd.map(|cost| cost as f64 / 1e12),
        1e-12,
    );
    assert_eq!(
        (found.status, &*found.outcome),
        (record.status, record.outcome.as_str())
    );
    assert_eq!(found.error, owned(record.error.as_deref()));
    assert_eq!(
        (found.attempts.len(), found.provider_responses.len()),
        (record.attempts.len(), record.attempts.len())
    );
    for (found, attempt) in found.attempts.iter().zip(&record.attempts) {
        assert_eq!(
            (&*found.target, &*found.outcome),
            (&*attempt.target, attempt.outcome.as_str())
        );
        assert_eq!(
            (found.status, found.latency_ms),
            (attempt.status, Some(ms(attempt.latency_micros)))
        );
    }
    let json = serde_json::to_value(found).unwrap();
    assert_eq!(json["is_byok"], true);
    assert!(json.as_object().unwrap().contains_key("app_id") && json["app_id"].is_null());
}
