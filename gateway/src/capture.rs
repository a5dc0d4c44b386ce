//! What is kept of traffic: one record a request, a queue bounded in bytes, and the store of examples (`SQLite`). The queue's
//! writer also fills the store of analytics (`DuckDB`, see `crate::analytics`).
//!
//! **Invariant**: nothing here makes the request path wait. A full queue or a broken store loses records and counts them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

mod answer;
mod batch;
mod budget;
mod escaped;
mod examples;
mod inbox;
mod lane;
mod pace;
pub mod policy;
pub mod record;
mod redact;
mod room;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod tool_calls;
mod writer;

use tokio::sync::oneshot;

use crate::analytics::{Analytics, Database};
use budget::Budget;
use examples::Examples;
use inbox::Inbox;
use lane::{Lane, SharedHealth, Terms};
use pace::Paces;
use policy::{LimitsByRoute, Policy};
use record::Record;
use room::{Place, Room};
use writer::Writer;

pub use answer::said;
pub(crate) use batch::Entry;
pub(crate) use escaped::unescape;
pub(crate) use examples::{FILE as EXAMPLES_FILE, LOG as EXAMPLES_LOG};
pub use lane::Clock;
pub(crate) use room::Load;
pub use schema::Newer;
pub(crate) use schema::{newest, steps_from};
pub use store::{Failure, Forget, StoreHealth};
pub(crate) use store::{Group, SharedLimits, Size, Store, Try, in_full, make_directory};

/// Where and how records are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds the files of both stores; is made when missing.
    pub directory: PathBuf,
    /// Bytes that records not yet stored may take.
    pub capacity_bytes: usize,
    /// How long a record waits for company at most.
    pub interval: Duration,
    /// Between two looks at what has grown too old or too much.
    pub tend_interval: Duration,
    /// What the files of both stores may take together; none: as much as there is.
    pub max_bytes: Option<u64>,
    /// Between a store's failure and the next try; doubles with each failure, up to ten seconds.
    pub retry_pause: Duration,
    pub clock: Clock,
}

/// Takes records from the request path; a thread of its own stores them.
pub struct Queue {
    room: Arc<Room>,
    inbox: Arc<Inbox>,
    dropped_records: AtomicU64,
    dropped_contents: AtomicU64,
    paces: Paces,
    thinned_contents: AtomicU64,
    max_bytes: Option<u64>,
    examples: SharedHealth,
    analytics: SharedHealth,
    database: Arc<Database>,
    limits: SharedLimits,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What found no room in the queue, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Records lost whole.
    pub records: u64,
    /// Records of which the figures were kept and the content was not.
    pub contents: u64,
}

/// Whether what is captured is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The store of examples (`SQLite`).
    pub examples: StoreHealth,
    /// The store of analytics (`DuckDB`).
    pub analytics: StoreHealth,
}

/// How many rows of each store were deleted; none where the store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    pub examples: Option<u64>,
    pub requests: Option<u64>,
}

/// Something that the writer does between batches, for somebody who waits.
struct Errand {
    forget: Forget,
    sender: oneshot::Sender<Forgotten>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to start the thread that stores records")]
    StartWriter(#[source] std::io::Error),
}

impl Settings {
    /// 64 MiB; what is recorded is stored within half a second.
    pub fn new(directory: PathBuf, clock: Clock) -> Self {
        Self {
            directory,
            capacity_bytes: 64 << 20,
            interval: Duration::from_millis(500),
            tend_interval: Duration::from_secs(1),
            max_bytes: None,
            retry_pause: Duration::from_millis(250),
            clock,
        }
    }
}

impl Queue {
    /// Opens both stores, which takes a tenth of a second, and starts the writer. A store that cannot be opened does not
    /// prevent the start: `health` tells, and it is tried again.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let Settings {
            directory,
            capacity_bytes,
            interval,
            tend_interval,
            max_bytes,
            retry_pause,
            clock,
        } = settings;
        let room = Room::new(capacity_bytes);
        let terms = || Terms {
            room: Arc::clone(&room),
            limit_bytes: capacity_bytes / 4,
            first_pause: retry_pause,
            clock,
        };
        let limits = SharedLimits::default();
        let database = Arc::new(Database::new(&directory, max_bytes, Arc::clone(&limits)));
        let opened = Arc::clone(&database);
        let of_examples = Arc::clone(&limits);
        let examples = Lane::open("examples", terms(), move || {
            Examples::open(&directory, max_bytes, Arc::clone(&of_examples))
        });
        let analytics = Lane::open("analytics", terms(), move || opened.open());

