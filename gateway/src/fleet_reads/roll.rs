//! Who belongs to the fleet: the highest ordinal that was ever seen, which is kept, and the ordinals of those who can be reached.
//! A fleet's ordinals count from 0, so that one that is not heard of is known to be missing.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::analytics::system::Pods;

const FILE: &str = "fleet-ordinals.json";
/// What is above it is not believed: each ordinal below a highest one that is silent is named.
const MOST: u32 = 1023;

pub(super) struct Roll {
    known: Mutex<Known>,
    file: Arc<File>,
}

#[derive(Default)]
struct Known {
    highest: u32,
    by_address: HashMap<SocketAddr, u32>,
}

/// Where the highest ordinal is kept.
pub(super) struct File {
    path: PathBuf,
    /// What is to be written next, or was last; held while it is.
    highest: Mutex<u32>,
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
        let highest = kept.unwrap_or_default().min(MOST).max(own);
        let known = Known {
            highest,
            ..Known::default()
        };
        Self {
            known: Mutex::new(known),
            file: Arc::new(File {
                path,
                highest: Mutex::new(kept.unwrap_or_default()),
            }),
        }
    }

    pub(super) fn highest(&self) -> u32 {
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
    pub(super) fn saw(&self, address: Option<SocketAddr>, ordinal: u32, highest: u32) -> Option<Arc<File>> {
        if ordinal.max(highest) > MOST {
            tracing::warn!(ordinal, highest, "a sibling's ordinal is above {MOST}; it is not noted");
            return None;
        }
        let mut known = self.known();
        if let Some(address) = address {
            known.by_address.insert(address, ordinal);
        }
        known.highest = known.highest.max(ordinal).max(highest);
        let mut kept = self.file.highest.try_lock().ok()?;
        let is_new = known.highest > *kept;
        *kept = known.highest.max(*kept);
        is_new.then(|| Arc::clone(&self.file))
    }

    /// All that are known of, by whether they answered. Those that `failed` and are nobody's ordinal are told by address.
    pub(super) fn pods(&self, answered: &BTreeSet<u32>, failed: &[SocketAddr]) -> Pods {
        let known = self.known();
        let silent = (0..=known.highest).filter(|ordinal| !answered.contains(ordinal));
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
        if let Err(error) = replace(&self.path, *highest) {
            tracing::warn!(file = %self.path.display(), %error, "failed to keep the highest ordinal of the fleet");
        }
    }
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
        roll.saw(Some(address("10.0.0.1:1")), 2, 0).unwrap().write();
        assert!(roll.saw(Some(address("10.0.0.1:1")), 2, 2).is_none(), "nothing is new");
        assert_eq!(pods(&roll, &[0], &["10.0.0.1:1"]), ("0".into(), "1 2".into()));
        let again = Roll::open(data.path(), 0);
        assert_eq!(pods(&again, &[0, 2], &[]), ("0 2".into(), "1".into()));
        // Others may have seen more.
        again.saw(None, 1, 3).unwrap().write();
        assert_eq!(Roll::open(data.path(), 1).highest(), 3);
    }

    #[test]
    fn who_failed_and_is_no_known_ordinal_is_told_by_address() {
        let data = tempdir().unwrap();
        let roll = Roll::open(data.path(), 0);
        assert_eq!(pods(&roll, &[0], &["10.0.0.1:1"]), ("0".into(), "10.0.0.1:1".into()));
        roll.saw(Some(address("10.0.0.2:1")), 1, 1);
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
    fn what_is_not_believed_changes_nothing_and_a_broken_file_is_as_none() {
        let data = tempdir().unwrap();
        let roll = Roll::open(data.path(), 1);
        assert!(roll.saw(Some(address("10.0.0.1:1")), 1, MOST + 1).is_none());
        assert_eq!((roll.highest(), roll.ordinal(address("10.0.0.1:1"))), (1, None));
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(Roll::open(data.path(), 1).highest(), 1);
    }
}
