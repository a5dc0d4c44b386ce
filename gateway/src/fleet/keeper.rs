//! The thread that writes the file of the last known good Snapshot. A push is answered before it is written: at most one second of
//! pushes is lost when the machine dies, siblings and the operator have them, and no push waits for a disk.
//!
//! Written are what the pod took last and what it serves in the place of what it refuses, each sealed under the newest fleet key.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
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
    sender: Sender<Keep>,
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

impl Keeper {
    pub(super) fn start(fleet: Arc<Fleet>, path: PathBuf) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("last-known-good".to_owned())
            .spawn(move || run(&fleet, &path, &receiver))?;
        Ok(Self { sender, thread })
    }

    /// Writes this soon, unless something newer comes before.
    pub(super) fn keep(&self, keep: Keep) {
        // It ends after this only.
        let _ = self.sender.send(keep);
    }

    /// Writes what is not written yet, and ends.
    pub(super) fn stop(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the last known good Snapshot had failed");
        }
    }
}

fn run(fleet: &Fleet, path: &Path, receiver: &Receiver<Keep>) {
    let mut pending: Option<Keep> = None;
    let mut due = Instant::now();
    let mut is_told = false;
    let mut try_write = |keep: &Keep| match write(path, keep) {
        Ok(()) => {
            fleet.has_kept(unix_millis());
            is_told = false;
            true
        }
        Err(error) => {
            if !is_told {
                tracing::warn!(file = %path.display(), %error, "failed to keep the last known good Snapshot; it is tried again");
            }
            is_told = true;
            false
        }
    };
    loop {
        let next = match &pending {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => receiver.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match (next, &pending) {
            (Ok(newer), _) => pending = Some(newer),
            (Err(RecvTimeoutError::Timeout), Some(keep)) => {
                due = Instant::now() + PAUSE;
                if try_write(keep) {
                    pending = None;
                }
            }
            (Err(RecvTimeoutError::Timeout), None) => {}
            (Err(RecvTimeoutError::Disconnected), _) => break,
        }
    }
    if let Some(keep) = &pending {
        try_write(keep);
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
