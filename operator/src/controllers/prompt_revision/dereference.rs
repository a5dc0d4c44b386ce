//! Which revisions are in use, and which are ours.

use std::collections::BTreeSet;

use crds::{
    compiler::Resources, object::ObjectName, prompt_revision::PromptRevision, route::Route, snapshot::Snapshot,
};

use super::{MANAGED_BY, OPERATOR};
use crate::controllers::metadata::object;

/// The revisions that a prompt or a Route uses, or would if it were not for a fault.
pub(super) fn used(resources: &Resources, snapshot: &Snapshot) -> BTreeSet<ObjectName> {
    // What is wrong now may be mended as it stands.
    let templates = resources.prompt_templates.iter().filter_map(|(name, template)| {
        let pinned = object(template)?.spec.pinned_revision.as_ref()?;
        Some(ObjectName::new(&*name.namespace, &**pinned))
    });
    let routes = resources.routes.iter().flat_map(|(name, route)| {
        let pins = object(route).map(pins).unwrap_or_default();
        pins.into_iter().map(|(namespace, revision)| {
            let namespace = namespace.unwrap_or(&name.namespace);
            ObjectName::new(namespace, revision)
        })
    });
    let mut used = snapshot.used_revisions();
    used.extend(templates.chain(routes));
    used
}

/// Namespace and name of each revision that a Route pins.
fn pins(route: &Route) -> Vec<(Option<&str>, &str)> {
    let of_targets = route.spec.targets.iter().map(|target| &target.prompt_ref);
    let references = of_targets.chain([&route.spec.prompt_ref]);
    references
        .flatten()
        .filter_map(|reference| Some((reference.namespace.as_deref(), reference.revision.as_deref()?)))
        .collect()
}

/// Whether the operator made a revision and nobody else has a hand in it.
pub(super) fn is_ours(revision: &PromptRevision) -> bool {
    let metadata = &revision.metadata;
    let labels = metadata.labels.as_ref();
    let managers = metadata.managed_fields.as_deref().unwrap_or_default();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|label| label == OPERATOR)
        && !managers.is_empty()
        && managers.iter().all(|entry| entry.manager.as_deref() == Some(OPERATOR))
}
