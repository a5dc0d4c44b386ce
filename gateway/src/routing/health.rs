//! What is known of a target beside its configuration; it outlives a change of that.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::time::Instant;

use super::breaker::Breaker;

/// One target's state, shared by all traffic threads.
#[derive(Debug)]
pub struct Health {
    pub breaker: Breaker,
    in_flight: AtomicUsize,
    /// How often the breaker opened.
    pub openings: Count,
    /// Further tries at this target.
    pub retries: Count,
    /// Requests that went on to the next target.
    pub failovers: Count,
}

/// Something that is counted.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// One request at a target, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Presence(Arc<Health>);

impl Health {
    pub fn new(now: Instant) -> Self {
        Self {
            breaker: Breaker::new(now),
            in_flight: AtomicUsize::new(0),
            openings: Count::default(),
            retries: Count::default(),
            failovers: Count::default(),
        }
    }

    /// Requests at the target now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Count {
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Presence {
    pub(super) fn new(health: &Arc<Health>) -> Self {
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(health))
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
