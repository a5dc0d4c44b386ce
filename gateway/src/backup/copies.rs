//! The copies of the stores that a backup is made of, in a directory that goes with them.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Error, contents::STORES};
use crate::analytics::{self, Analytics, interruptible};
use crate::capture;

/// What must be left on the disk beside the copies.
const SPARE_BYTES: u64 = 64 << 20;
/// Files that a copy may leave when the process is killed.
const LEFT: [&str; 2] = ["examples.sqlite-journal", "analytics.duckdb.wal"];

/// The directory of the copies. Dropped, it is removed with what is in it.
pub(super) struct Copies {
    directory: PathBuf,
}

impl Copies {
    /// Makes the directory, which is empty then, if the disk has room for copies of both stores.
    pub(super) fn begin(data: &Path) -> Result<Self, Error> {
        let prepare = |source| Error::Prepare {
            directory: data.to_owned(),
            source,
        };
        remove(data);
        let length = |name: &str| fs::metadata(data.join(name)).map_or(0, |file| file.len());
        let logs = [capture::EXAMPLES_LOG, analytics::LOG];
        let needed_bytes: u64 = STORES.into_iter().chain(logs).map(length).sum();
        let disk = rustix::fs::statvfs(data).map_err(|error| prepare(error.into()))?;
        let available_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        if available_bytes < needed_bytes.saturating_add(SPARE_BYTES) {
            return Err(Error::NoRoom {
                data: data.to_owned(),
                available_bytes,
                needed_bytes: needed_bytes + SPARE_BYTES,
            });
        }
        let directory = data.join(analytics::BACKUP_DIRECTORY);
        DirBuilder::new().mode(0o700).create(&directory).map_err(prepare)?;
        Ok(Self { directory })
    }

    pub(super) fn path(&self, store: &str) -> PathBuf {
        self.directory.join(store)
    }

    /// Copies the examples, as of the moment when this begins.
    pub(super) fn copy_examples(&self, data: &Path, must_stop: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
        let file = data.join(capture::EXAMPLES_FILE);
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let interrupt = connection.get_interrupt_handle();
        let target = self.path(capture::EXAMPLES_FILE);
        interruptible(must_stop, &|| interrupt.interrupt(), || {
            connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])
        })?;
        Ok(())
    }

    /// Copies the figures, as of the moment when this begins.
    pub(super) fn copy_analytics(
        &self,
        analytics: &Analytics,
        must_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Error> {
        Ok(analytics.copy_to(&self.path(analytics::FILE), must_stop)?)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Some(data) = self.directory.parent() {
            remove(data);
        }
    }
}

/// Removes what a backup, this one or one that a sudden end broke off, left in a data directory; nothing else.
pub(super) fn remove(data: &Path) {
    let directory = data.join(analytics::BACKUP_DIRECTORY);
    for name in STORES.into_iter().chain(LEFT) {
        let _ = fs::remove_file(directory.join(name));
    }
    match fs::remove_dir(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(directory = %directory.display(), %error, "failed to remove the directory of a backup");
        }
        _ => {}
    }
}
