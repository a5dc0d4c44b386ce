//! The room that waits for records: how much of it is taken, and by what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::record::Record;

/// How long nothing may find a place before that is the fault of a store, and not of much that came at once.
const BURST_NANOS: u64 = 1_000_000_000;

/// Bytes that records may hold on to until they are stored.
#[derive(Debug)]
pub(super) struct Room {
    capacity_bytes: usize,
    held_bytes: AtomicUsize,
    /// Part of them: what records with content hold.
    content_bytes: AtomicUsize,
    epoch: Instant,
    /// Since when no content finds a place, in nanoseconds since `epoch`; 0 when it does.
    refusing_nanos: AtomicU64,
}

/// How much of the room something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub bytes: usize,
    /// Part of them: what records with content take.
    pub content_bytes: usize,
}

/// What content finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    /// More came at once than may wait.
    Taken,
    /// None has been free for a second: the store does not keep up, or fails.
    Blocked,
}

/// Room for what was taken up, which nothing refuses any more.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    load: Load,
}

impl Load {
    pub(crate) fn of_figures(bytes: usize) -> Self {
        Self {
            bytes,
            content_bytes: 0,
        }
    }

    pub(crate) fn of_content(bytes: usize) -> Self {
        Self {
            bytes,
            content_bytes: bytes,
        }
    }

    /// Of a record.
    pub(super) fn of(record: &Record, bytes: usize) -> Self {
        match record.content {
            Some(_) => Self::of_content(bytes),
            None => Self::of_figures(bytes),
        }
    }
}

impl Room {
    pub(super) fn new(capacity_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity_bytes,
            held_bytes: AtomicUsize::new(0),
            content_bytes: AtomicUsize::new(0),
            epoch: Instant::now(),
            refusing_nanos: AtomicU64::new(0),
        })
    }

    /// False when there is no room for `bytes`.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.take_within(bytes, self.capacity_bytes)
    }

    /// Whether content may wait now: only while less than a sixteenth of the room is held by such as does, so that bodies that wait take little
    /// memory. Figures that wait, of a store that fails, say, are no obstacle.
    fn has_place_for_content(&self) -> bool {
        self.content_bytes.load(Ordering::Relaxed) < self.capacity_bytes / 16
    }

    /// What content that may come finds.
    pub(super) fn place_for_content(&self, now: Instant) -> Place {
        if self.has_place_for_content() {
            if self.refusing_nanos.load(Ordering::Relaxed) != 0 {
                self.refusing_nanos.store(0, Ordering::Relaxed);
            }
            return Place::Free;
        }
        let now = u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        let begin = self
            .refusing_nanos
            .compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed);
        match begin {
            Err(since) if now.saturating_sub(since) >= BURST_NANOS => Place::Blocked,
            Ok(_) | Err(_) => Place::Taken,
        }
    }

    /// As [`Self::take`], for a record with content; and never so that less than an eighth is left: one body may be as large as all that, and
    /// may not crowd out figures.
    pub(super) fn take_for_content(&self, bytes: usize) -> bool {
        let takes =
            self.has_place_for_content() && self.take_within(bytes, self.capacity_bytes - self.capacity_bytes / 8);
        if takes {
            self.content_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        takes
    }

    fn take_within(&self, bytes: usize, limit_bytes: usize) -> bool {
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limit_bytes;
        if !fits {
            self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    pub(super) fn give_back(&self, load: Load) {
        self.held_bytes.fetch_sub(load.bytes, Ordering::Relaxed);
        if load.content_bytes > 0 {
            self.content_bytes.fetch_sub(load.content_bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// What takes more than one of so many parts of the room goes on without waiting for the timer.
    pub(super) fn part_bytes(&self, parts: usize) -> usize {
        self.capacity_bytes / parts
    }
}

impl Held {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            load: Load::default(),
        }
    }

    /// Room that was taken.
    pub(super) fn of(room: &Arc<Room>, load: Load) -> Self {
        Self {
            room: Arc::clone(room),
            load,
        }
    }

    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// Holds so much from here on.
    pub(super) fn set(&mut self, load: Load) {
        self.room.held_bytes.fetch_add(load.bytes, Ordering::Relaxed);
        self.room.content_bytes.fetch_add(load.content_bytes, Ordering::Relaxed);
        self.room.give_back(self.load);
        self.load = load;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give_back(self.load);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn content_is_left_out_while_much_comes_at_once_and_lost_when_nothing_is_stored_for_a_second() {
        let room = Room::new(4_800);
        let begin = Instant::now();
        let places =
            |seconds: [u64; 4]| seconds.map(|seconds| room.place_for_content(begin + Duration::from_secs(seconds)));
        assert_eq!(places([0, 1, 2, 9]), [Place::Free; 4]);
        assert!(room.take_for_content(300));
        assert_eq!(
            places([10, 10, 11, 15]),
            [Place::Taken, Place::Taken, Place::Blocked, Place::Blocked]
        );
        room.give_back(Load::of_content(300));
        assert_eq!(places([16; 4]), [Place::Free; 4]);
        assert!(room.take_for_content(300));
        assert_eq!(places([17; 4]), [Place::Taken; 4], "it begins anew");
    }

    #[test]
    fn content_waits_only_while_little_does_and_figures_have_the_rest_of_the_room() {
        let room = Room::new(4_800);
        assert!(room.take(600) && room.take_for_content(299), "figures are no obstacle");
        assert!(room.take_for_content(3_301), "one body may be large");
        assert!(
            !room.has_place_for_content() && !room.take_for_content(1),
            "a second one does not wait behind it"
        );
        assert!(room.take(600) && !room.take(1));
        room.give_back(Load::of_content(3_301));
        assert!(room.has_place_for_content() && !room.take_for_content(2_702) && room.take_for_content(1));
        assert!(!room.has_place_for_content());
    }
}
