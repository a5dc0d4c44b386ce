//! Signs of change, from whoever sees one to the thread that reads: nothing queues, only the time of the last one counts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind},
};

use crate::config::manifests::survey::{self, Survey};

#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When the last sign came, if none was answered since.
    last: Option<Instant>,
    stop: bool,
    directories: BTreeSet<PathBuf>,
    passages: BTreeSet<PathBuf>,
}

/// Why a wait ended.
pub(super) enum Wake {
    Stop,
    /// Signs came, and then none for the quiet window.
    Quiet,
    /// No sign came.
    Deadline,
}

impl Signal {
    /// Events that concern other places than those of `survey` are no signs.
    pub(super) fn heed(&self, survey: &Survey) {
        let mut state = self.lock();
        state.directories.clone_from(&survey.directories);
        state.passages.clone_from(&survey.passages);
    }

    pub(super) fn take(&self, event: notify::Result<Event>) {
        let concerns = event.map_or(true, |event| self.lock().is_concerned(&event));
        if concerns {
            self.raise();
        }
    }

    pub(super) fn raise(&self) {
        self.lock().last = Some(Instant::now());
        self.changed.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.lock().last.is_some()
    }

    /// Waits for a sign and then for `quiet` without another, or until `deadline` without any.
    pub(super) fn wait(&self, quiet: Duration, deadline: Instant) -> Wake {
        let mut state = self.lock();
        loop {
            if state.stop {
                return Wake::Stop;
            }
            let due = state.last.map_or(deadline, |last| last + quiet);
            let rest = due.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return if state.last.take().is_some() {
                    Wake::Quiet
                } else {
                    Wake::Deadline
                };
            }
            state = self
                .changed
                .wait_timeout(state, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_concerned(&self, event: &Event) -> bool {
        let is_content = match event.kind {
            // Our own reading opens and closes files.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return false,
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => true,
            _ => false,
        };
        event.need_rescan() || event.paths.iter().any(|path| self.is_place(path, is_content))
    }

    /// Whether `path` is one of ours. Only names of manifests count for content; any name may come to be a directory.
    fn is_place(&self, path: &Path, is_content: bool) -> bool {
        let is_inside = || path.parent().is_some_and(|parent| self.directories.contains(parent));
        let is_named = || {
            if is_content {
                survey::is_manifest(path)
            } else {
                !survey::is_hidden(path)
            }
        };
        self.passages.contains(path) || self.directories.contains(path) || (is_inside() && is_named())
    }
}
