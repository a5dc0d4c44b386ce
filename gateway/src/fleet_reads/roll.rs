//! Who belongs to the fleet: the highest ordinal that was ever seen, which is kept, and the ordinals of those who can be reached.
//! A fleet's ordinals count from 0, so that one that is not heard of is known to be missing.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::analytics::system::Pods;

pub(crate) const FILE: &str = "fleet-ordinals.json";
/// A larger one counts nothing: a `StatefulSet` has no so many pods, and each ordinal below the highest that is silent is named.
const MOST: u32 = 1023;

pub(super) struct Roll {
    known: Mutex<Known>,
    file: Arc<File>,
}

#[derive(Default)]
struct Known {
    highest: Option<u32>,
    by_address: HashMap<SocketAddr, u32>,
}

/// Where the highest ordinal is kept.
pub(super) struct File {
    path: PathBuf,
    /// What is to be written next, or was last; held while it is.
    highest: Mutex<Option<u32>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    highest_ordinal: u32,
}

impl Roll {
    /// Reads what was kept in `data`; a file that cannot be read is told and is as none.
    pub(super) fn open(data: &Path, own: u32) -> Self {
        let path = data.join(FILE);
        let kept = read(&path).unwrap_or_else(|error| {
            tracing::warn!(file = %path.display(), %error, "the highest ordinal of the fleet is not known any more; it is learnt again");
            None
        });
        let highest = counting([kept, Some(own)]);
        let known = Known {
            highest,
            ..Known::default()
        };
        Self {
            known: Mutex::new(known),
            file: Arc::new(File {
                path,
                highest: Mutex::new(kept),
            }),
        }
    }

    pub(super) fn highest(&self) -> Option<u32> {
        self.known().highest
    }

    pub(super) fn ordinal(&self, address: SocketAddr) -> Option<u32> {
        self.known().by_address.get(&address).copied()
    }

    /// Forgets who was at other addresses.
    pub(super) fn keep_only(&self, addresses: &[SocketAddr]) {
        self.known().by_address.retain(|known, _| addresses.contains(known));
    }

    /// Notes who said something, and the highest that it knows of. What is new has to be written to the file.
    pub(super) fn saw(&self, address: Option<SocketAddr>, ordinal: u32, highest: Option<u32>) -> Option<Arc<File>> {
        let mut known = self.known();
        if let Some(address) = address {
            known.by_address.insert(address, ordinal);
        }
        known.highest = known.highest.max(counting([Some(ordinal), highest]));
        let mut kept = self.file.highest.try_lock().ok()?;
        let is_new = known.highest > *kept;
        *kept = known.highest.max(*kept);
        is_new.then(|| Arc::clone(&self.file))
    }

    /// All that are known of, by whether they answered. Those that `failed` and are nobody's ordinal are told by address.
    pub(super) fn pods(&self, answered: &BTreeSet<u32>, failed: &[SocketAddr]) -> Pods {
        let known = self.known();
        let ordinals = known.highest.map(|highest| 0..=highest).into_iter().flatten();
        let silent = ordinals.filter(|ordinal| !answered.contains(ordinal));
        let mut missing: Vec<String> = silent.map(|ordinal| ordinal.to_string()).collect();
        if failed.len() > missing.len() {
            let nameless = failed.iter().filter(|address| !known.by_address.contains_key(*address));
            missing.extend(nameless.map(ToString::to_string));
        }
        Pods {
            answered: answered.iter().map(ToString::to_string).collect(),
            missing,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    /// Blocks. A failure is told: the ordinal is learnt again after a restart.
    pub(super) fn write(&self) {
        let highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        let written = highest.map_or(Ok(()), |highest| replace(&self.path, highest));
        if let Err(error) = written {
            tracing::warn!(file = %self.path.display(), %error, "failed to keep the highest ordinal of the fleet");
        }
    }
}

/// The highest of those that count.
fn counting(ordinals: [Option<u32>; 2]) -> Option<u32> {
    ordinals.into_iter().flatten().filter(|ordinal| *ordinal <= MOST).max()
}

fn read(path: &Path) -> io::Result<Option<u32>> {
    match std::fs::read(path) {
        Ok(text) => {
            let document: Document = serde_json::from_slice(&text)?;
            Ok(Some(document.highest_ordinal))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All of the new text, or all of the old.
fn replace(path: &Path, highest_ordinal: u32) -> io::Result<()> {
    let text = serde_json::to_vec(&Document { highest_ordinal })?;
    let fresh = path.with_extension("json.new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn pods(roll: &Roll, answered: &[u32], failed: &[&str]) -> (String, String) {
        let failed: Vec<SocketAddr> = failed.iter().map(|text| address(text)).collect();
        let pods = roll.pods(&answered.iter().copied().collect(), &failed);
        (pods.answered.join(" "), pods.missing.join(" "))
    }

    #[test]
    fn one_that_was_seen_is_missing_from_then_on_also_after_a_restart() {
        let data = tempdir().unwrap();
        let roll = Roll::open(data.path(), 0);
        assert_eq!(pods(&roll, &[0], &[]), ("0".into(), String::new()));
        roll.saw(Some(address("10.0.0.1:1")), 2, Some(0)).unwrap().write();
        assert!(
            roll.saw(Some(address("10.0.0.1:1")), 2, Some(2)).is_none(),
            "nothing is new"
        );
        assert_eq!(pods(&roll, &[0], &["10.0.0.1:1"]), ("0".into(), "1 2".into()));
        let again = Roll::open(data.path(), 0);
        assert_eq!(pods(&again, &[0, 2], &[]), ("0 2".into(), "1".into()));
        // Others may have seen more.
        again.saw(None, 1, Some(3)).unwrap().write();
        assert_eq!(Roll::open(data.path(), 1).highest(), Some(3));
    }

    #[test]
    fn who_failed_and_is_no_known_ordinal_is_told_by_address() {
        let data = tempdir().unwrap();
        let roll = Roll::open(data.path(), 0);
        assert_eq!(pods(&roll, &[0], &["10.0.0.1:1"]), ("0".into(), "10.0.0.1:1".into()));
        roll.saw(Some(address("10.0.0.2:1")), 1, None);
        // Most likely it is the one that is missing.
        assert_eq!(pods(&roll, &[0], &["10.0.0.1:1"]), ("0".into(), "1".into()));
        assert_eq!(
            pods(&roll, &[0, 1], &["10.0.0.1:1"]),
            ("0 1".into(), "10.0.0.1:1".into())
        );
        roll.keep_only(&[address("10.0.0.1:1")]);
        assert_eq!(roll.ordinal(address("10.0.0.2:1")), None);
    }

    #[test]
    fn a_number_that_is_no_ordinal_makes_nobody_missing_and_a_broken_file_is_as_none() {
        let data = tempdir().unwrap();
        let roll = Roll::open(data.path(), 70_000);
        assert!(roll.saw(Some(address("10.0.0.1:1")), 80_000, Some(80_000)).is_none());
        assert_eq!(roll.highest(), None);
        let told = pods(&roll, &[70_000, 80_000], &[]);
        assert_eq!(told, ("70000 80000".into(), String::new()));
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(Roll::open(data.path(), 1).highest(), Some(1));
    }
}
