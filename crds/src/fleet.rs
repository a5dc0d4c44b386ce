//! What the operator and the gateway pods of a fleet say to each other: documents, keys, signatures. Pure: randomness and time are arguments.
//!
//! ```text
//! PUT  /fleet/snapshot   Push          -> PodReport      operator to pod; 200 also when some objects are refused
//! GET  /fleet/snapshot                 -> Push           operator (takeover) or sibling (start) from a pod; 404 when it has none
//! POST /fleet/heartbeat  Heartbeat     -> PodReport      operator to pod, every 5 s
//! ```
//!
//! On the admin port of a pod. Each request is signed ([`signature`]), and each answer but a 401. A pod answers 401 to what it cannot
//! verify, 409 to what is not above what it has, 422 to a Snapshot that it refuses whole, each with a [`Refusal`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    object::ObjectName,
    snapshot::{CredentialEntry, Snapshot},
};
use key::{FleetKeys, KeyId};
use seal::Sealed;

pub mod digest;
pub mod key;
pub mod seal;
pub mod signature;

/// Where Snapshots are put and read.
pub const SNAPSHOT_PATH: &str = "/fleet/snapshot";
/// Where the operator asks how a pod is.
pub const HEARTBEAT_PATH: &str = "/fleet/heartbeat";
/// The largest Snapshot that a pod takes, in bytes of JSON.
pub const MAX_SNAPSHOT_BYTES: usize = 64 * 1024 * 1024;

/// What orders Snapshots: a pod takes only what is above what it has. Compared by epoch, then sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order {
    /// `leaseTransitions` of the Lease under which it was pushed.
    pub epoch: u64,
    /// Counts the pushes within the epoch, from 1.
    pub sequence: u64,
}

/// A Snapshot on its way; also what a pod keeps as last known good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    pub order: Order,
    /// Its providers' credentials are apart, in `credentials`.
    pub snapshot: Snapshot,
    /// By Provider, in the order of its credentials.
    pub credentials: BTreeMap<ObjectName, Vec<SealedCredential>>,
}

/// A credential of a Provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedCredential {
    /// `secret/key`.
    pub name: String,
    pub weight: u32,
    pub sealed: Sealed,
}

/// Who a pod is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodIdentity {
    pub name: String,
    pub uid: String,
}

/// What the operator tells a pod with each heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The admin addresses (`IP:PORT`) of the other pods.
    pub siblings: Vec<String>,
}

/// What a pod says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    pub pod: PodIdentity,
    /// Of the Snapshot that it has; none when it has none.
    pub order: Option<Order>,
    pub revision: Option<String>,
    /// Objects of that Snapshot that it does not serve as they are there, as `Kind namespace/name`, each with its words.
    pub refused: BTreeMap<String, String>,
    /// The fleet keys that it holds, the newest first.
    pub key_ids: Vec<KeyId>,
    /// When its file of the last known good Snapshot was written.
    pub kept_unix_millis: Option<i64>,
}

/// Why a pod did not take what it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// In the pod's own words.
    pub message: String,
    /// What it has, when that is why.
    pub order: Option<Order>,
}

/// A credential could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[error("the credential {credential} of Provider {provider}: {source}")]
pub struct Error {
    pub provider: ObjectName,
    pub credential: String,
    pub source: seal::Error,
}

impl Push {
    /// Takes the credentials out of `snapshot` and seals them under the key `key` of `keys`. `nonce` gives a fresh random one at each call.
    pub fn seal(
        order: Order,
        mut snapshot: Snapshot,
        keys: &FleetKeys,
        key: &KeyId,
        mut nonce: impl FnMut() -> [u8; seal::NONCE_BYTES],
    ) -> Result<Self, Error> {
        let mut credentials = BTreeMap::new();
        for (provider, entry) in &mut snapshot.providers {
            let mut sealed = Vec::with_capacity(entry.credentials.len());
            for credential in std::mem::take(&mut entry.credentials) {
                let about = seal::about(provider, &entry.base_url, &credential.name);
                let text = credential.credential.expose();
                let text = seal::seal(keys, key, &about, text, nonce());
                let fault = |source| failed(provider, &credential, source);
                sealed.push(SealedCredential {
                    sealed: text.map_err(fault)?,
                    name: credential.name.clone(),
                    weight: credential.weight,
                });
            }
            if !sealed.is_empty() {
                credentials.insert(provider.clone(), sealed);
            }
        }
        Ok(Self {
            order,
            snapshot,
            credentials,
        })
    }

    /// Opens the credentials of one Provider. They belong to it and to its base URL: sealed for another, they do not open.
    pub fn open(&self, provider: &ObjectName, keys: &FleetKeys) -> Result<Vec<CredentialEntry>, Error> {
        let base_url = self
            .snapshot
            .providers
            .get(provider)
            .map_or("", |entry| &entry.base_url);
        let sealed = self.credentials.get(provider).map_or(&[][..], Vec::as_slice);
        let open = |entry: &SealedCredential| {
            let about = seal::about(provider, base_url, &entry.name);
            let opened = seal::open(keys, &about, &entry.sealed).map_err(|source| Error {
                provider: provider.clone(),
                credential: entry.name.clone(),
                source,
            })?;
            Ok(CredentialEntry {
                name: entry.name.clone(),
                weight: entry.weight,
                credential: opened,
            })
        };
        sealed.iter().map(open).collect()
    }
}

fn failed(provider: &ObjectName, credential: &CredentialEntry, source: seal::Error) -> Error {
    Error {
        provider: provider.clone(),
        credential: credential.name.clone(),
        source,
    }
}

#[cfg(test)]
mod tests;
