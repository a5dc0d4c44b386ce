//! `PromptTemplates`, and the `PromptRevisions` that are made of their texts.

pub(super) use apply::apply as revisions;
pub(super) use dereference::dereference as subject;

mod apply;
mod build;
mod dereference;
mod status;
