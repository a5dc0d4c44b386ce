//! The content hash of a Snapshot.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::snapshot::Snapshot;

/// Hexadecimal digits of a revision.
const DIGITS: usize = 16;

/// SHA-256 as 64 lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The revision of `snapshot`, whatever its `revision` says now. A credential counts by its hash, since it does not serialize.
pub(super) fn of(snapshot: &Snapshot) -> String {
    let mut content = serde_json::to_value(snapshot).expect("a Snapshot has string keys and finite numbers only");
    content["revision"] = Value::Null;
    for (name, provider) in &snapshot.providers {
        for (index, entry) in provider.credentials.iter().enumerate() {
            content["providers"][name.to_string()]["credentials"][index]["credential"] =
                sha256_hex(entry.credential.expose().as_bytes()).into();
        }
    }
    let mut text = String::new();
    canonical(&content, &mut text);
    let mut revision = sha256_hex(text.as_bytes());
    revision.truncate(DIGITS);
    revision
}

/// JSON with sorted keys, whether or not some other crate makes `serde_json` keep their order.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, field) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(field, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
