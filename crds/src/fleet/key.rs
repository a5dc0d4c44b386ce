//! The fleet key: one secret of 32 bytes that the operator and all pods share, and the keys that are derived from it.

use std::fmt;

use ring::hkdf;
use serde::{Deserialize, Serialize};

/// Length of a fleet key, in bytes.
pub const BYTES: usize = 32;
/// Hexadecimal digits of a [`KeyId`].
const ID_DIGITS: usize = 8;

/// The name of a fleet key: derived from it, and telling nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// One fleet key. HKDF-SHA-256 (RFC 5869) derives a key for each use.
#[derive(Clone, PartialEq, Eq)]
pub struct FleetKey {
    id: KeyId,
    sealing: [u8; BYTES],
    authentication: [u8; BYTES],
}

/// The keys that are valid now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetKeys {
    pub current: FleetKey,
    /// The one before; it still verifies and opens.
    pub previous: Option<FleetKey>,
}

/// A text that is no fleet key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fleet key has {BYTES} bytes; this one has {0}")]
pub struct Error(usize);

impl FleetKey {
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        if secret.len() != BYTES {
            return Err(Error(secret.len()));
        }
        let id = derive(secret, b"id");
        let mut digits = crate::compiler::sha256_hex(&id);
        digits.truncate(ID_DIGITS);
        Ok(Self {
            id: KeyId(digits),
            sealing: derive(secret, b"sealing"),
            authentication: derive(secret, b"authentication"),
        })
    }

    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn sealing(&self) -> &[u8; BYTES] {
        &self.sealing
    }

    pub(super) fn authentication(&self) -> &[u8; BYTES] {
        &self.authentication
    }
}

impl FleetKeys {
    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &FleetKey> {
        std::iter::once(&self.current).chain(self.previous.as_ref())
    }

    pub fn get(&self, id: &KeyId) -> Option<&FleetKey> {
        self.iter().find(|key| key.id == *id)
    }

    /// The newest first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.iter().map(|key| key.id.clone()).collect()
    }
}

impl KeyId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for KeyId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FleetKey({})", self.id)
    }
}

fn derive(secret: &[u8], purpose: &[u8]) -> [u8; BYTES] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"routeswitch.io fleet key v1");
    let mut derived = [0; BYTES];
    salt.extract(secret)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut derived))
        .expect("HKDF-SHA-256 gives 32 bytes");
    derived
}
