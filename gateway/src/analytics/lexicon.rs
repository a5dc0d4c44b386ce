//! The names and kinds of the rows that are gathered, by numbers of their own: the file has others, and may be gone.
//!
//! A request shares its names with the configuration. So most are recognized by where those lie, without a look at their letters.

use std::collections::HashMap;
use std::sync::Arc;

use super::kinds::{Kind, Kinds, common_finish_reason, configured_model, content_kept};
use super::names::Names;
use crate::capture::Entry;
use crate::capture::record::Record;

/// A new one is begun past so many names or kinds: of a configuration that has changed often, most are used no more.
const MANY: usize = 50_000;
/// For the same reason no more are recognized by their places at a time.
const MANY_ALIKE: usize = 16_384;

/// Models of one likeness that are looked through.
const MODELS: usize = 8;

/// What the groups of rows have in common.
#[derive(Default)]
pub(crate) struct Lexicon {
    pub(super) names: Names,
    pub(super) kinds: Kinds,
    alike: HashMap<Likeness, Alike>,
    /// How many there were before this one.
    pub(super) edition: u64,
}

/// What requests of one kind have in common, but for the model that they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Likeness {
    /// Where the names lie; 0 for none.
    places: [usize; 6],
    finish_reason: Option<&'static str>,
    attempts: usize,
    status: u16,
    outcome: u8,
    streamed: bool,
    tokens_estimated: Option<bool>,
    content_kept: Option<bool>,
}

struct Alike {
    /// So that nothing else comes to lie there.
    _held: [Option<Arc<str>>; 6],
    /// Numbers of kinds by the model asked for.
    numbers: Vec<(Option<Box<str>>, i32)>,
}

impl Lexicon {
    /// The number of each request's kind.
    pub(super) fn numbers(&mut self, entries: &[Entry]) -> Vec<i32> {
        entries.iter().map(|entry| self.number(entry)).collect()
    }

    fn number(&mut self, entry: &Entry) -> i32 {
        let shared = shared(&entry.record);
        let likeness = Likeness::of(entry, &shared);
        let model = configured_model(&entry.record);
        let alike = self.alike.get(&likeness);
        let known = alike.and_then(|alike| alike.numbers.iter().find(|(known, _)| known.as_deref() == model));
        if let Some((_, number)) = known {
            return *number;
        }
        let number = self.kinds.number(Kind::of(entry, &mut self.names));
        if self.alike.len() >= MANY_ALIKE {
            self.alike.clear();
        }
        let alike = self.alike.entry(likeness).or_insert_with(|| Alike {
            _held: shared.map(Option::<&_>::cloned),
            numbers: Vec::new(),
        });
        // A combination is asked for with any model: those are looked up by their letters each time.
        if alike.numbers.len() < MODELS {
            alike.numbers.push((model.map(Into::into), number));
        }
        number
    }

    pub(super) fn is_outgrown(&self) -> bool {
        self.names.len().max(self.kinds.len()) > MANY
    }

    /// No row needs this one any more.
    pub(super) fn tidy(&mut self) {
        if self.is_outgrown() {
            *self = Self {
                edition: self.edition + 1,
                ..Self::default()
            };
        }
    }
}

impl Likeness {
    fn of(entry: &Entry, shared: &[Option<&Arc<str>>; 6]) -> Self {
        let record = &entry.record;
        Self {
            places: shared.map(|name| name.map_or(0, |name| Arc::as_ptr(name).cast::<u8>().addr())),
            finish_reason: common_finish_reason(record),
            attempts: record.attempts.len(),
            status: record.status,
            outcome: record.outcome as u8,
            streamed: record.streamed,
            tokens_estimated: record.usage.map(|usage| usage.estimated),
            content_kept: content_kept(entry),
        }
    }
}

/// What a request shares with the configuration.
fn shared(record: &Record) -> [Option<&Arc<str>>; 6] {
    let answering = record.attempts.last();
    [
        record.route.as_ref(),
        answering.map(|attempt| &attempt.target),
        answering.map(|attempt| &attempt.provider),
        answering.map(|attempt| &attempt.model),
        answering.and_then(|attempt| attempt.prompt.as_ref()),
        answering.and_then(|attempt| attempt.revision.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::kinds::COLUMNS;
    use crate::capture::sample::Traffic;

    fn entry(record: Record) -> Entry {
        Entry {
            record,
            content_dropped: false,
        }
    }

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
        let entries: Vec<Entry> = records.map(entry).collect();
        let mut lexicon = Lexicon::default();
        let numbers = lexicon.numbers(&entries);
        assert_eq!((lexicon.kinds.len(), lexicon.alike.len()), (20, 20));
        assert_eq!(lexicon.numbers(&entries), numbers);
        let status = COLUMNS.iter().position(|(name, _)| *name == "status").unwrap();
        for (entry, number) in entries.iter().zip(numbers) {
            let kind = lexicon.kinds.fresh_kind(number).unwrap();
            assert_eq!(kind.value(status), Some(entry.record.status.into()));
        }
    }

    #[test]
    fn the_same_names_in_another_place_are_the_same_kind_and_other_names_another() {
        let mut record = Traffic::new(8).record();
        record.route = Some("team/chat".into());
        record.requested_model = "chat".into();
        let mut elsewhere = record.clone();
        elsewhere.route = Some("team/chat".into());
        let mut asked_otherwise = record.clone();
        asked_otherwise.requested_model = "alias".into();
        let entries = [record, elsewhere, asked_otherwise].map(entry);
        let mut lexicon = Lexicon::default();
        assert_eq!(lexicon.numbers(&entries), [0, 0, 1]);
        assert_eq!((lexicon.alike.len(), lexicon.kinds.len()), (2, 2));
    }

    #[test]
    fn models_without_number_are_not_looked_through() {
        let mut lexicon = Lexicon::default();
        let mut record = Traffic::new(9).record();
        record.route = Some("team/chat".into());
        let asked = (0..100).map(|number| {
            let mut record = record.clone();
            record.requested_model = format!("model-{number}").into();
            entry(record)
        });
        let entries: Vec<Entry> = asked.collect();
        let numbers = lexicon.numbers(&entries);
        assert_eq!(numbers, (0..100).collect::<Vec<i32>>());
        assert_eq!(lexicon.numbers(&entries), numbers);
        assert!(lexicon.alike.values().all(|alike| alike.numbers.len() <= MODELS));
    }

    #[test]
    fn what_is_alike_is_forgotten_before_it_takes_much_memory() {
        let mut lexicon = Lexicon::default();
        let record = Traffic::new(9).record();
        let reloads = (0..=MANY_ALIKE).map(|_| {
            let mut record = record.clone();
            record.route = Some("team/chat".into());
            entry(record)
        });
        let entries: Vec<Entry> = reloads.collect();
        assert!(lexicon.numbers(&entries).iter().all(|number| *number == 0));
        assert!(lexicon.alike.len() < 10);
        let edition = lexicon.edition;
        lexicon.tidy();
        assert_eq!(lexicon.edition, edition, "so few names are kept");
    }
}