        let inbox = Arc::new(Inbox::new(Arc::clone(&room)));
        let healths = (examples.health(), analytics.health());
        let writer = Writer {
            inbox: Arc::clone(&inbox),
            interval,
            tend_interval,
            clock,
            budget: max_bytes.map(Budget::of),
            examples,
            analytics,
        };
        let writer = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::StartWriter)?;
        Ok(Self {
            room,
            inbox,
            dropped_records: AtomicU64::new(0),
            dropped_contents: AtomicU64::new(0),
            paces: Paces::new(Instant::now()),
            thinned_contents: AtomicU64::new(0),
            max_bytes,
            examples: healths.0,
            analytics: healths.1,
            database,
            limits,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Whether the content of a request whose body has `bytes` is to be kept: its Route wants it, and it does not come faster than content
    /// is taken and stored. None when the Route does not want it.
    pub fn keeps_content(&self, policy: &Policy, id: &str, bytes: usize, now: Instant) -> Option<bool> {
        if !policy.wants_content(id) {
            return None;
        }
        let left_out = match self.room.place_for_content(now) {
            Place::Free if self.paces.take(&policy.pace, bytes as u64, now) => return Some(true),
            Place::Free | Place::Taken => &self.thinned_contents,
            Place::Blocked => &self.dropped_contents,
        };
        left_out.fetch_add(1, Ordering::Relaxed);
        Some(false)
    }

    /// Requests whose content was left out because it came faster than content is taken, since the start.
    pub fn thinned_contents(&self) -> u64 {
        self.thinned_contents.load(Ordering::Relaxed)
    }

    /// Takes one request's record. Never waits; what finds no room is dropped and counted, content before figures.
    pub fn record(&self, mut record: Record) {
        record.bound();
        let mut bytes = record.retained_bytes();
        let mut fits = match &record.content {
            Some(_) => self.room.take_for_content(bytes),
            None => self.room.take(bytes),
        };
        let mut content_dropped = false;
        if !fits && record.content.take().is_some() {
            content_dropped = true;
            self.dropped_contents.fetch_add(1, Ordering::Relaxed);
            bytes = record.retained_bytes();
            fits = self.room.take(bytes);
        }
        let load = Load::of(&record, bytes);
        let entry = Entry {
            record,
            content_dropped,
        };
        if !fits {
            self.dropped_records.fetch_add(1, Ordering::Relaxed);
        } else if !self.inbox.push(entry, bytes) {
            self.room.give_back(load);
            self.dropped_records.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends when everything recorded before is committed in both stores, or was given to a store that fails.
    pub async fn flush(&self) {
        if let Some(barrier) = self.inbox.barrier() {
            // An error means that the writer has ended, after trying everything.
            let _ = barrier.await;
        }
    }

    /// Stores what is left, closes both stores and ends the writer. Blocks; what is recorded afterwards is dropped.
    pub fn close(&self) {
        self.inbox.begin_closing();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the thread that stores records had failed");
        }
    }

    /// How much is kept from here on, by Route.
    pub fn limit(&self, limits: LimitsByRoute) {
        self.limits.store(Arc::new(limits));
    }

    /// Deletes what was captured of somebody, all that was recorded before included; sums by the hour stay, which tell nothing of
    /// anybody. None when the queue is closed.
    pub async fn forget(&self, forget: Forget) -> Option<Forgotten> {
        let (sender, receiver) = oneshot::channel();
        self.inbox.ask(Errand { forget, sender });
        receiver.await.ok()
    }

    pub fn dropped(&self) -> Dropped {
        Dropped {
            records: self.dropped_records.load(Ordering::Relaxed),
            contents: self.dropped_contents.load(Ordering::Relaxed),
        }
    }

    /// Bytes that records not yet stored take.
    pub fn queued_bytes(&self) -> usize {
        self.room.held_bytes()
    }

    pub fn capacity_bytes(&self) -> usize {
        self.room.capacity_bytes()
    }

    /// What the files of both stores may take together, if that is bounded.
    pub fn max_bytes(&self) -> Option<u64> {
        self.max_bytes
    }

    pub fn health(&self) -> Health {
        let read = |health: &SharedHealth| health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            examples: read(&self.examples),
            analytics: read(&self.analytics),
        }
    }

    /// Questions to what was stored.
    pub fn analytics(&self) -> Analytics {
        Analytics::new(Arc::clone(&self.database))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}
