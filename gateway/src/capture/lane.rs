//! One store's own line: what is gathered for it, and what it could not take, which is tried again for a while, then given up and counted.
//! Neither store waits for the other, nor for its recovery.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::batch::Entry;
use super::room::{Held, Room};
use super::store::{Failure, Group, Store, StoreHealth, Try, in_full};

/// Tries at one group before it is given up.
const TRIES: u32 = 6;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where a lane tells how its store is.
pub(super) type SharedHealth = Arc<Mutex<StoreHealth>>;

/// Microseconds since 1970.
pub type Clock = fn() -> i64;

pub(super) struct Lane<S: Store> {
    name: &'static str,
    opener: Box<dyn FnMut() -> Result<S, S::Error> + Send>,
    store: Option<S>,
    book: <S::Group as Group>::Book,
    /// Is not to be written yet.
    open: Gathered<S::Group>,
    line: VecDeque<Gathered<S::Group>>,
    line_bytes: usize,
    terms: Terms,
    /// Failed tries in a row, at whatever.
    failures: u32,
    /// Failed tries at the first group of the line.
    tries: u32,
    next_try: Option<Instant>,
    health: SharedHealth,
}

/// A group with the room that it takes.
struct Gathered<G> {
    group: G,
    held: Held,
    /// When the first of its requests ended.
    since: Option<Instant>,
}

/// How a lane deals with failure.
pub(super) struct Terms {
    /// Where what waits is counted.
    pub room: Arc<Room>,
    /// What the line holds at most while its store fails.
    pub limit_bytes: usize,
    /// Between a failure and the next try; doubles from there.
    pub first_pause: Duration,
    pub clock: Clock,
}

impl<S: Store> Lane<S> {
    /// Opens the store; a store that cannot be opened is tried again later.
    pub(super) fn open(
        name: &'static str,
        terms: Terms,
        opener: impl FnMut() -> Result<S, S::Error> + Send + 'static,
    ) -> Self {
        let mut lane = Self {
            name,
            opener: Box::new(opener),
            store: None,
            book: Default::default(),
            open: Gathered::new(&terms.room),
            line: VecDeque::new(),
            line_bytes: 0,
            terms,
            failures: 0,
            tries: 0,
            next_try: None,
            health: SharedHealth::default(),
        };
        if let Err(error) = lane.ensure_open() {
            lane.fail(&error);
        }
        lane
    }

    pub(super) fn health(&self) -> SharedHealth {
        Arc::clone(&self.health)
    }

    /// Takes what the store keeps of these requests, the first of which ended at `opened`.
    pub(super) fn gather(&mut self, entries: &mut Vec<Entry>, opened: Instant) {
        let mut from = 0;
        while from < entries.len() {
            let Gathered { group, held, since } = &mut self.open;
            from = group.gather(entries, from, &mut self.book);
            if group.requests() > 0 {
                since.get_or_insert(opened);
            }
            held.set(group.load());
            if group.is_full() || held.load().bytes >= self.terms.room.part_bytes(S::Group::ROOM_PARTS) {
                self.settle();
            }
        }
    }

    /// What has been gathered is to be written, if it would be too large a transaction with as much more.
    pub(super) fn settle_before(&mut self, more_bytes: usize) {
        if self.open.held.load().bytes + more_bytes > self.terms.room.part_bytes(S::Group::ROOM_PARTS) {
            self.settle();
        }
    }

    /// When what has been gathered is to be written: once the first of it has waited for `interval`, and the store is tried at all.
    pub(super) fn due(&self, interval: Duration) -> Option<Instant> {
        let due = self.open.since? + interval;
        Some(self.next_try.map_or(due, |next| next.max(due)))
    }

    /// What has been gathered is to be written, if it is due.
    pub(super) fn settle_due(&mut self, interval: Duration) {
        if self.due(interval).is_some_and(|due| Instant::now() >= due) {
            self.settle();
        }
    }

    /// What has been gathered is to be written.
    pub(super) fn settle(&mut self) {
        if self.open.since.is_some() {
            let settled = std::mem::replace(&mut self.open, Gathered::new(&self.terms.room));
            self.line_bytes += settled.held.load().bytes;
            self.line.push_back(settled);
        }
    }

