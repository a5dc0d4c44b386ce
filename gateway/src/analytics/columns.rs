//! Records as columns: what `DuckDB` appends without looking at single values. The order is that of the tables.

use std::sync::Arc;

use duckdb::arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray,
};
use duckdb::arrow::datatypes::{Field, Schema};
use duckdb::arrow::error::ArrowError;

use super::names::Names;
use crate::capture::Entry;
use crate::capture::record::{Attempt, Record, Usage};

/// Rows of the table `request_rows`.
pub(super) fn requests(entries: &[&Entry], names: &mut Names) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::of(entries, names);
    columns.text("id", |entry| Some(&*entry.record.id));
    columns.timestamp("created", |entry| entry.record.started_unix_micros);
    columns.name("route_name", |entry| entry.record.route.as_deref());
    columns.name("requested_model_name", |entry| configured_model(&entry.record));
    columns.text("requested_model_text", |entry| match configured_model(&entry.record) {
        Some(_) => None,
        None => Some(&*entry.record.requested_model),
    });
    columns.name("key_name", |entry| entry.record.key.as_deref());
    columns.text("external_user", |entry| entry.record.user.as_deref());
    columns.name("snapshot_name", |entry| Some(&*entry.record.snapshot_revision));
    columns.flag("streamed", |entry| Some(entry.record.streamed));
    columns.name("outcome_name", |entry| Some(entry.record.outcome.as_str()));
    columns.small("status", |entry| Some(i32::from(entry.record.status)));
    columns.text("error", |entry| entry.record.error.as_deref());
    columns.name("finish_reason_name", |entry| common_finish_reason(&entry.record));
    columns.big("latency_micros", |entry| Some(entry.record.latency_micros));
    columns.big("first_token_micros", |entry| entry.record.first_token_micros);
    columns.big("overhead_micros", |entry| Some(entry.record.overhead_micros));
    columns.small("attempt_count", |entry| i32::try_from(entry.record.attempts.len()).ok());
    columns.name("target_name", |entry| answering(entry).map(|attempt| &*attempt.target));
    columns.name("provider_name", |entry| {
        answering(entry).map(|attempt| &*attempt.provider)
    });
    columns.name("model_name", |entry| answering(entry).map(|attempt| &*attempt.model));
    columns.usage(|entry| entry.record.usage);
    columns.signed("cost_pico_usd", |entry| entry.record.cost_pico_usd);
    columns.flag("content_kept", |entry| match &entry.record.content {
        Some(_) => Some(true),
        None => (entry.content_dropped || entry.record.is_thinned).then_some(false),
    });
    columns.name("prompt_name", |entry| answering(entry)?.prompt.as_deref());
    columns.name("revision_name", |entry| answering(entry)?.revision.as_deref());
    columns.cache_write(|entry| entry.record.usage);
    columns.text("finish_reason_text", |entry| {
        match common_finish_reason(&entry.record) {
            Some(_) => None,
            None => entry.record.finish_reason.as_deref(),
        }
    });
    columns.big("attempt_latency_micros", |entry| {
        Some(only_attempt(&entry.record)?.latency_micros)
    });
    columns.big("attempt_first_token_micros", |entry| {
        only_attempt(&entry.record)?.first_token_micros
    });
    columns.text("upstream_id", |entry| {
        only_attempt(&entry.record)?.upstream_id.as_deref()
    });
    columns.into_batch()
}

/// Rows of the table `attempt_rows`.
pub(super) fn attempts(entries: &[&Entry], names: &mut Names) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<(i32, &Record, &Attempt)> = entries
        .iter()
        .filter(|entry| only_attempt(&entry.record).is_none())
        .flat_map(|entry| {
            (1..)
                .zip(&entry.record.attempts)
                .map(|(position, attempt)| (position, &entry.record, attempt))
        })
        .collect();
    let mut columns = Columns::of(&rows, names);
    columns.text("request_id", |(_, record, _)| Some(&*record.id));
    columns.timestamp("created", |(_, record, _)| record.started_unix_micros);
    columns.small("position", |(position, ..)| Some(*position));
    columns.name("route_name", |(_, record, _)| record.route.as_deref());
    columns.name("target_name", |(.., attempt)| Some(&*attempt.target));
    columns.name("provider_name", |(.., attempt)| Some(&*attempt.provider));
    columns.name("model_name", |(.., attempt)| Some(&*attempt.model));
    columns.name("outcome_name", |(.., attempt)| Some(attempt.outcome.as_str()));
    columns.small("status", |(.., attempt)| attempt.status.map(i32::from));
    columns.text("error", |(.., attempt)| attempt.error.as_deref());
    columns.big("latency_micros", |(.., attempt)| Some(attempt.latency_micros));
    columns.big("first_token_micros", |(.., attempt)| attempt.first_token_micros);
    columns.usage(|(.., attempt)| attempt.usage);
    columns.signed("cost_pico_usd", |(.., attempt)| attempt.cost_pico_usd);
    columns.text("upstream_id", |(.., attempt)| attempt.upstream_id.as_deref());
    columns.name("prompt_name", |(.., attempt)| attempt.prompt.as_deref());
    columns.name("revision_name", |(.., attempt)| attempt.revision.as_deref());
    columns.cache_write(|(.., attempt)| attempt.usage);
    columns.into_batch()
}

