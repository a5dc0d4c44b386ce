//! From an offer to what is wanted: the guard against mass removal, and the order.

use std::time::{Duration, Instant};

use super::Reign;
use crate::publish::{Offer, Removal, Takeover, body::Bodies, errand};

/// How long a fresh list of everything may take, and the pause before the next one where it did not confirm a removal.
const CONFIRMATION: Duration = Duration::from_secs(5);
/// So many changes at most are timed at once.
const MOST_TIMED: usize = 1_024;

/// How far the question is whether a mass removal is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    Unasked,
    /// This is the number of the question.
    Asked(u64),
    /// It was not confirmed; it is asked again then.
    Denied(Instant),
}

impl Reign<'_> {
    /// Makes the newest offer what is wanted, unless it has to wait.
    pub(super) fn consider(&mut self) {
        let Some(offer) = self.waiting.take() else { return };
        let revision = &offer.snapshot.revision;
        if self
            .offer
            .as_ref()
            .is_some_and(|wanted| wanted.snapshot.revision == *revision)
        {
            self.held = None;
            if !self.wave.is_complete() {
                self.time(offer.changed);
            }
            return;
        }
        if self.is_held(&offer) {
            self.waiting = Some(offer);
            return;
        }
        let Some(order) = self.orders.next() else {
            self.waiting = Some(offer);
            return;
        };
        tracing::debug!(
            epoch = order.epoch,
            sequence = order.sequence,
            revision,
            "a new Snapshot"
        );
        // What was read back has been taken over by now.
        self.outputs.takeover.send_if_modified(|takeover| {
            *takeover = Takeover::Done(None);
            false
        });
        self.wave.want(order, revision, offer.digests.clone(), Instant::now());
        self.bodies = Some(Bodies::new(order, offer.snapshot.clone()));
        self.baseline = Some(offer.digests.clone());
        self.confirmation = Confirmation::Unasked;
        self.time(offer.changed);
        self.offer = Some(offer);
    }

    fn time(&mut self, changed: Instant) {
        if self.wave.has_counted() && self.timed.len() < MOST_TIMED {
            self.timed.push(changed);
        }
    }

    /// Whether it would remove so much that a fresh list has to confirm it first.
    fn is_held(&mut self, offer: &Offer) -> bool {
        let baseline = self.baseline.as_deref();
        let removal = baseline.and_then(|baseline| Removal::between(baseline, &offer.digests));
        if let Some(removal) = removal.filter(|_| self.held.is_none()) {
            self.metrics.held_removals.inc();
            let Removal { dropped, of } = removal;
            tracing::warn!(dropped, of, "a mass removal waits for a fresh list of all objects");
        }
        self.held = removal;
        if removal.is_none() {
            return false;
        }
        let asks = match self.confirmation {
            Confirmation::Unasked => true,
            Confirmation::Denied(until) => Instant::now() >= until,
            Confirmation::Asked(_) => false,
        };
        if asks {
            self.questions += 1;
            self.confirmation = Confirmation::Asked(self.questions);
            let question = (self.confirm_removal)();
            self.tasks
                .spawn(errand::confirm(self.questions, question, CONFIRMATION));
        }
        true
    }

    pub(super) fn confirmed(&mut self, question: u64, is_real: bool) {
        if self.confirmation != Confirmation::Asked(question) {
            return;
        }
        if is_real {
            tracing::info!("the fresh list confirms the removal");
            self.confirmation = Confirmation::Unasked;
            self.held = None;
            self.baseline = None;
        } else {
            tracing::warn!("the fresh list does not confirm the removal; it is asked again in 5 s");
            self.confirmation = Confirmation::Denied(Instant::now() + CONFIRMATION);
        }
    }
}