    /// Stores what it can; whether there was anything to store. After a failure nothing is tried before the pause is over.
    pub(super) fn advance(&mut self) -> bool {
        let had_any = !self.line.is_empty();
        if self.next_try.is_none_or(|next| Instant::now() >= next) {
            self.try_all();
        }
        while self.line_bytes > self.terms.limit_bytes && self.failures > 0 {
            self.give_up_first();
        }
        if self.failures > 0 && S::Group::is_outgrown(&self.book) {
            self.give_up_all();
            S::Group::tidy(&mut self.book);
        }
        had_any
    }

    /// Gives the store the occasion to begin anew, while nothing is under way.
    pub(super) fn renew(&mut self) {
        match self.store.take().map(S::renewed) {
            Some(Ok(store)) => self.store = Some(store),
            Some(Err(error)) => self.fail(&error),
            None => {}
        }
    }

    /// Does something else with the store. None when the store is closed, or this failed, which closes it.
    pub(super) fn with_store<T>(&mut self, action: impl FnOnce(&mut S) -> Result<T, S::Error>) -> Option<T> {
        match action(self.store.as_mut()?) {
            Ok(done) => Some(done),
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// What the files of the store take; nothing while it is closed.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.store.as_ref().map_or(0, S::disk_bytes)
    }

    /// Tells what the files of the store take.
    pub(super) fn measure(&mut self) {
        if let Some(store) = &self.store {
            self.lock_health().disk_bytes = store.disk_bytes();
        }
    }

    /// A last try at what is left, then the end.
    pub(super) fn close(mut self) {
        self.settle();
        self.try_all();
        self.give_up_all();
        if let Some(Err(error)) = self.store.take().map(S::close) {
            tracing::error!(store = self.name, error = in_full(&error), "failed to close a store");
        }
    }

    fn try_all(&mut self) {
        if self.line.is_empty() && self.store.is_some() {
            return;
        }
        match self.write_all() {
            Ok(()) => self.recover(),
            Err(error) => self.fail(&error),
        }
    }

    fn ensure_open(&mut self) -> Result<&mut S, S::Error> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.opener)()?,
        };
        Ok(self.store.insert(store))
    }

    fn write_all(&mut self) -> Result<(), S::Error> {
        self.ensure_open()?;
        while let (Some(first), Some(store)) = (self.line.front(), &mut self.store) {
            let this_is = if self.tries == 0 { Try::First } else { Try::Again };
            store.write(&first.group, &self.book, this_is)?;
            self.drop_first();
        }
        if self.open.since.is_none() {
            S::Group::tidy(&mut self.book);
        }
        Ok(())
    }

    fn recover(&mut self) {
        self.failures = 0;
        self.next_try = None;
        if self.lock_health().failure.take().is_some() {
            tracing::info!(store = self.name, "the store takes records again");
        }
    }

    /// The store is opened anew at the next try: some failures leave a connection that never works again.
    fn fail(&mut self, error: &S::Error) {
        self.store = None;
        let pause = self
            .terms
            .first_pause
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.next_try = Some(Instant::now() + pause);
        self.failures += 1;
        self.note(in_full(error));
        if !self.line.is_empty() {
            self.tries += 1;
            if self.tries >= TRIES {
                self.give_up_first();
            }
        }
    }

    fn note(&self, message: String) {
        let mut health = self.lock_health();
        let known = health.failure.as_ref();
        if known.is_none_or(|failure| failure.message != message) {
            tracing::error!(
                store = self.name,
                error = message,
                "capture stopped: the store takes no records"
            );
        }
        let since_unix_micros = known.map_or_else(self.terms.clock, |failure| failure.since_unix_micros);
        health.failure = Some(Failure {
            message,
            since_unix_micros,
        });
    }

    fn give_up_all(&mut self) {
        self.settle();
        while !self.line.is_empty() {
            self.give_up_first();
        }
    }

    fn give_up_first(&mut self) {
        if let Some(first) = self.line.front() {
            self.lock_health().dropped_records += first.group.requests() as u64;
        }
        self.drop_first();
    }

    fn drop_first(&mut self) {
        self.tries = 0;
        if let Some(first) = self.line.pop_front() {
            self.line_bytes -= first.held.load().bytes;
        }
    }

    fn lock_health(&self) -> std::sync::MutexGuard<'_, StoreHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<G: Group> Gathered<G> {
    fn new(room: &Arc<Room>) -> Self {
        Self {
            group: G::default(),
            held: Held::new(room),
            since: None,
        }
    }
}

#[cfg(test)]
mod tests;
