//! What is remembered of an object between two plans: since when it is on its way, and which generation of it was good.

use std::time::Instant;

use super::{
    reach::Reach,
    status::History,
    stored::Stored,
    subject::{Standing, Subject},
};

/// Of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// As it was last desired.
    digest: Option<String>,
    /// When the change came that is not at all pods yet.
    changed: Option<Instant>,
    took_millis: Option<i64>,
    /// The generation of what is in the Snapshot.
    served: Option<i64>,
    /// The plan that saw it last.
    pub(super) turn: u64,
}

/// When a view came to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) turn: u64,
    /// When the newest change came.
    pub(super) changed: Instant,
    pub(super) at: Instant,
}

impl Memory {
    /// The generation of what is in the Snapshot. What was good before this process looked stands in the status.
    pub(super) fn served(&mut self, subject: &Subject<'_>, stored: &Stored<'_>) -> Option<i64> {
        self.served = match subject.standing {
            Standing::Absent => None,
            Standing::Fresh => subject.metadata.generation,
            Standing::Stale => self
                .served
                .or_else(|| stored.propagation.and_then(|propagation| propagation.generation)),
        };
        self.served
    }

    /// Takes the object as it is now. Of the first plan's objects it is not known when they changed.
    pub(super) fn note(
        &mut self,
        digest: Option<&str>,
        stored: &Stored<'_>,
        reach: &Reach<'_>,
        moment: Moment,
    ) -> History {
        let is_first_plan = moment.turn == 1;
        let is_new = self.turn == 0;
        if self.digest.as_deref() != digest {
            self.digest = digest.map(str::to_owned);
            self.took_millis = None;
            self.changed = (digest.is_some() && !(is_new && is_first_plan)).then_some(moment.changed);
        }
        self.turn = moment.turn;
        if reach.is_complete()
            && let Some(changed) = self.changed.take()
        {
            let took = moment.at.saturating_duration_since(changed);
            self.took_millis = i64::try_from(took.as_millis()).ok();
        }
        let told = stored
            .propagation
            .filter(|propagation| propagation.revision.as_deref() == digest && digest.is_some())
            .and_then(|propagation| propagation.propagation_millis);
        History {
            served: self.served,
            took_millis: self.took_millis.or(told),
        }
    }
}
