//! What waits to be stored, and the room that it takes. Room is given back when the last store has let go of a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::record::Record;
use crate::analytics::GROUP_ROWS;

/// Records in one batch at most: one transaction in each store. A full batch is a whole group of rows of the store of analytics.
pub(super) const BATCH_RECORDS: usize = GROUP_ROWS;

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

/// Records that are stored together.
#[derive(Debug)]
pub(super) struct Batch {
    pub entries: Vec<Entry>,
    pub bytes: usize,
    room: Arc<Room>,
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

    /// A batch past this is stored without waiting for the timer. As many records without content as a batch may have are less.
    pub(super) fn batch_bytes(&self) -> usize {
        self.capacity_bytes / 12
    }
}

impl Batch {
    /// An empty batch in the memory of an earlier one.
    pub(super) fn new(room: &Arc<Room>, memory: Vec<Entry>) -> Self {
        Self {
            entries: memory,
            bytes: 0,
            room: Arc::clone(room),
        }
    }

    /// Adds an entry for which `bytes` of room were taken.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.entries.push(entry);
        self.bytes += bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_RECORDS || self.bytes >= self.room.batch_bytes()
    }

    /// The emptied memory, to be used again; the room is given back.
    pub(super) fn into_memory(mut self) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        entries
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
