//! The thread that writes the file of the last known good Snapshot. A push is answered before it is written: at most one second of
//! pushes is lost when the machine dies, siblings and the operator have them, and no push waits for a disk.
//!
//! Written are what the pod took last and what it serves in the place of what it refuses, each sealed under the newest fleet key.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use crds::{
    fleet::{Push, key::FleetKeys},
    snapshot::Snapshot,
};

use super::{
    Fleet, NotTaken, file,
    held::{self, Held},
    unix_millis,
};
use crate::config::resolved::Config;

/// Between the beginnings of two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// The running thread.
pub(super) struct Keeper {
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
}

/// What to write.
pub(super) struct Keep {
    pub(super) held: Arc<Held>,
    /// In use; it has the credentials.
    pub(super) config: Arc<Config>,
    pub(super) keys: Arc<FleetKeys>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Write(#[from] io::Error),
    #[error("{0}")]
    Seal(#[from] crds::fleet::Error),
    #[error("{0}")]
    Serialize(#[from] NotTaken),
}

/// Room for one thing to write: what a slow disk has not taken yet gives way to what is newer.
#[derive(Default)]
struct Slot {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Default)]
struct Next {
    keep: Option<Keep>,
    is_last: bool,
}

impl Keeper {
    pub(super) fn start(fleet: Arc<Fleet>, path: PathBuf) -> io::Result<Self> {
        let slot: Arc<Slot> = Arc::default();
        let taken = Arc::clone(&slot);
        let thread = thread::Builder::new()
            .name("last-known-good".to_owned())
            .spawn(move || run(&fleet, &path, &taken))?;
        Ok(Self { slot, thread })
    }

    /// Writes this soon, unless something newer comes before.
    pub(super) fn keep(&self, keep: Keep) {
        self.slot.next().keep = Some(keep);
        self.slot.changed.notify_one();
    }

    /// Writes what is not written yet, and ends.
    pub(super) fn stop(self) {
        self.slot.next().is_last = true;
        self.slot.changed.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the last known good Snapshot had failed");
        }
    }
}

impl Slot {
    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to write, and until `due`; says whether it is the last. None when there is nothing more.
    fn take(&self, due: Instant) -> Option<(Keep, bool)> {
        let mut next = self.next();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if next.is_last || left.is_zero() {
                let is_last = next.is_last;
                match next.keep.take() {
                    Some(keep) => return Some((keep, is_last)),
                    None if is_last => return None,
                    None => {}
                }
            }
            next = if next.keep.is_some() {
                let waited = self.changed.wait_timeout(next, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.changed.wait(next).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }
}

fn run(fleet: &Fleet, path: &Path, slot: &Slot) {
    let mut due = Instant::now();
    let mut is_told = false;
    while let Some((keep, is_last)) = slot.take(due) {
        due = Instant::now() + PAUSE;
        match write(path, &keep) {
            Ok(()) => {
                fleet.has_kept(unix_millis());
                is_told = false;
            }
            Err(error) => {
                fleet.has_not_kept();
                if !is_told {
                    tracing::warn!(file = %path.display(), %error, "failed to keep the last known good Snapshot; it is tried again");
                }
                is_told = true;
                if !is_last {
                    // What came meanwhile is newer.
                    slot.next().keep.get_or_insert(keep);
                }
            }
        }
    }
}

fn write(path: &Path, keep: &Keep) -> Result<(), Error> {
    let Keep { held, config, keys } = keep;
    let newest = keys.current.id();
    let push = if held.sealed_under.iter().all(|key| key == newest) {
        held.body.clone()
    } else {
        held::write(&held.sealed_anew(&config.snapshot, keys)?)?
    };
    let kept = if *held.kept == Snapshot::default() {
        Bytes::new()
    } else {
        let kept = Push::seal(held.order, (*held.kept).clone(), keys, newest, rand::random)?;
        held::write(&kept)?
    };
    Ok(file::write(path, &push, &kept)?)
}
