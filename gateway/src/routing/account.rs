//! A Provider's account as requests meet it: keys that take turns and are left alone for a while, and places that are limited.
//!
//! What it remembers outlives a change of configuration, except of keys whose value has changed: those are new keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{attempt::Credential, gate::Gate, health::Count, turns::Turns};

/// How long a key that was limited is left alone, unless the provider says.
const LIMITED: Duration = Duration::from_secs(30);
/// No provider's word counts for longer.
const LONGEST_LIMITED: Duration = Duration::from_hours(1);
/// How long a key that was refused is left alone.
const REFUSED: Duration = Duration::from_mins(5);

/// One Provider's account.
#[derive(Debug)]
pub struct Account {
    keys: Box<[Key]>,
    turns: Turns,
    /// Requests under way at once, if they are limited.
    pub max_concurrent: Option<usize>,
    pub gate: Arc<Gate>,
    pub counts: Arc<Counts>,
}

/// What is counted of an account.
#[derive(Debug, Default)]
pub struct Counts {
    /// How often a key was left alone because it was limited.
    pub limited: Count,
    /// How often a key was left alone because it was refused.
    pub refused: Count,
    /// Requests that waited for a place, and got one.
    pub entered: Count,
    /// Requests that waited for a place in vain.
    pub full: Count,
}

/// One key of a Provider.
#[derive(Debug)]
pub struct Key {
    /// `secret/key`, or the environment variable.
    pub name: Box<str>,
    weight: u32,
    header: Credential,
    cooling: Arc<Cooling>,
}

/// Until when something is left alone.
#[derive(Debug)]
struct Cooling {
    began: Instant,
    /// Since it began; 0: it never was.
    until_nanos: AtomicU64,
}

/// With which key a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The Provider takes none.
    Keyless,
    Key(usize),
    /// A key that is left alone: nothing else is left.
    Forced(usize),
}

/// Why a key is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// 429, with the provider's `Retry-After`.
    Limited(Option<Duration>),
    /// 401.
    Refused,
}

impl Key {
    pub fn new(name: &str, weight: u32, header: Credential, now: Instant) -> Self {
        Self {
            name: name.into(),
            weight,
            header,
            cooling: Arc::new(Cooling {
                began: now,
                until_nanos: AtomicU64::new(0),
            }),
        }
    }
}

impl Account {
    /// An account that goes on from `before`.
    pub fn new(keys: Vec<Key>, max_concurrent: Option<usize>, before: Option<&Self>) -> Self {
        let known = |key: &Key| {
            let keys = &before?.keys;
            let same = keys
                .iter()
                .find(|old| old.name == key.name && old.header == key.header)?;
            Some(Arc::clone(&same.cooling))
        };
        let keys: Box<[Key]> = keys
            .into_iter()
            .map(|key| Key {
                cooling: known(&key).unwrap_or_else(|| Arc::clone(&key.cooling)),
                ..key
            })
            .collect();
        let weights: Vec<u32> = keys.iter().map(|key| key.weight).collect();
        Self {
            turns: Turns::new(&weights, before.map(|account| &account.turns)),
            keys,
            max_concurrent,
            gate: before.map_or_else(Arc::default, |account| Arc::clone(&account.gate)),
            counts: before.map_or_else(Arc::default, |account| Arc::clone(&account.counts)),
        }
    }

    /// The key whose turn it is among those that may be used; none if there is no such key.
    pub fn choose(&self, now: Instant) -> Option<Choice> {
        match &self.keys[..] {
            [] => Some(Choice::Keyless),
            [only] => only.cooling.is_over(now).then_some(Choice::Key(0)),
            keys => {
                let is_free = |index: usize| keys.get(index).is_some_and(|key| key.cooling.is_over(now));
                self.turns.next(is_free).map(Choice::Key)
            }
        }
    }

    /// As [`Self::choose`], and at worst the key that is to be left alone for the shortest time.
    pub fn force(&self, now: Instant) -> Choice {
        self.choose(now).unwrap_or_else(|| {
            let soonest = self
                .keys
                .iter()
                .enumerate()
                .min_by_key(|(_, key)| key.cooling.left(now));
            soonest.map_or(Choice::Keyless, |(index, _)| Choice::Forced(index))
        })
    }

    /// The header that carries the credential.
    pub fn header(&self, choice: Choice) -> Option<&Credential> {
        Some(&self.key(choice)?.header)
    }

    fn key(&self, choice: Choice) -> Option<&Key> {
        match choice {
            Choice::Keyless => None,
            Choice::Key(index) | Choice::Forced(index) => self.keys.get(index),
        }
    }

