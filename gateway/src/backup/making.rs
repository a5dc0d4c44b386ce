//! Making a backup while the gateway serves: on a thread of its own, one at a time, for as long as somebody takes it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::About;
use super::archive::Archive;
use super::contents::{STORES, small_files};
use super::copies::{Copies, remove};
use crate::analytics;
use crate::capture::Queue;

const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks on their way.
const CHUNKS: usize = 4;
/// How long whoever takes a backup may not take the next chunk.
const STALLED: Duration = Duration::from_mins(1);

/// Makes backups of one data directory.
pub struct Backups {
    data: PathBuf,
    queue: Arc<Queue>,
    pod: Option<String>,
    turn: Arc<Semaphore>,
    ending: CancellationToken,
}

/// A backup that is being made. Dropped before its end, it is not made any further.
pub struct Backup {
    chunks: Receiver<io::Result<Bytes>>,
    _leaving: DropGuard,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another backup is being made; there is one at a time")]
    Occupied,
    #[error("the backup was stopped: the gateway ends, or whoever asked for it has left")]
    Stopped,
    #[error(
        "{} has {available_bytes} bytes left on its disk and a backup may need {needed_bytes}: make room there, or enlarge the volume",
        data.display()
    )]
    NoRoom {
        data: PathBuf,
        available_bytes: u64,
        needed_bytes: u64,
    },
    #[error("failed to prepare a backup in {}", directory.display())]
    Prepare { directory: PathBuf, source: io::Error },
    #[error("failed to copy the store of examples")]
    Examples(#[from] rusqlite::Error),
    #[error("failed to copy the store of analytics")]
    Analytics(#[from] analytics::Error),
}

/// What the thread works on.
struct Job {
    data: PathBuf,
    queue: Arc<Queue>,
    about: About,
    turn: OwnedSemaphorePermit,
    stop: CancellationToken,
    runtime: Handle,
    chunks: Sender<io::Result<Bytes>>,
}

impl Backups {
    /// Removes what a backup of before a sudden end has left.
    pub fn new(data: PathBuf, queue: Arc<Queue>, pod: Option<String>) -> Self {
        remove(&data);
        Self {
            data,
            queue,
            pod,
            turn: Arc::new(Semaphore::new(1)),
            ending: CancellationToken::new(),
        }
    }

    /// Copies the stores. What this gives is read from the copies.
    pub async fn make(&self) -> Result<Backup, Error> {
        let turn = Arc::clone(&self.turn).try_acquire_owned();
        let turn = turn.map_err(|_| Error::Occupied)?;
        let stop = self.ending.child_token();
        let leaving = stop.clone().drop_guard();
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let job = Job {
            data: self.data.clone(),
            queue: Arc::clone(&self.queue),
            about: About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                duckdb: analytics::engine_version().to_owned(),
                created: Timestamp::now().to_string(),
                pod: self.pod.clone(),
            },
            turn,
            stop,
            runtime: Handle::current(),
            chunks: sender,
        };
        let (prepared, preparing) = oneshot::channel();
        tokio::task::spawn_blocking(move || job.run(prepared));
        preparing.await.unwrap_or(Err(Error::Stopped))?;
        Ok(Backup {
            chunks,
            _leaving: leaving,
        })
    }

    /// Stops the one that is being made, which would keep the stores open. None is made afterwards.
    pub fn stop(&self) {
        self.ending.cancel();
    }
}

impl Backup {
    /// The next chunk of the tar. After an error there is none.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.chunks.recv().await
    }
}

impl Job {
    fn run(self, prepared: oneshot::Sender<Result<(), Error>>) {
        let copies = match self.copy() {
            // An engine's error is only what stopping it looks like.
            Err(_) if self.stop.is_cancelled() => return drop(prepared.send(Err(Error::Stopped))),
            Err(error) => return drop(prepared.send(Err(error))),
            Ok(copies) => copies,
        };
        if prepared.send(Ok(())).is_err() {
            return;
        }
        let written = self.write(&copies);
        // All is tidied up before whoever takes it sees the end.
        drop(copies);
        drop(self.turn);
        if let Err(error) = written {
            tracing::warn!(%error, "a backup broke off");
            // Where nobody is left to be told, nobody need be.
            let _ = self.chunks.try_send(Err(error));
        }
    }

    fn copy(&self) -> Result<Copies, Error> {
        let must_stop = || self.stop.is_cancelled();
        self.flush()?;
        let copies = Copies::begin(&self.data)?;
        copies.copy_examples(&self.data, &must_stop)?;
        // So that each example that was copied has its request in the other store.
        self.flush()?;
        copies.copy_analytics(&self.queue.analytics(), &must_stop)?;
        Ok(copies)
    }

    /// Waits until all that was recorded so far is stored.
    fn flush(&self) -> Result<(), Error> {
        let flushed = self.stop.run_until_cancelled(self.queue.flush());
        self.runtime.block_on(flushed).ok_or(Error::Stopped)
    }

    fn write(&self, copies: &Copies) -> io::Result<()> {
        let outlet = Outlet {
            chunks: &self.chunks,
            stop: &self.stop,
            runtime: &self.runtime,
        };
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        let mut archive = Archive::new(BufWriter::with_capacity(CHUNK_BYTES, outlet), now);
        for store in STORES {
            archive.add(store, &File::open(copies.path(store))?)?;
        }
        for path in small_files(&self.data) {
            match File::open(self.data.join(&path)) {
                Ok(file) => archive.add(&path, &file)?,
                // A revision that nothing needs any more was removed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        archive.finish(self.about.clone())?.flush()
    }
}

/// Where the tar goes to.
struct Outlet<'a> {
    chunks: &'a Sender<io::Result<Bytes>>,
    stop: &'a CancellationToken,
    runtime: &'a Handle,
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(&bytes[..bytes.len().min(CHUNK_BYTES)]);
        let length = chunk.len();
        let sending = self.chunks.send_timeout(Ok(chunk), STALLED);
        match self.runtime.block_on(self.stop.run_until_cancelled(sending)) {
            Some(Ok(())) => Ok(length),
            Some(Err(_)) => Err(io::Error::other("whoever asked for it takes no more of it")),
            None => Err(io::Error::other("the gateway ends, or whoever asked for it has left")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
