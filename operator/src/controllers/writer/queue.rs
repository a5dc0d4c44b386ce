//! What waits to be written, and until when. Pure: it is told the time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::controllers::write::{Key, Write};

/// Between two statuses of one object.
const PACE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// At most one entry for each key of the plan.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: BTreeMap<Key, Entry>,
    /// When statuses were last written, for as long as that matters.
    written: BTreeMap<Key, Instant>,
}

#[derive(Debug)]
struct Entry {
    write: Arc<Write>,
    /// Since when there is something to write.
    since: Instant,
    /// After a failure.
    not_before: Instant,
    failures: u32,
    is_running: bool,
    /// It is in the newest plan.
    is_wanted: bool,
}

impl Entry {
    fn new(write: Arc<Write>, now: Instant) -> Self {
        Self {
            write,
            since: now,
            not_before: now,
            failures: 0,
            is_running: false,
            is_wanted: true,
        }
    }
}

impl Queue {
    /// A new plan. What says the same as before keeps its place, and its time.
    pub(super) fn take(&mut self, plan: &[Arc<Write>], now: Instant) {
        self.written.retain(|_, written| now < *written + PACE);
        for entry in self.entries.values_mut() {
            entry.is_wanted = false;
        }
        for write in plan {
            match self.entries.get_mut(&write.key()) {
                None => drop(self.entries.insert(write.key(), Entry::new(Arc::clone(write), now))),
                Some(entry) => {
                    entry.is_wanted = true;
                    entry.take(write);
                }
            }
        }
        self.entries.retain(|_, entry| entry.is_wanted || entry.is_running);
    }

    /// The next write that is due; it runs from now on.
    pub(super) fn start(&mut self, now: Instant) -> Option<Arc<Write>> {
        let written = &self.written;
        let due = self.entries.iter_mut().filter(|(_, entry)| !entry.is_running);
        let (_, entry) = due
            .map(|(key, entry)| (entry.due(written.get(key)), entry))
            .filter(|(due, _)| *due <= now)
            .min_by_key(|(due, _)| *due)?;
        entry.is_running = true;
        Some(Arc::clone(&entry.write))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.entries.iter().filter(|(_, entry)| !entry.is_running);
        waiting.map(|(key, entry)| entry.due(self.written.get(key))).min()
    }

    /// A write has ended; says how often it has failed in a row.
    pub(super) fn end(&mut self, write: &Arc<Write>, is_done: bool, now: Instant) -> u32 {
        let key = write.key();
        if matches!(**write, Write::Status(_)) {
            self.written.insert(key.clone(), now);
        }
        let Some(entry) = self.entries.get_mut(&key) else {
            return 0;
        };
        entry.is_running = false;
        if !is_done {
            entry.not_before = now
                + FIRST_RETRY
                    .saturating_mul(1 << entry.failures.min(16))
                    .min(LONGEST_RETRY);
            entry.failures = entry.failures.saturating_add(1);
        }
        let failures = entry.failures;
        if !entry.is_wanted || (is_done && Arc::ptr_eq(&entry.write, write)) {
            self.entries.remove(&key);
        } else if is_done {
            *entry = Entry::new(Arc::clone(&entry.write), now);
        }
        failures
    }
}

impl Entry {
    fn take(&mut self, write: &Arc<Write>) {
        if write.repeats(&self.write) {
            if !self.is_running {
                self.write = Arc::new(with_times_of(write, &self.write));
            }
            return;
        }
        self.write = Arc::clone(write);
    }

    fn due(&self, written: Option<&Instant>) -> Instant {
        let paced = written.map_or(self.since, |written| *written + PACE);
        (self.since + self.write.urgency().patience())
            .max(self.not_before)
            .max(paced)
    }
}

/// The newer write with the status of the earlier one: a condition has flipped when that was first seen.
fn with_times_of(write: &Write, earlier: &Write) -> Write {
    let mut write = write.clone();
    if let (Write::Status(write), Write::Status(earlier)) = (&mut write, earlier) {
        write.status = earlier.status.clone();
    }
    write
}

#[cfg(test)]
mod tests;
