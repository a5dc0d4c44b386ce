//! Which files of a data directory belong to a backup.

use std::fs;
use std::path::Path;

use crate::{analytics, capture, config::revisions, fleet, fleet_reads};

/// Copied by their engines; what lies under these names in a data directory is not whole while a gateway runs.
pub(super) const STORES: [&str; 2] = [capture::EXAMPLES_FILE, analytics::FILE];
/// Replaced whole whenever they change.
const SINGLE: [&str; 2] = [fleet::LAST_KNOWN_GOOD, fleet_reads::ORDINALS_FILE];

/// Whether this is the path of a file that a gateway keeps. No other is written or restored.
pub(super) fn is_known(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [revisions::DIRECTORY, namespace, file] => {
            is_name(namespace) && file.strip_suffix(".json").is_some_and(is_name)
        }
        _ => STORES.contains(&path) || SINGLE.contains(&path),
    }
}

/// The paths of what `data` holds beside the stores.
pub(super) fn small_files(data: &Path) -> Vec<String> {
    let mut paths = SINGLE.map(str::to_owned).to_vec();
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect::<Vec<_>>()
    };
    let revisions = data.join(revisions::DIRECTORY);
    for namespace in names(&revisions) {
        for file in names(&revisions.join(&namespace)) {
            paths.push(format!("{}/{namespace}/{file}", revisions::DIRECTORY));
        }
    }
    paths.retain(|path| is_known(path) && data.join(path).is_file());
    paths.sort_unstable();
    paths
}

/// A name of an object in Kubernetes, or of a namespace.
fn is_name(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(is_sign) && !text.starts_with('.')
}
