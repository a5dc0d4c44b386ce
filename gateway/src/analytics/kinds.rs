//! What many requests have in common, by number, as the table `request_kinds` has it. A kind is given its number when a row first needs it.

use std::collections::HashMap;

use duckdb::Connection;

use super::names::{Names, Run};
use crate::capture::Entry;
use crate::capture::record::{Attempt, Record};

/// Columns of the table after `number`.
pub(super) const COLUMNS: [(&str, Form); 14] = [
    ("route_name", Form::Number),
    ("requested_model_name", Form::Number),
    ("streamed", Form::Flag),
    ("outcome_name", Form::Number),
    ("status", Form::Number),
    ("finish_reason_name", Form::Number),
    ("attempt_count", Form::Number),
    ("target_name", Form::Number),
    ("provider_name", Form::Number),
    ("model_name", Form::Number),
    ("tokens_estimated", Form::Flag),
    ("content_kept", Form::Flag),
    ("prompt_name", Form::Number),
    ("revision_name", Form::Number),
];
/// In the place of null: nothing here is negative.
const NONE: i32 = -1;

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Number,
    Flag,
}

/// Values in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind([i32; COLUMNS.len()]);

/// What the writer knows.
#[derive(Default)]
pub(super) struct Kinds {
    known: HashMap<Kind, i32>,
    next: i32,
    fresh: Vec<(i32, Kind)>,
}

/// The kinds of some requests, filled column by column.
struct Filling<'a, 'n> {
    entries: &'a [&'a Entry],
    names: &'n mut Names,
    kinds: Vec<Kind>,
    column: usize,
}

impl Kind {
    pub(super) fn value(&self, column: usize) -> Option<i32> {
        self.0.get(column).copied().filter(|value| *value != NONE)
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

    /// The number of each request's kind, most often that of the row before.
    pub(super) fn numbers<'a>(&mut self, entries: &'a [&'a Entry], names: &mut Names) -> Vec<i32> {
        let mut before = None;
        let mut number = |kind: Kind| match before {
            Some((known, number)) if known == kind => number,
            _ => before.insert((kind, self.number(kind))).1,
        };
        kinds_of(entries, names).into_iter().map(&mut number).collect()
    }

    fn number(&mut self, kind: Kind) -> i32 {
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

fn kinds_of<'a>(entries: &'a [&'a Entry], names: &mut Names) -> Vec<Kind> {
    let mut filling = Filling {
        entries,
        names,
        kinds: vec![Kind([NONE; COLUMNS.len()]); entries.len()],
        column: 0,
    };
    filling.name(|entry| entry.record.route.as_deref());
    filling.name(|entry| configured_model(&entry.record));
    filling.number(|entry| Some(entry.record.streamed.into()));
    filling.name(|entry| Some(entry.record.outcome.as_str()));
    filling.number(|entry| Some(entry.record.status.into()));
    filling.name(|entry| common_finish_reason(&entry.record));
    filling.number(|entry| i32::try_from(entry.record.attempts.len()).ok());
    filling.name(|entry| answering(entry).map(|attempt| &*attempt.target));
    filling.name(|entry| answering(entry).map(|attempt| &*attempt.provider));
    filling.name(|entry| answering(entry).map(|attempt| &*attempt.model));
    filling.number(|entry| Some(entry.record.usage?.estimated.into()));
    filling.number(|entry| content_kept(entry).map(i32::from));
    filling.name(|entry| answering(entry)?.prompt.as_deref());
    filling.name(|entry| answering(entry)?.revision.as_deref());
    filling.kinds
}

impl<'a> Filling<'a, '_> {
    fn name(&mut self, name: impl Fn(&'a Entry) -> Option<&'a str>) {
        let mut run = Run::of(self.names);
        for (kind, entry) in self.kinds.iter_mut().zip(self.entries) {
            kind.0[self.column] = name(entry).map_or(NONE, |name| run.id(name));
        }
        self.column += 1;
    }

    fn number(&mut self, number: impl Fn(&'a Entry) -> Option<i32>) {
        for (kind, entry) in self.kinds.iter_mut().zip(self.entries) {
            kind.0[self.column] = number(entry).unwrap_or(NONE);
        }
        self.column += 1;
    }
}

/// The attempt that answered, if any did.
fn answering(entry: &Entry) -> Option<&Attempt> {
    entry.record.attempts.last()
}

fn content_kept(entry: &Entry) -> Option<bool> {
    match &entry.record.content {
        Some(_) => Some(true),
        None => (entry.content_dropped || entry.record.is_thinned).then_some(false),
    }
}

/// What the client asked for, where that is a Route's name or alias and so one of few.
pub(super) fn configured_model(record: &Record) -> Option<&str> {
    record.route.as_ref().map(|_| &*record.requested_model)
}

/// The finish reason where it is one of those that providers have in common. What else one says is free text.
pub(super) fn common_finish_reason(record: &Record) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Kinds};
    use crate::analytics::names::Names;
    use crate::capture::Entry;
    use crate::capture::record::Record;
    use crate::capture::sample::Traffic;

    #[test]
    fn requests_that_differ_in_nothing_but_figures_are_of_one_kind() {
        let mut traffic = Traffic::new(7);
        let like: Vec<Record> = traffic.records(20);
        let records = (0..2_000).map(|number| {
            let figures = traffic.record();
            Record {
                id: figures.id,
                latency_micros: figures.latency_micros,
                user: figures.user,
                ..like[number % like.len()].clone()
            }
        });
        let content_dropped = false;
        let entries: Vec<Entry> = records
            .map(|record| Entry {
                record,
                content_dropped,
            })
            .collect();
        let entries: Vec<&Entry> = entries.iter().collect();
        let (mut kinds, mut names) = (Kinds::default(), Names::default());
        let numbers = kinds.numbers(&entries, &mut names);
        let fresh = kinds.take_fresh();
        assert_eq!((fresh.len(), kinds.len()), (20, 20));
        assert_eq!(kinds.numbers(&entries, &mut names), numbers);
        assert_eq!(kinds.take_fresh(), []);
        let status = COLUMNS.iter().position(|(name, _)| *name == "status").unwrap();
        for (entry, number) in entries.iter().zip(numbers) {
            let (_, kind) = fresh.iter().find(|(known, _)| *known == number).unwrap();
            assert_eq!(kind.value(status), Some(entry.record.status.into()));
        }
    }
}
