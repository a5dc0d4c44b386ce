//! `PromptRevisions`: those that nothing uses are collected. They have no status; what is wrong with one, an Event tells.

pub(super) use apply::apply as collect;

mod apply;
mod dereference;

/// The label of what the operator made.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The operator, as its label and as the field manager of what it makes.
pub(super) const OPERATOR: &str = "route-switch-operator";
