//! Signatures of thinking: what an answer signs, a later request must bring back unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The signature of this thinking.
pub(super) fn of(thinking: &str) -> String {
    STANDARD.encode(Sha256::digest(format!("thought by the simulator: {thinking}")))
}
