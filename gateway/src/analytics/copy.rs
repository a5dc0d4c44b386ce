//! A copy of the whole file: made by the engine, as of one moment, while rows are added. The room that deleted rows left is not in it.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use duckdb::Connection;

use super::opening::attached;
use super::sql::Stop;
use super::{Analytics, Error};

const WATCH_INTERVAL: Duration = Duration::from_millis(10);

impl Analytics {
    /// Copies the file to `target`, which must lie in the directory of backups: no other may be written. Blocks for as long as that takes,
    /// and takes the turn of an administrator's queries: both share the engine's memory, and give way to new requests.
    pub(crate) fn copy_to(&self, target: &Path, must_stop: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
        let database = &*self.database;
        let _turn = database.sql_turn.lock().unwrap_or_else(PoisonError::into_inner);
        database.sql_preempted.store(false, Ordering::Relaxed);
        let is_preempted = || database.sql_preempted.load(Ordering::Relaxed);
        database.with_connection(|connection| {
            let interrupt = connection.interrupt_handle();
            attach(&connection, target)?;
            let copied = interruptible(&|| must_stop() || is_preempted(), &|| interrupt.interrupt(), || {
                connection.execute_batch("COPY FROM DATABASE analytics TO backup; CHECKPOINT backup")
            });
            let detached = connection.execute_batch("DETACH backup");
            match copied {
                Err(_) if is_preempted() => Err(Error::Stopped(Stop::Preempted)),
                copied => Ok(copied.and(detached)?),
            }
        })
    }
}

fn attach(connection: &Connection, target: &Path) -> duckdb::Result<()> {
    let attach = attached(target, "backup", "READ_WRITE");
    connection.execute_batch(&format!("DETACH DATABASE IF EXISTS backup; {attach}"))
}

/// Does some work of an engine, and interrupts it when it must stop: again and again, for between two statements there is nothing to
/// interrupt.
pub(crate) fn interruptible<T>(
    must_stop: &(dyn Fn() -> bool + Sync),
    interrupt: &(dyn Fn() + Sync),
    work: impl FnOnce() -> T,
) -> T {
    let (finished, watched) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = watched.recv_timeout(WATCH_INTERVAL) {
                if must_stop() {
                    interrupt();
                }
            }
        });
        let done = work();
        drop(finished);
        done
    })
}
