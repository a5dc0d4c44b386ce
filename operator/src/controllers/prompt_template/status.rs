//! What the status of a `PromptTemplate` says beside conditions and pods: which revisions it comes to.

use crds::snapshot::PromptEntry;

use crate::controllers::stored::Details;

pub(super) fn details(entry: Option<&PromptEntry>) -> Details<'_> {
    Details::PromptTemplate {
        spec_revision: entry.map(|entry| &*entry.spec_revision),
        active_revision: entry.map(|entry| &*entry.active_revision),
    }
}
