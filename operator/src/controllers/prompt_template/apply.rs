//! The `PromptRevisions` that must be made.

use super::build::build;
use crate::controllers::{View, ledger::Ledger, write::Write};

/// What there should be and is not, but for what was made a moment ago.
pub(in crate::controllers) fn apply(view: &View<'_>, ledger: &mut Ledger) -> Vec<Write> {
    let unkept = &view.compiled.unkept;
    ledger.kept.retain(|name, _| unkept.contains(name));
    let missing = unkept.iter().filter(|name| !ledger.has_kept(name, view.at));
    missing
        .filter_map(|name| build(view.compiled, name))
        .map(|revision| Write::Keep(Box::new(revision)))
        .collect()
}
