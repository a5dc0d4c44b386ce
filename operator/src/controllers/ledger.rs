//! What was written and has not come back through the watches yet, so that nothing is written twice meanwhile.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crds::object::{ObjectId, ObjectName};

use super::stored::Status;

/// After so long, what did not come back is written again: an apply that changes nothing costs nothing.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) statuses: BTreeMap<ObjectId, Applied>,
    /// Revisions that were made, and when.
    pub(super) kept: BTreeMap<ObjectName, Instant>,
    /// Revisions that were deleted: their uid.
    pub(super) collected: BTreeMap<ObjectName, String>,
    /// The newest problem that an Event told of, by object; of none, the operator's own.
    pub(super) noticed: BTreeMap<Option<ObjectId>, String>,
}

/// A status that was written.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// The version of the object that it was planned on.
    pub(super) base: String,
    /// The version that came of it.
    pub(super) version: String,
    pub(super) status: Status,
}

impl Applied {
    /// Whether a store that has `version` does not know of the write yet.
    pub(super) fn is_ahead_of(&self, version: &str) -> bool {
        let number = |version: &str| version.parse::<u64>().ok();
        version == self.base
            || number(version)
                .zip(number(&self.version))
                .is_some_and(|(held, written)| held < written)
    }
}

impl Ledger {
    /// Whether a revision was made so lately that the store need not have it.
    pub(super) fn has_kept(&self, name: &ObjectName, now: Instant) -> bool {
        let kept = self.kept.get(name);
        kept.is_some_and(|kept| now.saturating_duration_since(*kept) < FORGOTTEN)
    }
}
