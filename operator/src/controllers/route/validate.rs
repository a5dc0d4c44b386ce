//! What is wrong with a Route although it is accepted: none of its targets can be used.

use crds::{
    compiler::{Condition, Diagnostic},
    snapshot::RouteEntry,
};

use crate::controllers::validate::Finding;

/// A Route without a target stays with the pods, which answer 503 in its name. With no other target than such of weight 0, there is still traffic.
pub(super) fn idle(entry: &RouteEntry, diagnostics: &[Diagnostic]) -> Option<Finding> {
    if entry.targets.iter().any(|target| target.resolved) {
        return None;
    }
    let first = diagnostics
        .iter()
        .find(|diagnostic| diagnostic.condition == Condition::ResolvedRefs);
    let reason = first.map_or_else(|| "NoTarget".to_owned(), |first| format!("{:?}", first.reason));
    Some(Finding::bad(reason, "none of its targets can be used"))
}
