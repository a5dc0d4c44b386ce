//! Events: what people should hear of when it happens. Only changes are told.

use std::collections::BTreeMap;

use crds::{
    object::{Kind, ObjectId},
    status::{ACCEPTED, READY},
};

use super::{
    View,
    reach::{Reach, State},
    status::Desired,
    stored::Stored,
    text,
    validate::words,
    write::About,
};

/// The longest note of an Event, in bytes.
const LONGEST_NOTE: usize = 1000;

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) reason: String,
    pub(super) note: String,
    /// What was being done.
    pub(super) action: &'static str,
}

impl Notice {
    pub(super) fn new(reason: impl Into<String>, note: &str, action: &'static str) -> Self {
        Self {
            reason: reason.into(),
            note: text::bounded(note, LONGEST_NOTE).into_owned(),
            action,
        }
    }
}

/// What is worth an Event when a status changes: an object is no longer accepted, or a pod begins to refuse it.
pub(super) fn notices(stored: &Stored<'_>, desired: &Desired<'_>, reach: &Reach<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(accepted) = desired.finding(ACCEPTED).filter(|finding| finding.is_false())
        && stored
            .condition(ACCEPTED)
            .is_none_or(|before| before.reason != accepted.reason)
    {
        notices.push(Notice::new(&*accepted.reason, &accepted.message, "Compile"));
    }
    let was_refused = stored.propagation.is_some_and(|propagation| propagation.refused > 0);
    if let Some(ready) = desired.finding(READY)
        && reach.has(State::Refused)
        && !was_refused
        && !reach.is_refused_for_another
    {
        notices.push(Notice::new("Refused", &ready.message, "Push"));
    }
    notices
}

/// What is wrong with objects that have no status, and with the operator's own work (under no id).
pub(super) fn problems(view: &View<'_>) -> BTreeMap<Option<ObjectId>, (About, Notice)> {
    let without_status = view
        .compiled
        .diagnostics
        .iter()
        .filter(|(id, _)| has_no_status(id.kind));
    let faults = without_status.filter_map(|(id, diagnostics)| {
        let reason = format!("{:?}", diagnostics.first()?.reason);
        let note = text::joined(diagnostics.iter().map(words), LONGEST_NOTE);
        let about = About::Object {
            id: id.clone(),
            uid: view.metadata(id).and_then(|metadata| metadata.uid.clone()),
        };
        Some((Some(id.clone()), (about, Notice::new(reason, &note, "Compile"))))
    });
    let removal = view.fleet.held.map(|removal| {
        let note = format!(
            "{} of {} objects are gone at once; the gateway pods keep them until a fresh list of all kinds confirms it",
            removal.dropped, removal.of
        );
        (None, (About::Operator, Notice::new("MassRemoval", &note, "Push")))
    });
    faults.chain(removal).collect()
}

fn has_no_status(kind: Kind) -> bool {
    match kind {
        Kind::PromptRevision | Kind::Secret => true,
        Kind::Provider | Kind::PromptTemplate | Kind::Route | Kind::ConfigMap => false,
    }
}
