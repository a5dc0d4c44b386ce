//! What waits to be taken up by the stores, and the room that it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::record::Record;

/// Records in one batch at most. So many, with what they point to, are still in the processor's cache when they are taken up; and the memory
/// that they give back is there as well when the next ones need it.
pub(super) const BATCH_RECORDS: usize = 1024;

/// A record, and whether its content had to be left out.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub record: Record,
    /// The Route captures content, but the queue had no room for it.
    pub content_dropped: bool,
}

/// Bytes that records may hold on to until they are stored.
#[derive(Debug)]
pub(super) struct Room {
    capacity_bytes: usize,
    held_bytes: AtomicUsize,
}

/// Records that are taken up together.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
    /// When its first record came.
    opened: Option<Instant>,
    room: Arc<Room>,
}

/// Room for what was taken up, which nothing refuses any more.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(capacity_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity_bytes,
            held_bytes: AtomicUsize::new(0),
        })
    }

    /// False when there is no room for `bytes`.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.take_within(bytes, self.capacity_bytes)
    }

    /// As [`Self::take`], for a record with content: only while less than a sixth of the room is held, so that bodies that wait take little
    /// memory, and never so that less than an eighth is left: one body may be as large as all that, and may not crowd out figures.
    pub(super) fn take_for_content(&self, bytes: usize) -> bool {
        self.held_bytes() < self.capacity_bytes / 6
            && self.take_within(bytes, self.capacity_bytes - self.capacity_bytes / 8)
    }

    fn take_within(&self, bytes: usize, limit_bytes: usize) -> bool {
        let held = self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limit_bytes;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// What takes more goes on without waiting for the timer. As many records without content as a batch may have take less.
    pub(super) fn group_bytes(&self) -> usize {
        self.capacity_bytes / 12
    }
}

impl Batch {
    /// An empty batch in the memory of an earlier one.
    pub(super) fn new(room: &Arc<Room>, memory: Vec<Entry>) -> Self {
        Self {
            entries: memory,
            bytes: 0,
            opened: None,
            room: Arc::clone(room),
        }
    }

    /// Adds an entry for which `bytes` of room were taken.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.opened.get_or_insert_with(Instant::now);
        self.entries.push(entry);
        self.bytes += bytes;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_RECORDS || self.bytes >= self.room.group_bytes()
    }

    pub(super) fn opened(&self) -> Option<Instant> {
        self.opened
    }

    /// The entries, when the first of them came, and their room: who keeps anything of them holds room of its own.
    pub(super) fn into_parts(mut self) -> (Vec<Entry>, Instant, Held) {
        let held = Held {
            room: Arc::clone(&self.room),
            bytes: std::mem::take(&mut self.bytes),
        };
        let opened = self.opened.unwrap_or_else(Instant::now);
        (std::mem::take(&mut self.entries), opened, held)
    }
}

impl Held {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds so much from here on.
    pub(super) fn set(&mut self, bytes: usize) {
        self.room.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.room.give_back(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_waits_only_while_little_does_and_figures_have_the_rest_of_the_room() {
        let room = Room::new(4_800);
        assert!(room.take(799) && room.take_for_content(3_401), "one body may be large");
        assert!(!room.take_for_content(1), "a second one does not wait behind it");
        assert!(room.take(600) && !room.take(1));
        room.give_back(4_001);
        assert!(!room.take_for_content(3_402) && room.take_for_content(1));
    }
}
