//! The load generator: many keep-alive connections, closed or open loop, every answer checked, every outcome in a ledger.
//!
//! It speaks HTTP/1.1 over plain sockets by itself: it shares a core with the stand-in provider, and what a general client
//! costs there would hide what the gateway costs. A connection that breaks is counted, opened anew, and never retried.

mod answer;
mod connection;
mod ledger;
mod request;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use answer::Expect;
pub use connection::{Answer, fetch};
pub use ledger::{Entry, Ledger, Outcome};
pub use request::{ChatRequest, RequestTemplate};
use worker::Worker;

/// What load to put on what.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: SocketAddr,
    /// Each has at most one request under way.
    pub connections: usize,
    pub until: Until,
    pub pace: Pace,
    /// The request with number n is `requests[n % requests.len()]`, marked with n.
    pub requests: Vec<RequestTemplate>,
    /// Number of the first request; the marks of several loads on one target should not overlap.
    pub first_number: u64,
    /// How long one request may take before it counts as broken.
    pub patience: Duration,
    /// Whether the ledger keeps an entry for each request, or for the failed ones only.
    pub keep: Keep,
}

/// When the load ends. Requests under way are always awaited.
#[derive(Clone, Debug)]
pub enum Until {
    Count(u64),
    /// Until the flag is set.
    Told(Arc<AtomicBool>),
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has the answer to the last.
    Closed,
    /// Poisson arrivals at this mean rate, whatever the answers do. Latency counts from the scheduled time, so that a stall
    /// is felt by every request that should have been sent in it.
    Open { per_second: f64, seed: u64 },
}

/// What the ledger keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    Failures,
}

/// Runs the plan to its end.
pub async fn run(plan: Plan) -> Ledger {
    let schedule = Arc::new(Schedule::new(&plan));
    let plan = Arc::new(plan);
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        workers.spawn(Worker::new(Arc::clone(&plan), Arc::clone(&schedule)).run());
    }
    let mut ledger = Ledger::default();
    while let Some(part) = workers.join_next().await {
        ledger.merge(part.expect("a worker neither panics nor is aborted"));
    }
    ledger.elapsed = schedule.began.elapsed();
    ledger
}

/// Hands out request numbers and, in an open loop, the times at which they are due.
struct Schedule {
    began: Instant,
    next: AtomicU64,
    until: Until,
    /// Only an open loop has arrivals.
    arrivals: Option<std::sync::Mutex<Arrivals>>,
}

struct Arrivals {
    per_second: f64,
    random: SmallRng,
    due: Instant,
}

impl Schedule {
    fn new(plan: &Plan) -> Self {
        let began = Instant::now();
        let arrivals = match plan.pace {
            Pace::Closed => None,
            Pace::Open { per_second, seed } => Some(
                Arrivals {
                    per_second,
                    random: SmallRng::seed_from_u64(seed),
                    due: began,
                }
                .into(),
            ),
        };
        Self {
            began,
            next: AtomicU64::new(0),
            until: plan.until.clone(),
            arrivals,
        }
    }

    /// The next request's place in the order, and when it is due if the loop is open. None when the load is over.
    fn take(&self) -> Option<(u64, Option<Instant>)> {
        if let Until::Told(flag) = &self.until
            && flag.load(Ordering::Relaxed)
        {
            return None;
        }
        // Number and due time are taken under one lock, so that later numbers are due later.
        let mut arrivals = self
            .arrivals
            .as_ref()
            .map(|lock| lock.lock().expect("no holder of the lock panics"));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if matches!(self.until, Until::Count(count) if number >= count) {
            return None;
        }
        Some((number, arrivals.as_mut().map(|arrivals| arrivals.next())))
    }
}

impl Arrivals {
    fn next(&mut self) -> Instant {
        let due = self.due;
        let uniform: f64 = self.random.random();
        self.due += Duration::from_secs_f64(-(1.0 - uniform).ln() / self.per_second);
        due
    }
}

#[cfg(test)]
mod tests;
