//! What is sent to the pods: sealed and serialized once, shared by all of them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use crds::{
    fleet::{
        self, MAX_SNAPSHOT_BYTES, Order, Push,
        key::{FleetKeys, KeyId},
    },
    snapshot::Snapshot,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::spawn_blocking;

/// A Snapshot that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to seal {0}")]
    Seal(#[from] fleet::Error),
    #[error("failed to serialize the Snapshot: {0}")]
    Serialize(#[from] serde_json::Error),
    #[error(
        "the Snapshot has {0} bytes, and a gateway takes {MAX_SNAPSHOT_BYTES}; delete PromptRevisions, or shorten prompts"
    )]
    TooLarge(usize),
    #[error("serializing the Snapshot was cut off")]
    CutOff,
}

/// The bodies of one push, by the key that its credentials are sealed with.
#[derive(Debug)]
pub(super) struct Bodies {
    order: Order,
    snapshot: Arc<Snapshot>,
    /// Or why there is none.
    by_key: BTreeMap<KeyId, Result<Bytes, String>>,
}

impl Bodies {
    pub(super) fn new(order: Order, snapshot: Arc<Snapshot>) -> Self {
        Self {
            order,
            snapshot,
            by_key: BTreeMap::new(),
        }
    }

    /// Made once.
    pub(super) async fn get(
        &mut self,
        keys: &Arc<FleetKeys>,
        key: &KeyId,
        random: &mut StdRng,
    ) -> Result<Bytes, String> {
        if let Some(body) = self.by_key.get(key) {
            return body.clone();
        }
        let body = self.make(keys.clone(), key.clone(), StdRng::from_rng(random)).await;
        let body = body.map_err(|error| error.to_string());
        self.by_key.insert(key.clone(), body.clone());
        body
    }

    /// Off the runtime: it takes milliseconds.
    async fn make(&self, keys: Arc<FleetKeys>, key: KeyId, mut random: StdRng) -> Result<Bytes, Error> {
        let (order, snapshot) = (self.order, self.snapshot.clone());
        let made = spawn_blocking(move || {
            let snapshot = Arc::unwrap_or_clone(snapshot);
            let push = Push::seal(order, snapshot, &keys, &key, || random.random())?;
            let body = serde_json::to_vec(&push)?;
            if body.len() > MAX_SNAPSHOT_BYTES {
                return Err(Error::TooLarge(body.len()));
            }
            Ok(Bytes::from(body))
        });
        made.await.map_err(|_| Error::CutOff)?
    }
}
