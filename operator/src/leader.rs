//! Who of the operators writes.

use std::convert::Infallible;

use tokio::sync::mpsc;

/// Whether this process may push and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    Standby,
    Leader {
        /// `leaseTransitions` of the Lease: what it pushes is above everything of a lower epoch.
        epoch: u64,
    },
}

/// Held by whatever only a leader does: its Lease is handed back when all are dropped.
#[derive(Clone, Debug)]
pub struct Work {
    _held: mpsc::Sender<Infallible>,
}

/// A handle to share among what only a leader does, and what waits for it.
pub fn work() -> (Work, mpsc::Receiver<Infallible>) {
    let (held, waiting) = mpsc::channel(1);
    (Work { _held: held }, waiting)
}
