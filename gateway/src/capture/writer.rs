//! The one thread that writes to the stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::budget::Budget;
use super::inbox::{Inbox, Turn};
use super::lane::{Clock, Lane};
use super::redact::redact;
use super::store::Store;
use super::{Errand, Forgotten};

/// What the thread works on.
pub(super) struct Writer<E: Store, A: Store> {
    pub inbox: Arc<Inbox>,
    pub interval: Duration,
    pub tend_interval: Duration,
    pub clock: Clock,
    pub budget: Option<Budget>,
    pub examples: Lane<E>,
    pub analytics: Lane<A>,
}

impl<E: Store, A: Store> Writer<E, A> {
    /// Runs until the inbox is closed and everything in it was tried.
    pub(super) fn run(mut self) {
        let _departure = Departure(Arc::clone(&self.inbox));
        let mut tended_unix_micros = None;
        loop {
            let mut turn = self.next_turn();
            let mut has_written = false;
            for batch in std::mem::take(&mut turn.batches) {
                has_written |= self.take_up(batch);
            }
            if turn.is_awaited() {
                self.examples.settle();
                self.analytics.settle();
            } else {
                self.examples.settle_due(self.interval);
                self.analytics.settle_due(self.interval);
            }
            // Also without anything new: what failed may be due for another try.
            has_written |= self.advance();
            for waiting in turn.waiting {
                // Whoever waited may have left.
                let _ = waiting.send(());
            }
            for errand in turn.errands {
                self.run_errand(errand);
            }
            if turn.last {
                break;
            }
            if self.tend(&mut tended_unix_micros) || has_written {
                self.keep_within_budget();
            }
        }
        self.examples.close();
        self.analytics.close();
    }

    /// The next turn comes no later than when something that was gathered has waited for long enough.
    fn next_turn(&self) -> Turn {
        let now = Instant::now();
        let due = [self.examples.due(self.interval), self.analytics.due(self.interval)];
        let first = due.into_iter().flatten().min();
        let deadline = first.unwrap_or(now + self.interval).min(now + self.interval);
        self.inbox.next_turn(deadline, self.interval, first.is_some())
    }

    /// Each store takes what it keeps of a batch, and writes what it has gathered once that is enough: whether there was anything to write.
    fn take_up(&mut self, batch: Batch) -> bool {
        let (mut entries, opened, room) = batch.into_parts();
        entries.iter_mut().for_each(redact);
        self.analytics.gather(&mut entries, opened);
        // Not sooner: redaction takes its time. Not later: the bodies would be counted twice.
        self.examples.settle_before(room.load().content_bytes);
        drop(room);
        self.examples.gather(&mut entries, opened);
        entries.clear();
        self.inbox.give_back(entries);
        let has_written = self.advance();
        if has_written {
            self.keep_within_budget();
        }
        has_written
    }

    /// Whether there was anything to write.
    fn advance(&mut self) -> bool {
        let examples = self.examples.advance();
        let analytics = self.analytics.advance();
        examples || analytics
    }

    /// Whether it was time to.
    fn tend(&mut self, tended_unix_micros: &mut Option<i64>) -> bool {
        let now = (self.clock)();
        let is_due = tended_unix_micros
            .is_none_or(|tended| u128::try_from(now - tended).unwrap_or(u128::MAX) >= self.tend_interval.as_micros());
        if is_due {
            *tended_unix_micros = Some(now);
            self.examples.with_store(|store| store.tend(now));
            self.analytics.with_store(|store| store.tend(now));
            self.analytics.renew();
            self.examples.measure();
            self.analytics.measure();
        }
        is_due
    }

    fn keep_within_budget(&mut self) {
        if let Some(budget) = &self.budget {
            budget.keep(&mut self.examples, &mut self.analytics);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        let Errand { forget, sender } = errand;
        let forgotten = Forgotten {
            examples: self.examples.with_store(|store| store.forget(&forget)),
            requests: self.analytics.with_store(|store| store.forget(&forget)),
        };
        // Whoever waited may have left.
        let _ = sender.send(forgotten);
    }
}

/// However the thread ends, nobody waits for it for ever.
struct Departure(Arc<Inbox>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.close();
    }
}
