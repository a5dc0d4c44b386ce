//! Circuit breakers: a target that keeps failing is left alone for a while, then probed.
//!
//! ```text
//! closed --failures in a row, or a share of failures in the window--> open --openFor--> half open --all probes succeed--> closed
//!                                                                      ^------ a probe fails ------|
//! ```
//!
//! Nothing here reads a clock: all functions are told what time it is.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use crds::snapshot::BreakerEntry as Rules;
use tokio::time::Instant;

use super::window::Window;

/// One target's breaker, shared by all traffic threads.
#[derive(Debug)]
pub struct Breaker {
    /// The usual case, without the lock.
    is_closed: AtomicBool,
    /// Length of the window, likewise.
    window_nanos: AtomicU64,
    inner: Mutex<Inner>,
}

/// As what a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Usual,
    /// In the half-open round of this number.
    Probe(u32),
    /// The breaker is open, but nothing else is left.
    Forced,
}

/// What a try says of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Bad,
    /// Nothing: it was cancelled, or the request itself is at fault, or the key.
    Neither,
}

/// What a judgement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Opened,
    Closed,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    /// For so much longer.
    Open(Duration),
    HalfOpen,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Number of half-open rounds so far, so that a probe of an earlier one does not count.
    round: u32,
    consecutive_failures: u32,
    window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { running: u32, passed: u32 },
}

impl Breaker {
    pub fn new(now: Instant) -> Self {
        Self {
            is_closed: AtomicBool::new(true),
            inner: Mutex::new(Inner {
                phase: Phase::Closed,
                round: 0,
                consecutive_failures: 0,
                window: Window::new(now, Duration::ZERO),
            }),
            window_nanos: AtomicU64::new(0),
        }
    }

    /// Lets a request in, unless the breaker is open or has all of its probes. What is let in must be judged.
    pub fn admit(&self, now: Instant, rules: &Rules) -> Option<Pass> {
        self.follow(rules.window, now);
        if self.is_closed.load(Ordering::Relaxed) {
            return Some(Pass::Usual);
        }
        let inner = &mut *self.lock();
        inner.half_open_if_due(now);
        match &mut inner.phase {
            Phase::Closed => Some(Pass::Usual),
            Phase::Open { .. } => None,
            Phase::HalfOpen { running, passed } => {
                let has_room = *running + *passed < rules.half_open_probes;
                has_room.then(|| {
                    *running += 1;
                    Pass::Probe(inner.round)
                })
            }
        }
    }

    /// Judges a request that was let in.
    pub fn judge(&self, pass: Pass, verdict: Verdict, now: Instant, rules: &Rules) -> Change {
        if verdict == Verdict::Neither && !matches!(pass, Pass::Probe(_)) {
            return Change::None;
        }
        let mut inner = self.lock();
        let was_closed = inner.phase == Phase::Closed;
        inner.judge(pass, verdict, now, rules);
        let is_closed = inner.phase == Phase::Closed;
        if is_closed == was_closed {
            return Change::None;
        }
        self.is_closed.store(is_closed, Ordering::Relaxed);
        if is_closed { Change::Closed } else { Change::Opened }
    }

    pub fn state(&self, now: Instant) -> State {
        if self.is_closed.load(Ordering::Relaxed) {
            return State::Closed;
        }
        match self.lock().phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if until > now => State::Open(until - now),
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// The window is as long as who is let in now has it. What was let in before has the rules of its time, and may end much later.
    fn follow(&self, length: Duration, now: Instant) {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        if self.window_nanos.load(Ordering::Relaxed) != nanos {
            self.lock().window = Window::new(now, length);
            self.window_nanos.store(nanos, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn half_open_if_due(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open { until } if until <= now) {
            self.round = self.round.wrapping_add(1);
            self.phase = Phase::HalfOpen { running: 0, passed: 0 };
        }
    }

    fn judge(&mut self, pass: Pass, verdict: Verdict, now: Instant, rules: &Rules) {
        match (&mut self.phase, pass) {
            (Phase::Closed, _) => self.count(verdict, now, rules),
            (Phase::HalfOpen { running, passed }, Pass::Probe(round)) if round == self.round => {
                *running = running.saturating_sub(1);
                *passed += u32::from(verdict == Verdict::Good);
                self.settle(verdict, now, rules);
            }
            // One that was forced tells as much as a probe.
            (Phase::HalfOpen { passed, .. }, Pass::Forced) => {
                *passed += u32::from(verdict == Verdict::Good);
                self.settle(verdict, now, rules);
            }
            (Phase::Open { .. }, Pass::Forced) => {
                if verdict == Verdict::Good {
                    self.round = self.round.wrapping_add(1);
                    self.phase = Phase::HalfOpen { running: 0, passed: 1 };
                }
                self.settle(verdict, now, rules);
            }
            // It began before the breaker opened: what it says is old.
            (Phase::Open { .. } | Phase::HalfOpen { .. }, Pass::Usual | Pass::Probe(_)) => {}
        }
    }

    /// After a probe.
    fn settle(&mut self, verdict: Verdict, now: Instant, rules: &Rules) {
        match self.phase {
            _ if verdict == Verdict::Bad => self.open(now, rules),
            Phase::HalfOpen { passed, .. } if passed >= rules.half_open_probes => {
                self.phase = Phase::Closed;
                self.consecutive_failures = 0;
                self.window = Window::new(now, self.window.length());
            }
            _ => {}
        }
    }

    fn count(&mut self, verdict: Verdict, now: Instant, rules: &Rules) {
        let is_bad = verdict == Verdict::Bad;
        let is_of_this_window = rules.window == self.window.length();
        if is_of_this_window {
            self.window.count(is_bad, now);
        }
        if !is_bad {
            self.consecutive_failures = 0;
            return;
        }
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        let in_a_row = rules.consecutive_failures > 0 && self.consecutive_failures >= rules.consecutive_failures;
        if in_a_row || is_of_this_window && self.is_share_too_high(now, rules) {
            self.open(now, rules);
        }
    }

    fn is_share_too_high(&self, now: Instant, rules: &Rules) -> bool {
        let (bad, all) = self.window.counts(now);
        rules.failure_percent > 0
            && all >= u64::from(rules.minimum_requests)
            && bad * 100 >= all * u64::from(rules.failure_percent)
    }

    fn open(&mut self, now: Instant, rules: &Rules) {
        self.phase = Phase::Open {
            until: now + rules.open_for,
        };
    }
}

#[cfg(test)]
mod tests;
