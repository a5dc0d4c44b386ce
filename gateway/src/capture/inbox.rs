//! Where the request path leaves records and the writer finds them. The lock is held for one push or one swap; it is never
//! held across an await or a disk write.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Errand;
use super::batch::{Batch, Entry};
use super::room::Room;

pub(super) struct Inbox {
    room: Arc<Room>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    full: Vec<Batch>,
    open: Batch,
    waiting: Vec<oneshot::Sender<()>>,
    errands: Vec<Errand>,
    /// The writer has taken batches that are not stored yet.
    writing: bool,
    closing: bool,
    closed: bool,
    /// Memory of a batch that was taken up, for the next one.
    spare: Vec<Entry>,
}

/// What the writer does next.
pub(super) struct Turn {
    pub batches: Vec<Batch>,
    /// To be told once all batches so far were tried.
    pub waiting: Vec<oneshot::Sender<()>>,
    /// To be done once all batches so far were tried.
    pub errands: Vec<Errand>,
    /// Nothing comes after this turn.
    pub last: bool,
}

impl Turn {
    /// Whether somebody waits until all batches so far were tried.
    pub(super) fn is_awaited(&self) -> bool {
        self.last || !self.waiting.is_empty() || !self.errands.is_empty()
    }
}

impl Inbox {
    pub(super) fn new(room: Arc<Room>) -> Self {
        let state = State {
            full: Vec::new(),
            open: Batch::new(&room, Vec::new()),
            waiting: Vec::new(),
            errands: Vec::new(),
            writing: false,
            closing: false,
            closed: false,
            spare: Vec::new(),
        };
        Self {
            room,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Takes an entry for which `bytes` of room were taken; false when nothing is taken any more. Wakes the writer only when
    /// a batch became full.
    pub(super) fn push(&self, entry: Entry, bytes: usize) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.open.push(entry, bytes);
        if state.open.is_full() {
            let memory = std::mem::take(&mut state.spare);
            let full = std::mem::replace(&mut state.open, Batch::new(&self.room, memory));
            state.full.push(full);
            drop(state);
            self.changed.notify_one();
        }
        true
    }

    /// What ends when everything pushed so far was tried; none when nothing is on its way.
    pub(super) fn barrier(&self) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        let idle = !state.writing && state.full.is_empty() && state.open.is_empty();
        if idle || state.closed {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push(sender);
        drop(state);
        self.changed.notify_one();
        Some(receiver)
    }

    /// Leaves an errand; dropped when nothing is taken any more.
    pub(super) fn ask(&self, errand: Errand) {
        let mut state = self.lock();
        if !state.closed {
            state.errands.push(errand);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Waits for a full batch, a barrier, an errand, the end, `deadline`, or until the first of what is here has waited for `interval`.
    /// `is_holding`: not all that the writer has taken is stored.
    pub(super) fn next_turn(&self, deadline: Instant, interval: Duration, is_holding: bool) -> Turn {
        let mut state = self.lock();
        state.writing = is_holding;
        let opened = state.open.opened();
        let deadline = opened.map_or(deadline, |opened| deadline.min(opened + interval));
        while !state.closing && state.full.is_empty() && state.waiting.is_empty() && state.errands.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.take(&mut state)
    }

    pub(super) fn begin_closing(&self) {
        self.lock().closing = true;
        self.changed.notify_one();
    }

    /// Nothing is taken from here on, and nobody waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        state.errands.clear();
        state.full.clear();
        state.open = Batch::new(&self.room, Vec::new());
    }

    pub(super) fn give_back(&self, memory: Vec<Entry>) {
        let mut state = self.lock();
        if state.spare.capacity() < memory.capacity() {
            state.spare = memory;
        }
    }

    /// The open batch stays to be filled while full ones keep the writer busy and nobody waits for it. What is in it has waited for less
    /// than those took to come.
    fn take(&self, state: &mut State) -> Turn {
        let mut batches = std::mem::take(&mut state.full);
        let may_wait = !batches.is_empty() && state.waiting.is_empty() && state.errands.is_empty() && !state.closing;
        if !may_wait && !state.open.is_empty() {
            let memory = std::mem::take(&mut state.spare);
            batches.push(std::mem::replace(&mut state.open, Batch::new(&self.room, memory)));
        }
        state.writing |= !batches.is_empty();
        let last = state.closing && batches.is_empty();
        state.closed |= last;
        Turn {
            batches,
            waiting: std::mem::take(&mut state.waiting),
            errands: std::mem::take(&mut state.errands),
            last,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