/// Rows of the table `names`.
pub(super) fn names(fresh: &[(i32, Box<str>)]) -> Result<RecordBatch, ArrowError> {
    let mut nameless = Names::default();
    let mut columns = Columns::of(fresh, &mut nameless);
    columns.small("id", |(id, _)| Some(*id));
    columns.text("name", |(_, name)| Some(&**name));
    columns.into_batch()
}

/// The attempt that answered, if any did.
fn answering(entry: &Entry) -> Option<&Attempt> {
    entry.record.attempts.last()
}

/// The attempt of a request that had no other and says no more than its request does, but for its times and the provider's id:
/// it has no row of its own.
fn only_attempt(record: &Record) -> Option<&Attempt> {
    let [attempt] = &record.attempts[..] else { return None };
    let says_the_same = attempt.outcome == record.outcome
        && attempt.status == Some(record.status)
        && attempt.error == record.error
        && attempt.usage == record.usage
        && attempt.cost_pico_usd == record.cost_pico_usd;
    says_the_same.then_some(attempt)
}

/// What the client asked for, where that is a Route's name or alias and so one of few.
fn configured_model(record: &Record) -> Option<&str> {
    record.route.as_ref().map(|_| &*record.requested_model)
}

/// The finish reason where it is one of those that providers have in common. What else one says is free text.
fn common_finish_reason(record: &Record) -> Option<&str> {
    const COMMON: [&str; 12] = [
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "function_call",
        "error",
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
    ];
    record.finish_reason.as_deref().filter(|reason| COMMON.contains(reason))
}

struct Columns<'a, 'n, R> {
    rows: &'a [R],
    names: &'n mut Names,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl<'a, 'n, R> Columns<'a, 'n, R> {
    fn of(rows: &'a [R], names: &'n mut Names) -> Self {
        Self {
            rows,
            names,
            fields: Vec::new(),
            arrays: Vec::new(),
        }
    }

    fn text(&mut self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) {
        let mut texts = StringBuilder::with_capacity(self.rows.len(), self.rows.len() * 16);
        for row in self.rows {
            texts.append_option(value(row));
        }
        self.push(name, Arc::new(texts.finish()));
    }

    /// Text of which there is little variety; most often it is that of the row before.
    fn name(&mut self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) {
        let mut before = None;
        let mut id = |name: &'a str| match before {
            Some((known, id)) if known == name => id,
            _ => before.insert((name, self.names.id(name))).1,
        };
        let ids: Int32Array = self.rows.iter().map(|row| value(row).map(&mut id)).collect();
        self.push(name, Arc::new(ids));
    }

    fn flag(&mut self, name: &str, value: impl Fn(&'a R) -> Option<bool>) {
        self.push(name, Arc::new(self.rows.iter().map(value).collect::<BooleanArray>()));
    }

    fn small(&mut self, name: &str, value: impl Fn(&'a R) -> Option<i32>) {
        self.push(name, Arc::new(self.rows.iter().map(value).collect::<Int32Array>()));
    }

    fn signed(&mut self, name: &str, value: impl Fn(&'a R) -> Option<i64>) {
        self.push(name, Arc::new(self.rows.iter().map(value).collect::<Int64Array>()));
    }

    /// What does not fit in 63 bits becomes the most that does; no count of tokens or microseconds gets there.
    fn big(&mut self, name: &str, value: impl Fn(&'a R) -> Option<u64>) {
        self.signed(name, |row| {
            value(row).map(|value| i64::try_from(value).unwrap_or(i64::MAX))
        });
    }

    fn timestamp(&mut self, name: &str, unix_micros: impl Fn(&'a R) -> i64) {
        let times: Vec<i64> = self.rows.iter().map(unix_micros).collect();
        self.push(name, Arc::new(TimestampMicrosecondArray::from(times)));
    }

    fn usage(&mut self, usage: impl Fn(&'a R) -> Option<Usage>) {
        self.big("prompt_tokens", |row| usage(row).map(|usage| usage.prompt_tokens));
        self.big("cached_tokens", |row| usage(row).map(|usage| usage.cached_tokens));
        self.big("completion_tokens", |row| {
            usage(row).map(|usage| usage.completion_tokens)
        });
        self.big("reasoning_tokens", |row| usage(row).map(|usage| usage.reasoning_tokens));
        self.flag("tokens_estimated", |row| usage(row).map(|usage| usage.estimated));
    }

    /// Apart from the rest of the usage, because its column was added later.
    fn cache_write(&mut self, usage: impl Fn(&'a R) -> Option<Usage>) {
        self.big("cache_write_tokens", |row| {
            usage(row).map(|usage| usage.cache_write_tokens)
        });
    }

    fn push(&mut self, name: &str, array: ArrayRef) {
        self.fields.push(Field::new(name, array.data_type().clone(), true));
        self.arrays.push(array);
    }

    fn into_batch(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)
    }
}
