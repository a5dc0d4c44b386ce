//! inotify, on every directory that matters. It is a help, not a need: without it changes are noticed at the next look at the stamps.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tracing::warn;

use super::signal::Signal;
use crate::config::manifests::survey::Survey;

/// Directories that appear while watches are set lead to one more round; more rounds than this mean that somebody is still at work.
const MOST_ROUNDS: usize = 8;

pub(super) struct Sentry {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    refused: BTreeSet<PathBuf>,
}

impl Sentry {
    pub(super) fn new(signal: &Arc<Signal>) -> Self {
        let signal = Arc::clone(signal);
        let watcher = notify::recommended_watcher(move |event| signal.take(event));
        if let Err(error) = &watcher {
            warn!(%error, "inotify is not to be had; edits of manifests are noticed within two seconds");
        }
        Self {
            watcher: watcher.ok(),
            ..Self::blind()
        }
    }

    /// One that sees nothing.
    pub(super) fn blind() -> Self {
        Self {
            watcher: None,
            watched: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Watches all that a survey finds; the survey, taken when the watches stood.
    pub(super) fn post(&mut self, signal: &Signal, take_survey: impl Fn() -> Survey) -> Survey {
        let mut survey = take_survey();
        for _ in 0..MOST_ROUNDS {
            signal.heed(&survey);
            if !self.cover(&survey) {
                break;
            }
            survey = take_survey();
        }
        survey
    }

    /// Whether a directory is watched now that was not before.
    fn cover(&mut self, survey: &Survey) -> bool {
        let parents = survey.passages.iter().filter_map(|path| path.parent());
        let wanted: BTreeSet<PathBuf> = survey
            .directories
            .iter()
            .map(PathBuf::as_path)
            .chain(parents)
            .map(Path::to_owned)
            .collect();
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.watched.difference(&wanted) {
            // It fails when the directory itself is gone, and its watch with it.
            let _ = watcher.unwatch(gone);
        }
        self.watched.retain(|path| wanted.contains(path));
        let mut has_grown = false;
        for path in wanted {
            // Set each time: the directory of this name may be another one than before.
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => has_grown |= self.watched.insert(path),
                Err(error) => {
                    self.watched.remove(&path);
                    if path.exists() && self.refused.insert(path) {
                        warn!(%error, "a directory of manifests cannot be watched; its edits are noticed within two seconds");
                    }
                }
            }
        }
        has_grown
    }
}
