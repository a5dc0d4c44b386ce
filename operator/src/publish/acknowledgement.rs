//! What each object comes to in the Snapshots that pods hold.

use std::{collections::VecDeque, sync::Arc};

use crds::{
    fleet::{
        Push,
        digest::{self, Digests},
        key::FleetKeys,
    },
    snapshot::Snapshot,
};

/// So many Snapshots are remembered. Pods that hold an older one are asked for it.
const REMEMBERED: usize = 16;

/// The digests of the Snapshots that were pushed or read last, by revision: equal revisions are equal Snapshots.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(VecDeque<(String, Arc<Digests>)>);

impl Ledger {
    pub(super) fn get(&self, revision: &str) -> Option<&Arc<Digests>> {
        let found = self.0.iter().find(|(remembered, _)| remembered == revision);
        found.map(|(_, digests)| digests)
    }

    pub(super) fn remember(&mut self, revision: &str, digests: Arc<Digests>) {
        self.0.retain(|(remembered, _)| remembered != revision);
        self.0.push_back((revision.to_owned(), digests));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }
}

/// A Snapshot that was read back, with those of its credentials that open.
pub(super) fn opened(push: &Push, keys: &FleetKeys) -> Snapshot {
    let mut snapshot = push.snapshot.clone();
    for (name, provider) in &mut snapshot.providers {
        match push.open(name, keys) {
            Ok(credentials) => provider.credentials = credentials,
            Err(error) => tracing::warn!("of what a pod holds, {error}"),
        }
    }
    snapshot
}

/// The digests of a Snapshot that was read back.
pub(super) fn digests(push: &Push, keys: &FleetKeys) -> Digests {
    digest::of(&opened(push, keys))
}
