//! What dereferencing gives of an object: all that its status is made of, and nothing else.

use crds::{compiler::Diagnostic, object::ObjectId};
use kube::core::ObjectMeta;

use super::{
    View,
    stored::{Details, Stored},
    validate::Finding,
};

/// An object of a kind that has a status.
#[derive(Clone, Debug)]
pub(super) struct Subject<'a> {
    pub(super) id: ObjectId,
    pub(super) metadata: &'a ObjectMeta,
    /// Its status in the store.
    pub(super) stored: Stored<'a>,
    pub(super) standing: Standing,
    /// Other objects that a pod may refuse in its stead.
    pub(super) parts: Vec<ObjectId>,
    /// What its status says beside conditions and pods.
    pub(super) details: Details<'a>,
    /// Why no traffic flows although the pods have it.
    pub(super) idle: Option<Finding>,
}

/// How an object stands in the Snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Absent,
    Fresh,
    /// As it last was good.
    Stale,
}

impl Standing {
    /// Of an entry, if there is one, by whether it is stale.
    pub(super) fn of(is_stale: Option<bool>) -> Self {
        match is_stale {
            None => Self::Absent,
            Some(false) => Self::Fresh,
            Some(true) => Self::Stale,
        }
    }
}

impl<'a> View<'a> {
    /// What is wrong with an object.
    pub(super) fn diagnostics(&self, id: &ObjectId) -> &'a [Diagnostic] {
        self.compiled.diagnostics.get(id).map_or(&[], Vec::as_slice)
    }
}
