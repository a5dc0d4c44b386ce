//! Records as columns: what `DuckDB` appends without looking at single values. The order is that of the tables.

use std::sync::Arc;

use duckdb::arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Int32Array, Int64Array, RecordBatch, StringBuilder,
    TimestampMicrosecondArray,
};
use duckdb::arrow::compute::concat;
use duckdb::arrow::datatypes::{Field, Int32Type, Schema};
use duckdb::arrow::error::ArrowError;

use super::kinds::{self, COLUMNS, Kind, common_finish_reason, configured_model};
use super::lexicon::Lexicon;
use super::names::{Names, Run};
use super::numbers::Numbers;
use crate::capture::Entry;
use crate::capture::record::{Attempt, Record, Usage};

/// Rows of a table.
pub(super) struct Rows {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
    forms: Vec<Form>,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Value,
    /// Numbers of names.
    Name,
    /// Numbers of kinds.
    Kind,
}

/// Rows of the table `request_facts`.
pub(super) fn facts(entries: &[Entry], lexicon: &mut Lexicon) -> Rows {
    let numbers = lexicon.numbers(entries);
    let mut columns = Columns::of(entries, &mut lexicon.names);
    columns.text("id", |entry| Some(&*entry.record.id));
    columns.timestamp("created", |entry| entry.record.started_unix_micros);
    columns.push("kind", Arc::new(Int32Array::from(numbers)), Form::Kind);
    columns.name("key_name", |entry| entry.record.key.as_deref());
    columns.name("snapshot_name", |entry| Some(&*entry.record.snapshot_revision));
    columns.text("requested_model_text", |entry| match configured_model(&entry.record) {
        Some(_) => None,
        None => Some(&*entry.record.requested_model),
    });
    columns.text("external_user", |entry| entry.record.user.as_deref());
    columns.text("error", |entry| entry.record.error.as_deref());
    columns.text("finish_reason_text", |entry| {
        match common_finish_reason(&entry.record) {
            Some(_) => None,
            None => entry.record.finish_reason.as_deref(),
        }
    });
    columns.big("latency_micros", |entry| Some(entry.record.latency_micros));
    columns.big("first_token_micros", |entry| entry.record.first_token_micros);
    columns.big("overhead_micros", |entry| Some(entry.record.overhead_micros));
    columns.big("prompt_tokens", |entry| Some(entry.record.usage?.prompt_tokens));
    columns.big("cached_tokens", |entry| Some(entry.record.usage?.cached_tokens));
    columns.big("cache_write_tokens", |entry| {
        Some(entry.record.usage?.cache_write_tokens)
    });
    columns.big("completion_tokens", |entry| Some(entry.record.usage?.completion_tokens));
    columns.big("reasoning_tokens", |entry| Some(entry.record.usage?.reasoning_tokens));
    columns.signed("cost_pico_usd", |entry| entry.record.cost_pico_usd);
    columns.big("attempt_latency_micros", |entry| {
        Some(only_attempt(&entry.record)?.latency_micros)
    });
    columns.big("attempt_first_token_micros", |entry| {
        only_attempt(&entry.record)?.first_token_micros
    });
    columns.text("upstream_id", |entry| {
        only_attempt(&entry.record)?.upstream_id.as_deref()
    });
    columns.rows
}

/// Rows of the table `request_kinds`.
pub(super) fn kinds(fresh: &[(i32, Kind)]) -> Result<RecordBatch, ArrowError> {
    let mut nameless = Names::default();
    let mut columns = Columns::of(fresh, &mut nameless);
    columns.small("number", |(number, _)| Some(*number));
    for (column, (name, form)) in COLUMNS.into_iter().enumerate() {
        match form {
            kinds::Form::Name | kinds::Form::Number => columns.small(name, |(_, kind)| kind.value(column)),
            kinds::Form::Flag => columns.flag(name, |(_, kind)| kind.value(column).map(|value| value != 0)),
        }
    }
    columns.rows.into_batch()
}

/// Rows of the table `attempt_rows`.
pub(super) fn attempts(entries: &[Entry], names: &mut Names) -> Rows {
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
    columns.rows
}

