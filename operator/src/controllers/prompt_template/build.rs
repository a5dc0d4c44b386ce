//! The `PromptRevisions` that there should be: those in the Snapshot that no object holds.

use crds::{
    compiler::{Compiled, revision_manifest},
    object::ObjectName,
    prompt_revision::PromptRevision,
};

use crate::controllers::prompt_revision::{MANAGED_BY, OPERATOR};

/// With our label, by which the collector knows what it may delete; without an owner, since a revision outlives its template.
pub(super) fn build(compiled: &Compiled, name: &ObjectName) -> Option<PromptRevision> {
    let mut revision = revision_manifest(name, compiled.snapshot.revisions.get(name)?);
    let labels = revision.metadata.labels.get_or_insert_default();
    labels.insert(MANAGED_BY.to_owned(), OPERATOR.to_owned());
    Some(revision)
}