    /// Leaves a key alone.
    pub fn cool(&self, choice: Choice, cause: Cause, now: Instant) {
        let wait = match cause {
            Cause::Limited(wait) => wait.unwrap_or(LIMITED).min(LONGEST_LIMITED),
            Cause::Refused => REFUSED,
        };
        if let Some(key) = self.key(choice) {
            key.cooling.extend(now + wait);
            match cause {
                Cause::Limited(_) => self.counts.limited.add_one(),
                Cause::Refused => self.counts.refused.add_one(),
            }
        }
    }

    /// A key that was forced has worked: it may be used again.
    pub fn thaw(&self, choice: Choice) {
        if let (Choice::Forced(_), Some(key)) = (choice, self.key(choice)) {
            key.cooling.until_nanos.store(0, Ordering::Relaxed);
        }
    }

    /// When the first key may be used again; none if one may now.
    pub fn cooling_for(&self, now: Instant) -> Option<Duration> {
        let left = self.keys.iter().map(|key| key.cooling.left(now)).min()?;
        (left > Duration::ZERO).then_some(left)
    }

    /// The keys that are left alone, by name, and for how much longer.
    pub fn cooling_keys(&self, now: Instant) -> impl Iterator<Item = (&str, Duration)> {
        let left = self.keys.iter().map(move |key| (&*key.name, key.cooling.left(now)));
        left.filter(|(_, left)| *left > Duration::ZERO)
    }
}

impl Cooling {
    fn is_over(&self, now: Instant) -> bool {
        self.left(now) == Duration::ZERO
    }

    fn left(&self, now: Instant) -> Duration {
        match self.until_nanos.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            nanos => (self.began + Duration::from_nanos(nanos)).saturating_duration_since(now),
        }
    }

    fn extend(&self, until: Instant) {
        let nanos = u64::try_from((until - self.began).as_nanos()).unwrap_or(u64::MAX);
        self.until_nanos.fetch_max(nanos, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::AUTHORIZATION};

    use super::*;

    fn account(values: &[&'static str], before: Option<&Account>) -> Account {
        let now = Instant::now();
        let keys = values.iter().enumerate().map(|(index, value)| {
            let header = (AUTHORIZATION, HeaderValue::from_static(value));
            Key::new(&format!("secret/key-{index}"), 1, header, now)
        });
        Account::new(keys.collect(), None, before)
    }

    fn choices(account: &Account, now: Instant) -> Vec<Option<Choice>> {
        (0..3).map(|_| account.choose(now)).collect()
    }

    #[test]
    fn keys_take_turns_and_those_that_are_left_alone_do_not() {
        let account = account(&["a", "b"], None);
        let now = Instant::now();
        let [zero, one] = [Some(Choice::Key(0)), Some(Choice::Key(1))];
        assert_eq!(choices(&account, now), [zero, one, zero]);
        account.cool(Choice::Key(0), Cause::Limited(None), now);
        assert_eq!(choices(&account, now), [one; 3]);
        assert_eq!(
            account.cooling_keys(now).collect::<Vec<_>>(),
            [("secret/key-0", LIMITED)]
        );
        assert_eq!(choices(&account, now + LIMITED), [zero, one, zero]);
    }

    #[test]
    fn when_all_are_left_alone_the_one_that_returns_first_can_be_forced() {
        let account = account(&["a", "b"], None);
        let now = Instant::now();
        account.cool(Choice::Key(0), Cause::Refused, now);
        account.cool(Choice::Key(1), Cause::Limited(Some(Duration::from_secs(7))), now);
        assert_eq!((account.choose(now), account.force(now)), (None, Choice::Forced(1)));
        assert_eq!(account.cooling_for(now), Some(Duration::from_secs(7)));
        account.thaw(Choice::Key(1));
        assert_eq!(account.choose(now), None, "it was not forced");
        account.thaw(Choice::Forced(1));
        assert_eq!(account.choose(now), Some(Choice::Key(1)));
    }

    #[test]
    fn a_provider_without_keys_is_never_left_alone() {
        let account = account(&[], None);
        let now = Instant::now();
        account.cool(Choice::Keyless, Cause::Limited(None), now);
        assert_eq!(account.choose(now), Some(Choice::Keyless));
        assert_eq!(
            (account.header(Choice::Keyless), account.cooling_for(now)),
            (None, None)
        );
    }

    #[test]
    fn a_key_is_left_alone_over_a_change_of_configuration_unless_its_value_changed() {
        let before = account(&["a", "b"], None);
        let now = Instant::now();
        for index in 0..2 {
            before.cool(Choice::Key(index), Cause::Refused, now);
        }
        let after = account(&["a", "new"], Some(&before));
        assert_eq!(choices(&after, now), [Some(Choice::Key(1)); 3]);
        assert!(Arc::ptr_eq(&before.gate, &after.gate));
    }
}
