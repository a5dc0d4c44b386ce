//! What the writer asks of a store, and what it tells of one.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::batch::Entry;
use super::policy::LimitsByRoute;
use super::room::Load;

/// Whether an earlier try at the same group failed. A try that reported a failure may yet have stored them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    First,
    Again,
}

/// The limits of all Routes, which change with the configuration.
pub(crate) type SharedLimits = Arc<ArcSwap<LimitsByRoute>>;

/// What a store takes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Of its files.
    pub disk_bytes: u64,
    /// Part of it that holds nothing and will be written first.
    pub reusable_bytes: u64,
}

/// Whose requests are deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forget {
    /// `user`, as the client sent it.
    pub user: Box<str>,
    /// Only requests to Routes of this namespace, and those of its keys.
    pub namespace: Option<Box<str>>,
}

/// What one store keeps of requests, gathered until there is enough to be worth a transaction. With its book it is complete, and outlives
/// a store that fails and is opened anew.
pub(crate) trait Group: Default + Send {
    /// What the groups of a store have in common.
    type Book: Default + Send;

    /// One that takes more than one of so many parts of the room is written.
    const ROOM_PARTS: usize;

    /// Takes what the store keeps of these requests from the one at `from` on, until it is full: a copy, or away from them. Where the rest begins.
    fn gather(&mut self, entries: &mut Vec<Entry>, from: usize, book: &mut Self::Book) -> usize;

    /// How many requests something was taken of.
    fn requests(&self) -> usize;

    /// The memory that it takes.
    fn load(&self) -> Load;

    /// Whether more would make it no better.
    fn is_full(&self) -> bool;

    /// Whether the book has become so large that groups which cannot be stored are given up for a new one.
    fn is_outgrown(book: &Self::Book) -> bool;

    /// No group needs the book now: the place to begin a new one, if it has become large.
    fn tidy(book: &mut Self::Book);
}

/// A file that takes groups. Each is one transaction: all of it is stored, or nothing; after an error it may be either.
pub(crate) trait Store: Send + Sized {
    type Error: std::error::Error + Send + Sync + 'static;
    type Group: Group;

    /// After an error the store is dropped and opened anew.
    fn write(
        &mut self,
        group: &Self::Group,
        book: &<Self::Group as Group>::Book,
        this_is: Try,
    ) -> Result<(), Self::Error>;

    /// Deletes a part of what has grown too old or too much. Called about once a second, between groups.
    fn tend(&mut self, now_unix_micros: i64) -> Result<(), Self::Error>;

    /// What its files take, by the file system: costs next to nothing.
    fn disk_bytes(&self) -> u64;

    /// As [`Self::disk_bytes`], and how much of that the store says is free.
    fn size(&self) -> Result<Size, Self::Error>;

    /// When the oldest of what can be shed was captured; none when there is nothing.
    fn oldest(&self) -> Result<Option<i64>, Self::Error>;

    /// Deletes the oldest rows, about as many as take `bytes`, and gives back what room it can.
    fn shed(&mut self, bytes: u64) -> Result<(), Self::Error>;

    /// Deletes what was captured of somebody; returns how many requests that were.
    fn forget(&mut self, forget: &Forget) -> Result<u64, Self::Error>;

    /// The same store, opened anew if it has come to hold much memory. An error closes it.
    fn renewed(self) -> Result<Self, Self::Error> {
        Ok(self)
    }

    /// Leaves the file complete in itself.
    fn close(self) -> Result<(), Self::Error>;
}

/// Whether what is captured reaches a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreHealth {
    /// None while all is well.
    pub failure: Option<Failure>,
    /// Records that this store, not the queue, had to give up since the start.
    pub dropped_records: u64,
    /// What its files took when they were last looked at, at most a second ago while it works.
    pub disk_bytes: u64,
}

/// Why a store takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub message: String,
    /// When it began to fail, in microseconds since 1970.
    pub since_unix_micros: i64,
}

/// Makes a directory where there is none, for its owner alone: what is in it was asked and answered.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// An error with all its causes, for people.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_new_directory_is_its_owners_alone_and_an_old_one_stays_as_it_is() {
        let there = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(there.path(), fs::Permissions::from_mode(0o755)).unwrap();
        make_directory(there.path()).unwrap();
        make_directory(&there.path().join("a/b")).unwrap();
        assert_eq!(mode(there.path()), 0o755);
        assert_eq!(mode(&there.path().join("a")), 0o700);
        assert_eq!(mode(&there.path().join("a/b")), 0o700);
    }
}
