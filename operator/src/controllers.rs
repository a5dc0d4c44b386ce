//! What is said of each object, and what is made for it: statuses, `PromptRevisions`, Events.
//!
//! ```text
//! one object:   dereference -> validate -> build -> apply -> status -> difference -> Write
//!               (what concerns it) (verdict) (children) (compare) (conditions, pods)  |
//!                                                                        writer, bounded
//! ```
//!
//! Each kind has a folder with the steps in which it differs; what all share lies beside the folders: [`validate`] (diagnostics become a
//! verdict), [`reach`] (what the pods made of it) and [`status`] (both become conditions). Everything but [`writer`] is pure.
//!
//! **Invariant**: planning on what was written before gives nothing to write.
//! **Invariant**: neither a spec nor a label of an object that a person owns is written.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use crds::{
    compiler::{Compiled, Resources},
    fleet::digest::Digests,
    object::ObjectId,
};
use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;

use crate::publish::Fleet;
use ledger::Ledger;
use plan::Planner;
use write::Write;

pub use crate::cluster::Unreadable;
pub use writer::Identity;

mod difference;
mod ledger;
mod memory;
mod metadata;
mod notice;
mod plan;
mod prompt_revision;
mod prompt_template;
mod provider;
mod reach;
mod route;
mod status;
mod stored;
mod subject;
#[cfg(test)]
mod tests;
mod text;
mod validate;
mod write;
mod writer;

/// Everything that statuses are made of.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub resources: &'a Resources,
    /// The objects among them that could not be read.
    pub unreadable: &'a BTreeMap<ObjectId, Unreadable>,
    /// What came of `resources`.
    pub compiled: &'a Compiled,
    /// Of the compiled Snapshot.
    pub digests: &'a Digests,
    pub fleet: &'a Fleet,
    /// When the oldest watch event came that is first in `compiled`.
    pub changed: Instant,
    /// The moment of this view, on the clock of `changed`.
    pub at: Instant,
    /// The same moment for people.
    pub now: Timestamp,
}

/// What a leader says of the objects.
#[derive(Debug)]
pub struct Controllers {
    planner: Planner,
    plans: watch::Sender<Arc<Vec<Arc<Write>>>>,
}

impl Controllers {
    /// For as long as this process leads. The future writes what is planned, until it is dropped.
    pub fn new(client: Client, identity: Identity) -> (Self, impl Future<Output = ()> + Send) {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (plans, planned) = watch::channel(Arc::default());
        let writer = writer::Writer::new(client, identity, Arc::clone(&ledger));
        let controllers = Self {
            planner: Planner::new(ledger),
            plans,
        };
        (controllers, writer.run(planned))
    }

    /// Plans anew. To be called when anything in the view has changed.
    pub fn look(&mut self, view: &View<'_>) {
        let plan = self.planner.plan(view);
        self.plans.send_if_modified(|before| {
            let is_new = **before != plan;
            if is_new {
                *before = Arc::new(plan);
            }
            is_new
        });
    }
}
