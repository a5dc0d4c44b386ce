//! What the writer asks of a store, and what it tells of one.

use serde::Serialize;

use super::batch::Entry;

/// Whether an earlier try at the same entries failed. A try that reported a failure may yet have stored them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    First,
    Again,
}

/// A file that takes batches. Each batch is one transaction: all of it is stored, or nothing.
pub(crate) trait Store: Send + Sized {
    type Error: std::error::Error + Send + Sync + 'static;

    /// After an error the store is dropped and opened anew.
    fn write(&mut self, entries: &[Entry], this_is: Try) -> Result<(), Self::Error>;

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
}

/// Why a store takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub message: String,
    /// When it began to fail, in microseconds since 1970.
    pub since_unix_micros: i64,
}

/// An error with all its causes, for people.
pub(super) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
