//! What waits to be taken up by the stores.

use std::sync::Arc;
use std::time::Instant;

use super::record::Record;
use super::room::{Held, Load, Room};

/// Records in one batch at most. So many, with what they point to, are still in the processor's cache when they are taken up; and the memory
/// that they give back is there as well when the next ones need it.
pub(super) const BATCH_RECORDS: usize = 1024;
/// A batch takes no more than one of so many parts of the room, or little more: so many records without content take less.
const PARTS: usize = 32;

/// A record, and whether its content had to be left out.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub record: Record,
    /// The Route captures content, but the queue had no room for it.
    pub content_dropped: bool,
}

/// Records that are taken up together.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    load: Load,
    /// When its first record came.
    opened: Option<Instant>,
    room: Arc<Room>,
}

impl Batch {
    /// An empty batch in the memory of an earlier one.
    pub(super) fn new(room: &Arc<Room>, memory: Vec<Entry>) -> Self {
        Self {
            entries: memory,
            load: Load::default(),
            opened: None,
            room: Arc::clone(room),
        }
    }

    /// Adds an entry for which `bytes` of room were taken.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.opened.get_or_insert_with(Instant::now);
        let load = Load::of(&entry.record, bytes);
        self.load.bytes += load.bytes;
        self.load.content_bytes += load.content_bytes;
        self.entries.push(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_RECORDS || self.load.bytes >= self.room.part_bytes(PARTS)
    }

    pub(super) fn opened(&self) -> Option<Instant> {
        self.opened
    }

    /// The entries, when the first of them came, and their room: who keeps anything of them holds room of its own.
    pub(super) fn into_parts(mut self) -> (Vec<Entry>, Instant, Held) {
        let held = Held::of(&self.room, std::mem::take(&mut self.load));
        let opened = self.opened.unwrap_or_else(Instant::now);
        (std::mem::take(&mut self.entries), opened, held)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.room.give_back(self.load);
    }
}
