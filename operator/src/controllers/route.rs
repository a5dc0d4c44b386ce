//! Routes. They have no children: there is nothing to build or apply.

pub(super) use dereference::dereference as subject;

mod dereference;
mod status;
mod validate;
