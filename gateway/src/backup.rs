//! Backups: all that a gateway keeps in its data directory as one tar, made while it serves, and put into an empty directory again.
//!
//! ```text
//! POST /backup -> Backups::make -> copies of both stores in DATA/backup.draft/ -> tar, chunk by chunk -> `route-switch backup` -> a file
//! a file -> `route-switch restore` -> DIR/restore.draft/ -> manifest checked -> DIR
//! ```
//!
//! The stores are copied by their own engines, each as of one moment, the examples first: each example in a backup has its request
//! there. What else is kept is small, and replaced whole whenever it changes.
//!
//! **Invariant**: what is not whole is not restored. The manifest is the last entry, and tells the length and digest of every file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod archive;
mod contents;
mod copies;
mod making;
pub mod restore;
#[cfg(test)]
mod tests;

pub use making::{Backup, Backups, Error};

/// Where the admin port gives one.
pub const PATH: &str = "/backup";
/// The manifest's name in the tar.
const MANIFEST: &str = "route-switch-backup.json";
/// Of the manifest and of what it says of the files.
const FORMAT: u32 = 1;

/// The last entry of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    format: u32,
    /// What made it.
    pub(crate) about: About,
    /// All other entries, by path.
    files: BTreeMap<String, Listed>,
}

/// Where a backup comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Of the program `route-switch`.
    pub version: String,
    pub duckdb: String,
    /// RFC 3339.
    pub created: String,
    /// None without a fleet.
    pub pod: Option<String>,
}

/// What is known of a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    bytes: u64,
    /// Hexadecimal.
    sha256: String,
}
