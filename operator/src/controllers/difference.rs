//! Whether a status must be written, and how soon.
//!
//! One edit makes one write: as long as pods have not answered, it waits a little. What a restart of a pod changes waits until that is over,
//! so that a restart writes nothing; and mere numbers wait for minutes, or for something else that must be written.

use std::time::Duration;

use crds::status::{ACCEPTED, ConditionStatus, PROGRAMMED, PodBehind, Propagation, READY, RESOLVED_REFS};

use super::{
    reach::{Reach, State},
    status::{Desired, TYPES},
    stored::Stored,
    validate::Finding,
};

/// How soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    Now,
    /// Something is wrong with it, and the pods may be about to answer as well.
    Wave,
    /// It is well, and the pods have not answered yet.
    Rollout,
    /// When a restart would be over.
    Restart,
    /// Only numbers changed.
    Quiet,
}

impl Urgency {
    /// How long the same is to be said before it is written.
    pub(super) fn patience(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Wave => Duration::from_secs(1),
            Self::Rollout => Duration::from_secs(3),
            Self::Restart => Duration::from_secs(10),
            Self::Quiet => Duration::from_mins(5),
        }
    }
}

/// What is new in `desired`; nothing when it is what is stored.
pub(super) fn difference(stored: &Stored<'_>, desired: &Desired<'_>, reach: &Reach<'_>) -> Option<Urgency> {
    let nothing = Propagation::default();
    let before = stored.propagation.unwrap_or(&nothing);
    if is_object_changed(stored, before, desired) {
        return Some(of_object(desired, reach));
    }
    if are_pods_changed(stored, before, desired) {
        return Some(of_pods(stored, reach));
    }
    (*before != desired.propagation).then_some(Urgency::Quiet)
}

/// Whether something changed that is the object's own.
fn is_object_changed(stored: &Stored<'_>, before: &Propagation, desired: &Desired<'_>) -> bool {
    let after = &desired.propagation;
    let own = TYPES.iter().filter(|type_| !is_of_pods(type_));
    stored.observed_generation != desired.observed_generation
        || stored.details != desired.details
        || (&before.revision, before.generation) != (&after.revision, after.generation)
        || own.into_iter().any(|type_| !is_said(stored, desired, type_))
}

/// Whether pods made something else of it.
fn are_pods_changed(stored: &Stored<'_>, before: &Propagation, desired: &Desired<'_>) -> bool {
    let counted = |behind: &&PodBehind| behind.state != State::Starting.as_str();
    let of_pods = TYPES.iter().filter(|type_| is_of_pods(type_));
    of_pods.into_iter().any(|type_| !is_said(stored, desired, type_))
        || !before
            .behind
            .iter()
            .filter(counted)
            .eq(desired.propagation.behind.iter().filter(counted))
}

fn of_object(desired: &Desired<'_>, reach: &Reach<'_>) -> Urgency {
    let faults = [ACCEPTED, RESOLVED_REFS].map(|type_| desired.finding(type_).is_some_and(Finding::is_false));
    if !reach.has(State::Pending) {
        Urgency::Now
    } else if faults.contains(&true) || reach.has(State::Refused) || reach.has(State::Failed) {
        Urgency::Wave
    } else {
        Urgency::Rollout
    }
}

fn of_pods(stored: &Stored<'_>, reach: &Reach<'_>) -> Urgency {
    let was_ready = stored
        .condition(READY)
        .is_some_and(|ready| ready.status == ConditionStatus::True);
    if reach.has(State::Refused) {
        Urgency::Now
    } else if reach.counted == 0 && was_ready && reach.is_restarting {
        Urgency::Restart
    } else if reach.has(State::Pending) {
        // Nothing was sent that could be answered: the pod is new.
        Urgency::Restart
    } else if reach.has(State::Failed) {
        Urgency::Wave
    } else {
        Urgency::Now
    }
}

fn is_of_pods(type_: &str) -> bool {
    type_ == READY || type_ == PROGRAMMED
}

/// Whether what is stored says the same of one condition.
fn is_said(stored: &Stored<'_>, desired: &Desired<'_>, type_: &str) -> bool {
    match (stored.condition(type_), desired.finding(type_)) {
        (None, None) => true,
        (Some(condition), Some(finding)) => finding.is_said_by(condition, desired.observed_generation),
        _ => false,
    }
}
