//! The content hash of a Snapshot.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::{fleet::digest::Digests, snapshot::VERSION};

/// Hexadecimal digits of a revision.
const DIGITS: usize = 16;

/// SHA-256 as 64 lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The revision of a Snapshot whose objects come to these digests. Objects and their digests are all there is in one.
pub(super) fn of(digests: &Digests) -> String {
    let mut hash = Sha256::new();
    hash.update(VERSION.to_be_bytes());
    for (object, digest) in digests {
        // Neither names nor digests can hold a newline.
        hash.update(format!("{object} {digest}\n"));
    }
    let mut revision = hex(&hash.finalize());
    revision.truncate(DIGITS);
    revision
}
