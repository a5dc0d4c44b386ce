//! What many requests have in common, by number, as the table `request_kinds` has it. A kind is given its number when a row first needs it.

use std::collections::HashMap;
use std::sync::Arc;

use duckdb::Connection;

use super::names::Names;
use crate::capture::Entry;
use crate::capture::record::Record;

/// Columns of the table after `number`.
pub(super) const COLUMNS: [(&str, Form); 14] = [
    ("route_name", Form::Name),
    ("requested_model_name", Form::Name),
    ("streamed", Form::Flag),
    ("outcome_name", Form::Name),
    ("status", Form::Number),
    ("finish_reason_name", Form::Name),
    ("attempt_count", Form::Number),
    ("target_name", Form::Name),
    ("provider_name", Form::Name),
    ("model_name", Form::Name),
    ("tokens_estimated", Form::Flag),
    ("content_kept", Form::Flag),
    ("prompt_name", Form::Name),
    ("revision_name", Form::Name),
];
/// In the place of null: nothing here is negative.
const NONE: i32 = -1;

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The number of a name.
    Name,
    Number,
    Flag,
}

/// Values in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind([i32; COLUMNS.len()]);

/// What the writer knows, or what the rows have that are gathered.
#[derive(Default)]
pub(super) struct Kinds {
    known: HashMap<Kind, i32>,
    next: i32,
    fresh: Vec<(i32, Kind)>,
}

impl Kind {
    pub(super) fn value(&self, column: usize) -> Option<i32> {
        self.0.get(column).copied().filter(|value| *value != NONE)
    }

    /// Of a request.
    pub(super) fn of(entry: &Entry, names: &mut Names) -> Self {
        let record = &entry.record;
        let answering = record.attempts.last();
        let mut name = |name: Option<&Arc<str>>| name.map_or(NONE, |name| names.shared_id(name));
        let route = name(record.route.as_ref());
        let target = name(answering.map(|attempt| &attempt.target));
        let provider = name(answering.map(|attempt| &attempt.provider));
        let model = name(answering.map(|attempt| &attempt.model));
        let prompt = name(answering.and_then(|attempt| attempt.prompt.as_ref()));
        let revision = name(answering.and_then(|attempt| attempt.revision.as_ref()));
        let mut word = |word: Option<&str>| word.map_or(NONE, |word| names.id(word));
        Self([
            route,
            word(configured_model(record)),
            record.streamed.into(),
            word(Some(record.outcome.as_str())),
            record.status.into(),
            word(common_finish_reason(record)),
            i32::try_from(record.attempts.len()).unwrap_or(NONE),
            target,
            provider,
            model,
            record.usage.map_or(NONE, |usage| usage.estimated.into()),
            content_kept(entry).map_or(NONE, i32::from),
            prompt,
            revision,
        ])
    }

    /// The same with other numbers for its names.
    pub(super) fn renamed(mut self, mut number: impl FnMut(i32) -> i32) -> Self {
        for ((_, form), value) in COLUMNS.iter().zip(&mut self.0) {
            if *form == Form::Name && *value != NONE {
                *value = number(*value);
            }
        }
        self
    }
}

impl Kinds {
    /// The kinds of an opened file.
    pub(super) fn stored(connection: &Connection) -> duckdb::Result<Self> {
        let columns = COLUMNS.map(|(name, _)| format!("coalesce(CAST({name} AS INTEGER), {NONE})"));
        let sql = format!("SELECT number, {} FROM request_kinds", columns.join(", "));
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([], |row| {
            let mut kind = Kind([NONE; COLUMNS.len()]);
            for (place, value) in kind.0.iter_mut().enumerate() {
                *value = row.get(place + 1)?;
            }
            Ok((kind, row.get(0)?))
        })?;
        let known: HashMap<Kind, i32> = rows.collect::<duckdb::Result<_>>()?;
        let next = known.values().max().map_or(0, |last| last.saturating_add(1));
        Ok(Self {
            known,
            next,
            fresh: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Kinds that were given a number since this was last asked; they are not stored yet.
    pub(super) fn take_fresh(&mut self) -> Vec<(i32, Kind)> {
        std::mem::take(&mut self.fresh)
    }

    /// The kind of a number, of those that have got theirs since fresh ones were taken.
    pub(super) fn fresh_kind(&self, number: i32) -> Option<Kind> {
        let (_, kind) = self.fresh.get(usize::try_from(number).ok()?)?;
        Some(*kind)
    }

    pub(super) fn number(&mut self, kind: Kind) -> i32 {
        if let Some(number) = self.known.get(&kind) {
            return *number;
        }
        let number = self.next;
        self.next = number.saturating_add(1);
        self.known.insert(kind, number);
        self.fresh.push((number, kind));
        number
    }
}

pub(super) fn content_kept(entry: &Entry) -> Option<bool> {
    match &entry.record.content {
        Some(_) => Some(true),
        None => (entry.content_dropped || entry.record.is_thinned).then_some(false),
    }
}

/// What the client asked for, where there was a Route: most often its name or alias, and so one of few. Beside a combination it is any text;
/// names that no row has any more are pruned.
pub(super) fn configured_model(record: &Record) -> Option<&str> {
    record.route.as_ref().map(|_| &*record.requested_model)
}

/// The finish reason where it is one of those that providers have in common. What else one says is free text.
pub(super) fn common_finish_reason(record: &Record) -> Option<&'static str> {
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
    let reason = record.finish_reason.as_deref()?;
    COMMON.into_iter().find(|common| *common == reason)
}
