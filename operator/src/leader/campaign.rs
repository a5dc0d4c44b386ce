//! Who leads, decided from what was seen of the Lease and when it was seen. Pure: time is an argument.
//!
//! Times in the Lease are for people. A candidate waits for a whole lease from when it saw the last change, by its own clock; a leader
//! stops [`GIVE_UP`] after it *sent* the last write that succeeded, by its own clock. So the two never overlap, whatever their clocks
//! say, unless one runs half as fast again as the other.
//!
//! A Lease that is gone counts as one that was changed: who knew one waits for a whole lease before it makes another, in which time a
//! leader that lives has made it anew. A process that starts just then knows of none and begins at once; the pods' order and the
//! conflict that the old leader meets within seconds settle it.

use std::time::{Duration, Instant};

/// How long a Lease that is not renewed keeps others out.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// How often a leader renews.
pub(super) const RENEW: Duration = Duration::from_secs(5);
/// When a leader that cannot renew stops.
pub(super) const GIVE_UP: Duration = Duration::from_secs(10);

/// The Lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) holder: Option<String>,
    pub(super) epoch: u64,
    /// Another one with each write.
    pub(super) version: String,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Wait,
    /// Read the Lease.
    Look,
    /// Make a Lease where none was seen.
    Create {
        epoch: u64,
    },
    /// Write over the Lease that was seen.
    Write {
        epoch: u64,
    },
}

/// One replica's view of the election.
#[derive(Debug)]
pub(super) struct Campaign {
    identity: String,
    seen: Option<Seen>,
    /// Whether what was seen is fresh enough to act on.
    is_fresh: bool,
    held: Option<Held>,
    highest_epoch: Option<u64>,
}

#[derive(Debug)]
struct Seen {
    record: Option<Record>,
    /// When it was first seen to be so.
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: u64,
    /// When the last write that succeeded was sent.
    renewed: Instant,
}

impl Campaign {
    /// `identity` is another one for each process, so that a restarted one does not take its Lease back under the old epoch.
    pub(super) fn new(identity: String) -> Self {
        Self {
            identity,
            seen: None,
            is_fresh: false,
            held: None,
            highest_epoch: None,
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// Notes what was read.
    pub(super) fn saw(&mut self, record: Option<Record>, now: Instant) {
        if let Some(record) = &record {
            self.highest_epoch = self.highest_epoch.max(Some(record.epoch));
        }
        let is_ours = |record: &Record| record.holder.as_deref() == Some(&*self.identity);
        if record.as_ref().is_some_and(|record| !is_ours(record)) {
            self.held = None;
        }
        if self.seen.as_ref().is_none_or(|seen| seen.record != record) {
            self.seen = Some(Seen { record, since: now });
        }
        self.is_fresh = true;
    }

    /// Notes what was written by this process: sent at `sent`, answered at `now`.
    pub(super) fn wrote(&mut self, record: Record, sent: Instant, now: Instant) {
        self.held = Some(Held {
            epoch: record.epoch,
            renewed: sent,
        });
        self.saw(Some(record), now);
    }

    /// What to do now. A candidate looks before it acts; a leader acts on what it wrote last.
    pub(super) fn decide(&mut self, now: Instant) -> Action {
        if let Some(held) = self.held {
            let record = self.seen.as_ref().and_then(|seen| seen.record.as_ref());
            return match record {
                _ if now >= held.renewed + GIVE_UP => Action::Wait,
                None => Action::Create {
                    epoch: self.next_epoch(),
                },
                Some(_) if now >= held.renewed + RENEW => Action::Write { epoch: held.epoch },
                Some(_) => Action::Wait,
            };
        }
        if !std::mem::take(&mut self.is_fresh) {
            return Action::Look;
        }
        let Some(Seen { record, since }) = &self.seen else {
            return Action::Look;
        };
        let is_over = now >= *since + LEASE;
        match record {
            None if self.highest_epoch.is_none() || is_over => Action::Create {
                epoch: self.next_epoch(),
            },
            Some(Record {
                holder: Some(holder),
                epoch,
                ..
            }) if *holder == self.identity => {
                // Our own write, whose answer was lost; nothing was sent under its epoch.
                Action::Write { epoch: *epoch }
            }
            Some(Record {
                holder: None, epoch, ..
            }) => Action::Write { epoch: epoch + 1 },
            Some(Record { epoch, .. }) if is_over => Action::Write { epoch: epoch + 1 },
            None | Some(_) => Action::Wait,
        }
    }

    /// What gives this replica, which leads, an epoch above `above`.
    pub(super) fn raise_above(&self, above: u64) -> Action {
        let epoch = self.next_epoch().max(above + 1);
        match &self.seen {
            Some(Seen { record: Some(_), .. }) => Action::Write { epoch },
            _ => Action::Create { epoch },
        }
    }

    /// The epoch under which this replica leads, if it does.
    pub(super) fn epoch(&self, now: Instant) -> Option<u64> {
        let held = self.held?;
        (now < held.renewed + GIVE_UP).then_some(held.epoch)
    }

    /// When what this replica holds ends, unless it is renewed.
    pub(super) fn good_until(&self) -> Option<Instant> {
        Some(self.held?.renewed + GIVE_UP)
    }

    /// When there is something to do next; none for a candidate, who looks at a rhythm of its own.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        let held = self.held?;
        let is_gone = self.seen.as_ref().is_some_and(|seen| seen.record.is_none());
        Some(if is_gone { now } else { held.renewed + RENEW })
    }

    /// Whether somebody else was seen to hold the Lease.
    pub(super) fn is_overtaken(&self) -> bool {
        self.held.is_none()
    }

    fn next_epoch(&self) -> u64 {
        self.highest_epoch.unwrap_or(0) + 1
    }
}

#[cfg(test)]
mod tests;
