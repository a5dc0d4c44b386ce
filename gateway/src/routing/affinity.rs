//! Sessions that stay at one target, without remembering any.
//!
//! Weighted rendezvous hashing: each target has a score from the session's hash and its own, and the highest one that takes
//! requests serves. Every gateway finds the same target for a session, sessions are shared out by weight, and when a target
//! fails only its own sessions move, each to its second choice, and come back when it has recovered.

use sha2::{Digest, Sha256};

/// What a request's session, or client key, hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity(u64);

/// What a target brings along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    hash: u64,
    weight: u32,
}

impl Affinity {
    pub fn of(session: &[u8]) -> Self {
        Self(hash(session))
    }
}

impl Seat {
    pub(super) fn new(target: &str, weight: u32) -> Self {
        Self {
            hash: hash(target.as_bytes()),
            weight,
        }
    }

    /// The higher, the closer.
    pub(super) fn score(self, affinity: Affinity) -> f64 {
        -f64::from(self.weight) / unit(mix(self.hash ^ affinity.0)).ln()
    }
}

/// The same in every gateway of every version, which the standard library's hashers do not promise.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The finish of SplitMix64: each bit of the result depends on every bit of the value.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Between 0 and 1, both excluded.
#[expect(clippy::cast_precision_loss, reason = "52 bits fit a 64-bit float")]
fn unit(value: u64) -> f64 {
    ((value >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}
