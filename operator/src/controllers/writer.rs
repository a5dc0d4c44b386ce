//! Runs what is planned: a few calls at a time, at most one status a second of an object, failed ones again after a while.
//!
//! A plan is all that is to be written, so that a new one replaces the one before: what is not in it any more is not written. Dropping
//! the future ends all writing; that is how a process stops that does not lead any more.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    ledger::Ledger,
    write::{Key, Write},
};
use call::{Caller, Done};
use queue::Queue;

pub use call::Identity;

mod call;
mod queue;
#[cfg(test)]
mod tests;

/// Calls under way at once.
const CONCURRENCY: usize = 8;
/// The longest that a call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at an empty queue.
const IDLE: Duration = Duration::from_hours(1);

/// Writes.
#[derive(Debug)]
pub(super) struct Writer {
    caller: Arc<Caller>,
}

/// How a call ended.
#[derive(Debug)]
struct Ended {
    write: Arc<Write>,
    outcome: Result<Done, call::Error>,
}

impl Writer {
    pub(super) fn new(client: Client, identity: Identity, ledger: Arc<Mutex<Ledger>>) -> Self {
        Self {
            caller: Arc::new(Caller::new(client, identity, ledger)),
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self, mut plans: watch::Receiver<Arc<Vec<Arc<Write>>>>) {
        let mut queue = Queue::default();
        let mut calls = JoinSet::new();
        loop {
            let now = Instant::now();
            while calls.len() < CONCURRENCY
                && let Some(write) = queue.start(now)
            {
                calls.spawn(call(Arc::clone(&self.caller), write));
            }
            let is_full = calls.len() >= CONCURRENCY;
            let next = queue.next_due().filter(|_| !is_full).unwrap_or(now + IDLE);
            tokio::select! {
                changed = plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let plan = Arc::clone(&plans.borrow_and_update());
                    queue.take(&plan, Instant::now());
                }
                Some(ended) = calls.join_next() => {
                    if let Ok(Ended { write, outcome }) = ended {
                        let failures = queue.end(&write, outcome.is_ok(), Instant::now());
                        report(&write, outcome, failures);
                    }
                }
                () = sleep_until(next) => {}
            }
        }
    }
}

async fn call(caller: Arc<Caller>, write: Arc<Write>) -> Ended {
    let outcome = timeout(DEADLINE, caller.call(&write)).await;
    Ended {
        write,
        outcome: outcome.unwrap_or(Err(call::Error::Late)),
    }
}

/// What fails again and again is told once.
fn report(write: &Write, outcome: Result<Done, call::Error>, failures: u32) {
    let what = write.key();
    match outcome {
        Ok(Done) => tracing::debug!(%what, "written"),
        Err(error) if failures == 1 => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%what, error, "failed to write; it is tried again");
        }
        Err(error) => tracing::debug!(%what, error = &error as &dyn std::error::Error, "failed to write"),
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(id) => write!(formatter, "status of {id}"),
            Self::Revision(name) => write!(formatter, "PromptRevision {name}"),
            Self::Tell(Some(id)) => write!(formatter, "Event about {id}"),
            Self::Tell(None) => formatter.write_str("Event about the operator"),
        }
    }
}
