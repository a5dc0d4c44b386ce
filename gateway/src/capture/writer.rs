//! The one thread that writes to the stores.

use std::sync::Arc;
use std::time::Duration;

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
            let Turn {
                batches,
                waiting,
                errands,
                last,
            } = self.inbox.next_turn(self.interval);
            for mut batch in batches {
                batch.entries.iter_mut().for_each(redact);
                let batch = Arc::new(batch);
                self.examples.push(Arc::clone(&batch));
                self.examples.advance();
                self.analytics.push(Arc::clone(&batch));
                self.analytics.advance();
                if let Some(stored) = Arc::into_inner(batch) {
                    self.inbox.give_back(stored.into_memory());
                }
                self.keep_within_budget();
            }
            // Also without a batch: what failed may be due for another try.
            self.examples.advance();
            self.analytics.advance();
            for waiting in waiting {
                // Whoever waited may have left.
                let _ = waiting.send(());
            }
            for errand in errands {
                self.run_errand(errand);
            }
            if last {
                break;
            }
            self.tend(&mut tended_unix_micros);
            self.keep_within_budget();
        }
        self.examples.close();
        self.analytics.close();
    }

    fn tend(&mut self, tended_unix_micros: &mut Option<i64>) {
        let now = (self.clock)();
        let is_due = tended_unix_micros
            .is_none_or(|tended| u128::try_from(now - tended).unwrap_or(u128::MAX) >= self.tend_interval.as_micros());
        if is_due {
            *tended_unix_micros = Some(now);
            self.examples.with_store(|store| store.tend(now));
            self.analytics.with_store(|store| store.tend(now));
            self.examples.measure();
            self.analytics.measure();
        }
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
