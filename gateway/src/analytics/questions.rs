//! Whether questions are asked. For them, and for work that takes as much, the engine has more memory than for writing whole groups of rows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use duckdb::Connection;

use super::opening;

/// Those to one open file.
pub(super) struct Questions(Mutex<State>);

struct State {
    running: usize,
    /// The engine has the memory for questions. It opens a file with it.
    extended: bool,
    /// One was asked since the file was opened.
    ever: bool,
}

/// A question for as long as it runs.
pub(super) struct Asking<'a>(&'a Questions);

impl Default for State {
    fn default() -> Self {
        Self {
            running: 0,
            extended: true,
            ever: false,
        }
    }
}

impl Questions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::default()))
    }

    /// The file was opened, and nobody has asked it yet.
    pub(super) fn begin(&self, connection: &Connection) {
        *self.lock() = State::default();
        self.shrink(connection);
    }

    /// Gives memory to a question for as long as it holds what this returns.
    pub(super) fn ask(&self, connection: &Connection) -> duckdb::Result<Asking<'_>> {
        let asking = self.borrow(connection)?;
        self.lock().ever = true;
        Ok(asking)
    }

    /// As [`Self::ask`], for work of the writer.
    pub(super) fn borrow(&self, connection: &Connection) -> duckdb::Result<Asking<'_>> {
        let mut state = self.lock();
        if !state.extended {
            opening::extend(connection)?;
            state.extended = true;
        }
        state.running += 1;
        Ok(Asking(self))
    }

    /// Takes the memory for questions back when none is asked.
    pub(super) fn shrink(&self, connection: &Connection) {
        let mut state = self.lock();
        if state.running > 0 || !state.extended {
            return;
        }
        match opening::shrink(connection) {
            Ok(()) => state.extended = false,
            Err(error) => tracing::debug!(%error, "the store of analytics keeps its memory for a while"),
        }
    }

    pub(super) fn was_ever_asked(&self) -> bool {
        self.lock().ever
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}
