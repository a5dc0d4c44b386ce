//! The fleet key in its directory: a Secret as a cluster mounts it, with the files `current` and, while the key turns, `previous`.
//!
//! A mounted Secret changes by swapping a symbolic link, so that a look now and then, at two files of 32 bytes, is the simplest watch
//! that misses nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crds::fleet::key::{self, FleetKey, FleetKeys};
use tokio::time::MissedTickBehavior;

use super::{Fleet, holder::Command};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// The directory has no key to run with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read the fleet key {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a fleet key", path.display())]
    Malformed { path: PathBuf, source: key::Error },
}

/// Reads the keys that are there now.
pub fn read(directory: &Path) -> Result<FleetKeys, Error> {
    let current = read_one(directory.join("current"))?;
    let previous = match read_one(directory.join("previous")) {
        Ok(previous) => Some(previous).filter(|previous| *previous != current),
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(FleetKeys { current, previous })
}

fn read_one(path: PathBuf) -> Result<FleetKey, Error> {
    match fs::read(&path) {
        Ok(bytes) => FleetKey::new(&bytes).map_err(|source| Error::Malformed { path, source }),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Follows the directory for as long as the program runs. While there is no key to be read in it, those before go on.
pub async fn follow(fleet: Arc<Fleet>, directory: PathBuf) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_problem = String::new();
    loop {
        looks.tick().await;
        let looked_in = directory.clone();
        let Ok(keys) = tokio::task::spawn_blocking(move || read(&looked_in)).await else {
            return;
        };
        match keys {
            Ok(keys) => {
                last_problem.clear();
                if keys != *fleet.keys() {
                    tracing::info!(keys = ?keys.ids(), "the fleet key has turned");
                    fleet.keys.store(Arc::new(keys));
                    // The holder ends with the program only.
                    let _ = fleet.commands.send(Command::KeysChanged).await;
                }
            }
            Err(error) => {
                let problem = match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                if problem != last_problem {
                    tracing::warn!("{problem}; the fleet key from before goes on");
                    last_problem = problem;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_key_must_be_there_and_the_previous_one_may() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
        let missing = read(directory.path()).unwrap_err().to_string();
        assert!(missing.ends_with("/current"), "{missing}");
        put("current", &[1; 32]);
        let alone = read(directory.path()).unwrap();
        assert_eq!(alone.previous, None);
        put("previous", &[1; 32]);
        assert_eq!(read(directory.path()).unwrap(), alone, "twice the same key is one key");
        put("previous", &[2; 32]);
        assert_eq!(read(directory.path()).unwrap().ids().len(), 2);
        put("previous", &[2; 31]);
        let malformed = read(directory.path()).unwrap_err();
        assert!(matches!(malformed, Error::Malformed { .. }), "{malformed}");
    }
}
