//! One store's own line of batches: what it could not take is tried again for a while, then given up and counted. Neither
//! store waits for the other's recovery.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::store::{Failure, Store, StoreHealth, Try, in_full};

/// Tries at one batch before it is given up.
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
    line: VecDeque<Arc<Batch>>,
    line_bytes: usize,
    terms: Terms,
    /// Failed tries in a row, at whatever.
    failures: u32,
    /// Failed tries at the first batch of the line.
    tries: u32,
    next_try: Option<Instant>,
    health: SharedHealth,
}

/// How a lane deals with failure.
pub(super) struct Terms {
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

    pub(super) fn push(&mut self, batch: Arc<Batch>) {
        self.line_bytes += batch.bytes;
        self.line.push_back(batch);
    }

    /// Stores what it can. After a failure nothing is tried before the pause is over.
    pub(super) fn advance(&mut self) {
        if self.next_try.is_none_or(|next| Instant::now() >= next) {
            self.try_all();
        }
        while self.line_bytes > self.terms.limit_bytes && self.failures > 0 {
            self.give_up_first();
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

    /// Tells what the files of the store take.
    pub(super) fn measure(&mut self) {
        if let Some(size) = self.with_store(|store| store.size()) {
            self.lock_health().disk_bytes = size.disk_bytes;
        }
    }

    /// A last try at what is left, then the end.
    pub(super) fn close(mut self) {
        self.try_all();
        while !self.line.is_empty() {
            self.give_up_first();
        }
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
        while let (Some(batch), Some(store)) = (self.line.front(), &mut self.store) {
            store.write(&batch.entries, if self.tries == 0 { Try::First } else { Try::Again })?;
            self.drop_first();
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

    fn give_up_first(&mut self) {
        if let Some(batch) = self.line.front() {
            self.lock_health().dropped_records += batch.entries.len() as u64;
        }
        self.drop_first();
    }

    fn drop_first(&mut self) {
        self.tries = 0;
        if let Some(batch) = self.line.pop_front() {
            self.line_bytes -= batch.bytes;
        }
    }

    fn lock_health(&self) -> std::sync::MutexGuard<'_, StoreHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::batch::{Entry, Room};
    use super::super::sample::Traffic;
    use super::super::store::{Forget, Size};
    use super::*;

    /// A store that works while it is told to, and remembers what it has.
    #[derive(Default)]
    struct Told {
        works: AtomicBool,
        stored: AtomicUsize,
        tries_again: AtomicUsize,
    }

    impl Store for Arc<Told> {
        type Error = std::fmt::Error;

        fn write(&mut self, entries: &[Entry], this_is: Try) -> Result<(), Self::Error> {
            self.tries_again
                .fetch_add((this_is == Try::Again).into(), Ordering::Relaxed);
            if !self.works.load(Ordering::Relaxed) {
                return Err(std::fmt::Error);
            }
            self.stored.fetch_add(entries.len(), Ordering::Relaxed);
            Ok(())
        }

        fn tend(&mut self, _: i64) -> Result<(), Self::Error> {
            Ok(())
        }

        fn size(&self) -> Result<Size, Self::Error> {
            Err(std::fmt::Error)
        }

        fn oldest(&self) -> Result<Option<i64>, Self::Error> {
            Ok(None)
        }

        fn shed(&mut self, _: u64) -> Result<(), Self::Error> {
            Ok(())
        }

        fn forget(&mut self, _: &Forget) -> Result<u64, Self::Error> {
            Ok(0)
        }

        fn close(self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    fn lane(limit_bytes: usize) -> (Arc<Told>, Lane<Arc<Told>>) {
        let told = Arc::new(Told::default());
        let terms = Terms {
            limit_bytes,
            first_pause: Duration::ZERO,
            clock: || 7,
        };
        let opened = Arc::clone(&told);
        (told, Lane::open("told", terms, move || Ok(Arc::clone(&opened))))
    }

    fn batch(bytes: usize) -> Arc<Batch> {
        let mut batch = Batch::new(&Room::new(1 << 20), Vec::new());
        batch.push(
            Entry {
                record: Traffic::new(1).record(),
                content_dropped: false,
            },
            bytes,
        );
        Arc::new(batch)
    }

    #[test]
    fn what_failed_is_stored_once_the_store_works() {
        let (told, mut lane) = lane(1000);
        for _ in 0..3 {
            lane.push(batch(10));
            lane.advance();
        }
        let health = lane.health();
        let failure = health.lock().unwrap().failure.clone().unwrap();
        assert_eq!(failure.since_unix_micros, 7);
        told.works.store(true, Ordering::Relaxed);
        lane.advance();
        assert_eq!(*health.lock().unwrap(), StoreHealth::default());
        assert_eq!(told.stored.load(Ordering::Relaxed), 3);
        assert_eq!(
            told.tries_again.load(Ordering::Relaxed),
            3,
            "two failures and the success of the first batch"
        );
    }

    #[test]
    fn a_batch_that_fails_too_often_is_given_up_and_counted() {
        let (told, mut lane) = lane(1000);
        lane.push(batch(10));
        lane.push(batch(10));
        (0..TRIES).for_each(|_| lane.advance());
        told.works.store(true, Ordering::Relaxed);
        lane.advance();
        let health = lane.health();
        assert_eq!(
            *health.lock().unwrap(),
            StoreHealth {
                dropped_records: 1,
                ..StoreHealth::default()
            }
        );
        assert_eq!(told.stored.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_line_that_grows_too_long_loses_its_oldest_batches() {
        let (told, mut lane) = lane(25);
        for _ in 0..4 {
            lane.push(batch(10));
            lane.advance();
        }
        told.works.store(true, Ordering::Relaxed);
        lane.advance();
        assert_eq!(lane.health().lock().unwrap().dropped_records, 2);
        assert_eq!(told.stored.load(Ordering::Relaxed), 2);
        lane.push(batch(1000));
        lane.advance();
        assert_eq!(told.stored.load(Ordering::Relaxed), 3, "a batch of any size is tried");
    }

    #[test]
    fn closing_tries_once_more_and_counts_what_is_lost() {
        let (told, mut lane) = lane(1000);
        let health = lane.health();
        lane.push(batch(10));
        lane.advance();
        lane.close();
        assert_eq!(health.lock().unwrap().dropped_records, 1);
        assert_eq!(told.tries_again.load(Ordering::Relaxed), 1);
    }
}
