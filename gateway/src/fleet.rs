//! A gateway in a fleet. The operator pushes Snapshots to its admin port, and it never asks for one; what it last took is kept in a
//! file, so that it starts again without anybody, or with what its siblings have.
//!
//! ```text
//! PUT /fleet/snapshot -> http (signature) -> Fleet::take -> holder (order, open, compose, resolve, one swap) -> answer
//!                                                              `-> keeper (file, soon after)
//! start: own file -> siblings, asked for a second -> ready; neither: asked again, until a push comes
//! ```
//!
//! **Invariant**: what is taken only rises in order, whoever it came from and whatever was restarted.
//! **Invariant**: credentials are written, and sent, sealed only.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use crds::fleet::{Order, PodIdentity, PodReport, key::FleetKeys, signature::Verifier};
use tokio::sync::{mpsc, oneshot, watch};

pub mod compose;
mod file;
pub mod held;
pub mod holder;
mod keeper;
pub mod keys;
mod order;
pub mod pod;
pub mod siblings;
pub mod start;

use held::Held;
use holder::Command;
use siblings::Siblings;

/// The file of what a pod took last, below the directory of its data.
pub const LAST_KNOWN_GOOD: &str = "fleet/last-known-good";
/// Of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Pushes that wait for their turn, each in memory; there is one operator, and at the start a few siblings.
const WAITING: usize = 4;

/// What the parts of a gateway share of its place in the fleet.
pub struct Fleet {
    pub pod: PodIdentity,
    /// In the ids of what it generates.
    pub ordinal: u32,
    pub siblings: Siblings,
    keys: Arc<ArcSwap<FleetKeys>>,
    verifier: Mutex<Verifier>,
    held: watch::Sender<Option<Arc<Held>>>,
    /// When the file was written; 0: there is none.
    kept_unix_millis: AtomicI64,
    /// The last try to write that file failed.
    fails_to_keep: AtomicBool,
    /// Why there is no Snapshot, for people.
    waiting: ArcSwap<String>,
    commands: mpsc::Sender<Command>,
}

/// Why a Snapshot was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error(
        "this pod has epoch {}, sequence {} and takes only what is above it; it was sent epoch {}, sequence {}",
        has.epoch, has.sequence, sent.epoch, sent.sequence
    )]
    NotAbove { has: Order, sent: Order },
    #[error("this gateway ({VERSION}) does not understand the Snapshot, and keeps what it has: {0}")]
    NotUnderstood(String),
    #[error("this pod is stopping, or has too many pushes before this one; send it again")]
    Busy,
}

impl Fleet {
    /// A place in the fleet, and what the holder of its Snapshot takes.
    pub fn new(
        pod: PodIdentity,
        keys: FleetKeys,
        names: Vec<siblings::Name>,
    ) -> Result<(Self, mpsc::Receiver<Command>), siblings::Error> {
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let (commands, taken) = mpsc::channel(WAITING);
        let fleet = Self {
            ordinal: pod::ordinal(&pod.name),
            siblings: Siblings::new(pod.uid.clone(), names, Arc::clone(&keys))?,
            pod,
            keys,
            verifier: Mutex::default(),
            held: watch::Sender::new(None),
            kept_unix_millis: AtomicI64::new(0),
            fails_to_keep: AtomicBool::new(false),
            waiting: ArcSwap::from_pointee("it is starting".to_owned()),
            commands,
        };
        Ok((fleet, taken))
    }

    /// Takes a Snapshot as it came over the wire, if it is above what this pod has. It is in use when this returns.
    pub async fn take(&self, body: Bytes) -> Result<(), NotTaken> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Take { body, reply };
        self.commands.try_send(command).map_err(|_| NotTaken::Busy)?;
        answer.await.unwrap_or(Err(NotTaken::Busy))
    }

    /// The Snapshot that it has.
    pub fn held(&self) -> Option<Arc<Held>> {
        self.held.borrow().clone()
    }

    /// The same, and a word of each that comes after.
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Held>>> {
        self.held.subscribe()
    }

    pub fn keys(&self) -> Arc<FleetKeys> {
        self.keys.load_full()
    }

    /// Checks who asks, and remembers it.
    pub fn verify(
        &self,
        header: Option<&str>,
        request: crds::fleet::signature::Request<'_>,
    ) -> Result<(), crds::fleet::signature::Error> {
        let keys = self.keys();
        let mut verifier = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        verifier.verify(&keys, header, request, unix_millis())
    }

    /// What the pod says of itself.
    pub fn report(&self) -> PodReport {
        let held = self.held();
        let held = held.as_deref();
        PodReport {
            pod: self.pod.clone(),
            order: held.map(|held| held.order),
            revision: held.map(|held| held.revision.to_string()),
            refused: held.map_or_else(Default::default, |held| {
                let words = held.refused.iter();
                words
                    .map(|(object, words)| (object.to_string(), words.clone()))
                    .collect()
            }),
            key_ids: self.keys().ids(),
            kept_unix_millis: self.kept_unix_millis(),
        }
    }

    /// When the file of the last known good Snapshot was written.
    pub fn kept_unix_millis(&self) -> Option<i64> {
        Some(self.kept_unix_millis.load(Ordering::Relaxed)).filter(|millis| *millis != 0)
    }

    /// Whether the last try to write that file failed; it is tried again.
    pub fn fails_to_keep(&self) -> bool {
        self.fails_to_keep.load(Ordering::Relaxed)
    }

    /// Why it has no Snapshot.
    pub fn waiting(&self) -> Arc<String> {
        self.waiting.load_full()
    }

    fn waits_for(&self, words: String) {
        self.waiting.store(Arc::new(words));
    }

    fn has_kept(&self, unix_millis: i64) {
        self.kept_unix_millis.store(unix_millis, Ordering::Relaxed);
        self.fails_to_keep.store(false, Ordering::Relaxed);
    }

    fn has_not_kept(&self) {
        self.fails_to_keep.store(true, Ordering::Relaxed);
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub fn unix_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
