//! How two revisions differ: their YAML, line by line.

use crds::prompt_revision::PromptRevision;
use similar::TextDiff;

use super::Error;

/// Lines around each difference.
const CONTEXT: usize = 3;

/// A unified diff; says so where there is no difference.
pub(super) fn compare(old: &PromptRevision, new: &PromptRevision) -> Result<String, Error> {
    let name = |revision: &PromptRevision| revision.metadata.name.clone().unwrap_or_default();
    let (before, after) = (text(old)?, text(new)?);
    if before == after {
        return Ok(format!("{} and {} say the same\n", name(old), name(new)));
    }
    let diff = TextDiff::from_lines(&before, &after);
    let mut unified = diff.unified_diff();
    Ok(unified
        .context_radius(CONTEXT)
        .header(&name(old), &name(new))
        .to_string())
}

/// What counts for the digest.
fn text(revision: &PromptRevision) -> Result<String, Error> {
    let (_, entry) = crds::compiler::revision_entry(revision);
    Ok(serde_yaml::to_string(&*entry.content)?)
}
