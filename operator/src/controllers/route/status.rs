//! What the status of a Route says beside conditions and pods: where its requests go.

use std::borrow::Cow;

use crds::{
    snapshot::{RouteEntry, TargetEntry},
    status::TargetStatus,
};

use crate::controllers::stored::Details;

/// The targets in use, with the revisions of their prompts.
pub(super) fn details(namespace: &str, entry: Option<&RouteEntry>) -> Details<'static> {
    let targets = entry.map_or(&[][..], |entry| &entry.targets);
    let used = targets.iter().filter(|target| target.resolved);
    Details::Route {
        targets: Cow::Owned(used.map(|used| target(namespace, used)).collect()),
    }
}

fn target(namespace: &str, target: &TargetEntry) -> TargetStatus {
    let revision = target.prompt.as_ref().and_then(|prompt| prompt.revision.as_ref());
    TargetStatus {
        name: target.name.clone(),
        prompt_revision: revision.map(|revision| {
            if *revision.namespace == *namespace {
                revision.name.to_string()
            } else {
                revision.to_string()
            }
        }),
    }
}
