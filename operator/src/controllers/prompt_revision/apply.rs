//! The collector: revisions that nothing uses go, the oldest first, beyond what their template wants kept.

use std::{cmp::Reverse, collections::BTreeMap};

use crds::{object::ObjectName, prompt_revision::PromptRevision};

use super::dereference::{is_ours, used};
use crate::controllers::{View, ledger::Ledger, metadata::object, write::Write};

/// How many unused revisions are kept of a template that is gone, or does not say.
const KEPT: usize = 10;

/// The deletions that are due.
pub(in crate::controllers) fn apply(view: &View<'_>, ledger: &mut Ledger) -> Vec<Write> {
    let revisions = &view.resources.prompt_revisions;
    ledger.collected.retain(|name, uid| {
        let found = revisions.get(name).and_then(object);
        found.is_some_and(|revision| revision.metadata.uid.as_ref() == Some(uid))
    });
    let mut by_template: BTreeMap<ObjectName, Vec<(&ObjectName, &PromptRevision)>> = BTreeMap::new();
    for (name, revision) in revisions {
        let ours = object(revision).filter(|revision| is_ours(revision) && !ledger.collected.contains_key(name));
        if let Some(revision) = ours.filter(|revision| revision.metadata.deletion_timestamp.is_none()) {
            let template = ObjectName::new(&*name.namespace, &*revision.spec.template_name);
            by_template.entry(template).or_default().push((name, revision));
        }
    }
    by_template.retain(|template, revisions| revisions.len() > limit(view, template));
    if by_template.is_empty() {
        return Vec::new();
    }
    let used = used(view.resources, &view.compiled.snapshot);
    let mut writes = Vec::new();
    for (template, mut revisions) in by_template {
        revisions.retain(|(name, _)| !used.contains(*name));
        revisions.sort_by_key(|(name, revision)| Reverse((revision.metadata.creation_timestamp.clone(), *name)));
        let surplus = revisions.into_iter().skip(limit(view, &template));
        writes.extend(surplus.filter_map(|(name, revision)| deletion(name, revision)));
    }
    writes
}

/// How many unused revisions a template wants kept.
fn limit(view: &View<'_>, template: &ObjectName) -> usize {
    if let Some(prompt) = view.compiled.snapshot.prompts.get(template) {
        return prompt.revision_history_limit;
    }
    let declared = view.resources.prompt_templates.get(template).and_then(object);
    let limit = declared.and_then(|template| usize::try_from(template.spec.revision_history_limit?).ok());
    limit.unwrap_or(KEPT)
}

fn deletion(name: &ObjectName, revision: &PromptRevision) -> Option<Write> {
    Some(Write::Collect {
        name: name.clone(),
        uid: revision.metadata.uid.clone()?,
        version: revision.metadata.resource_version.clone()?,
    })
}