/// Rows of the table `names`.
pub(super) fn names(fresh: &[(i32, Arc<str>)]) -> Result<RecordBatch, ArrowError> {
    let mut nameless = Names::default();
    let mut columns = Columns::of(fresh, &mut nameless);
    columns.small("id", |(id, _)| Some(*id));
    columns.text("name", |(_, name)| Some(&**name));
    columns.rows.into_batch()
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

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.arrays.first().is_none_or(Array::is_empty)
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.arrays.iter().map(Array::get_array_memory_size).sum()
    }

    /// All in one, with the file's numbers in the place of the lexicon's; none when there are none.
    pub(super) fn join(
        all: &[Self],
        lexicon: &Lexicon,
        numbers: &mut Numbers,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(first) = all.first() else { return Ok(None) };
        let join = |column: usize| {
            let arrays: Vec<_> = all
                .iter()
                .filter_map(|rows| Some(&**rows.arrays.get(column)?))
                .collect();
            concat(&arrays)
        };
        let arrays = first.forms.iter().enumerate().map(|(column, form)| {
            let joined = join(column)?;
            Ok(match form {
                Form::Value => joined,
                Form::Name => renumbered(&joined, |name| numbers.of_name(name, lexicon)),
                Form::Kind => renumbered(&joined, |kind| numbers.of_kind(kind, lexicon)),
            })
        });
        let joined = Self {
            fields: first.fields.clone(),
            arrays: arrays.collect::<Result<_, ArrowError>>()?,
            forms: Vec::new(),
        };
        joined.into_batch().map(Some)
    }

    fn into_batch(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)
    }
}

fn renumbered(numbers: &ArrayRef, mut number: impl FnMut(i32) -> i32) -> ArrayRef {
    let numbers = numbers.as_primitive::<Int32Type>();
    Arc::new(numbers.iter().map(|old| old.map(&mut number)).collect::<Int32Array>())
}

struct Columns<'a, 'n, R> {
    source: &'a [R],
    names: &'n mut Names,
    rows: Rows,
}

impl<'a, 'n, R> Columns<'a, 'n, R> {
    fn of(source: &'a [R], names: &'n mut Names) -> Self {
        let rows = Rows {
            fields: Vec::new(),
            arrays: Vec::new(),
            forms: Vec::new(),
        };
        Self { source, names, rows }
    }

    fn text(&mut self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) {
        let mut texts = StringBuilder::with_capacity(self.source.len(), self.source.len() * 16);
        for row in self.source {
            texts.append_option(value(row));
        }
        self.push(name, Arc::new(texts.finish()), Form::Value);
    }

    /// Text of which there is little variety; most often it is that of the row before.
    fn name(&mut self, name: &str, value: impl Fn(&'a R) -> Option<&'a str>) {
        let mut run = Run::of(self.names);
        let ids: Int32Array = self
            .source
            .iter()
            .map(|row| value(row).map(|name| run.id(name)))
            .collect();
        self.push(name, Arc::new(ids), Form::Name);
    }

    fn flag(&mut self, name: &str, value: impl Fn(&'a R) -> Option<bool>) {
        let values: BooleanArray = self.source.iter().map(value).collect();
        self.push(name, Arc::new(values), Form::Value);
    }

    fn small(&mut self, name: &str, value: impl Fn(&'a R) -> Option<i32>) {
        let values: Int32Array = self.source.iter().map(value).collect();
        self.push(name, Arc::new(values), Form::Value);
    }

    fn signed(&mut self, name: &str, value: impl Fn(&'a R) -> Option<i64>) {
        let values: Int64Array = self.source.iter().map(value).collect();
        self.push(name, Arc::new(values), Form::Value);
    }

    /// What does not fit in 63 bits becomes the most that does; no count of tokens or microseconds gets there.
    fn big(&mut self, name: &str, value: impl Fn(&'a R) -> Option<u64>) {
        self.signed(name, |row| {
            value(row).map(|value| i64::try_from(value).unwrap_or(i64::MAX))
        });
    }

    fn timestamp(&mut self, name: &str, unix_micros: impl Fn(&'a R) -> i64) {
        let times: Vec<i64> = self.source.iter().map(unix_micros).collect();
        self.push(name, Arc::new(TimestampMicrosecondArray::from(times)), Form::Value);
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

    fn push(&mut self, name: &str, array: ArrayRef, form: Form) {
        self.rows.fields.push(Field::new(name, array.data_type().clone(), true));
        self.rows.arrays.push(array);
        self.rows.forms.push(form);
    }
}
