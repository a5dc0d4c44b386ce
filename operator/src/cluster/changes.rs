//! What changed since it was last looked at, for whoever waits for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

/// How far a change reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Of a status, or of something else that the compiler does not look at.
    Status,
    /// Of what the compiler takes.
    Input,
}

/// When something changed that was not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: Instant,
    pub last: Instant,
    /// When the first change of what the compiler takes was seen.
    pub input: Option<Instant>,
}

/// Changes as they are seen.
#[derive(Debug, Default)]
pub struct Changes {
    pending: Mutex<Option<Span>>,
    noted: Notify,
}

impl Changes {
    pub fn note(&self, change: Change, now: Instant) {
        let mut pending = self.lock();
        let span = pending.get_or_insert(Span {
            first: now,
            last: now,
            input: None,
        });
        span.last = now;
        if change == Change::Input {
            span.input.get_or_insert(now);
        }
        drop(pending);
        self.noted.notify_one();
    }

    /// What is pending.
    pub fn pending(&self) -> Option<Span> {
        *self.lock()
    }

    /// What was pending; nothing is then.
    pub fn take(&self) -> Option<Span> {
        self.lock().take()
    }

    /// Waits until something more is noted.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Span>> {
        // Nobody panics while holding it.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_span_begins_with_the_first_change_and_tells_the_first_that_the_compiler_takes() {
        let changes = Changes::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        changes.note(Change::Status, at(0));
        changes.note(Change::Input, at(1));
        changes.note(Change::Input, at(2));
        changes.noted().await;
        let expected = Span {
            first: at(0),
            last: at(2),
            input: Some(at(1)),
        };
        assert_eq!(changes.pending(), Some(expected));
        assert_eq!(changes.take(), Some(expected));
        assert_eq!(changes.take(), None);
    }
}
