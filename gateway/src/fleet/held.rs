//! The Snapshot that a pod has, as it came, and what the pod makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use crds::{
    fleet::{
        Order, Push,
        key::{FleetKeys, KeyId},
    },
    object::{Kind, ObjectId, ObjectName},
    snapshot::{Snapshot, VERSION},
};
use serde::Deserialize;

use super::NotTaken;

/// What a pod has.
pub struct Held {
    pub order: Order,
    pub revision: Arc<str>,
    /// The `Push` as it came: what a sibling or the operator reads from this pod.
    pub body: Bytes,
    /// The fleet keys that its credentials are sealed under.
    pub sealed_under: BTreeSet<KeyId>,
    /// Objects that are not served as they are there, each with why.
    pub refused: BTreeMap<ObjectId, String>,
    /// What is served in their place, credentials opened.
    pub kept: Arc<Snapshot>,
    /// Routes that serve with some of their targets and never were good.
    pub partial: BTreeSet<ObjectName>,
}

impl Held {
    /// Whether this Provider is not served as it is in the Snapshot.
    pub(super) fn refuses(&self, provider: &ObjectName) -> bool {
        let id = ObjectId {
            kind: Kind::Provider,
            name: provider.clone(),
        };
        self.refused.contains_key(&id)
    }

    /// The push with the credentials that are in use sealed under the newest key. Those that did not open stay as they are.
    pub(super) fn sealed_anew(&self, in_use: &Snapshot, keys: &FleetKeys) -> Result<Push, NotTaken> {
        let Push {
            order,
            mut snapshot,
            mut credentials,
        } = read(&self.body)?;
        credentials.retain(|name, _| self.refuses(name));
        for (name, entry) in &mut snapshot.providers {
            if let Some(used) = in_use.providers.get(name).filter(|_| !self.refuses(name)) {
                entry.credentials.clone_from(&used.credentials);
            }
        }
        let sealed = Push::seal(order, snapshot, keys, keys.current.id(), rand::random);
        let mut sealed = sealed.map_err(|error| NotTaken::NotUnderstood(error.to_string()))?;
        sealed.credentials.extend(credentials);
        Ok(sealed)
    }
}

/// As much of a push as its place in the order takes.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) order: Order,
    pub(super) snapshot: Named,
}

#[derive(Deserialize)]
pub(super) struct Named {
    version: u32,
    pub(super) revision: String,
}

impl Head {
    /// Reads a push without its objects.
    pub(super) fn read(body: &[u8]) -> Result<Self, NotTaken> {
        let head: Self = serde_json::from_slice(body).map_err(not_understood)?;
        match head.snapshot.version {
            VERSION => Ok(head),
            other => Err(NotTaken::NotUnderstood(format!(
                "it is of version {other}, and this gateway reads version {VERSION}"
            ))),
        }
    }
}

/// Reads a push whole.
pub(super) fn read(body: &[u8]) -> Result<Push, NotTaken> {
    let mut push: Push = serde_json::from_slice(body).map_err(not_understood)?;
    push.snapshot.share_terms();
    Ok(push)
}

/// A push as it goes over the wire.
pub(super) fn write(push: &Push) -> Result<Bytes, NotTaken> {
    Ok(serde_json::to_vec(push).map_err(not_understood)?.into())
}

/// The fleet keys that the credentials of a push are sealed under.
pub(super) fn sealed_under(push: &Push) -> BTreeSet<KeyId> {
    let credentials = push.credentials.values().flatten();
    credentials.map(|credential| credential.sealed.key_id.clone()).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_understood(error: serde_json::Error) -> NotTaken {
    NotTaken::NotUnderstood(error.to_string())
}
