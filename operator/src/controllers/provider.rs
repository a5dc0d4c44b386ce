//! Providers. They have no children, so that there is nothing to build or apply; the faults of their Secrets are theirs, since a Secret has
//! no status.

pub(super) use dereference::dereference as subject;

mod dereference;
mod status;
