//! What a Route says of faults: extra tries, and targets that are left alone.

use std::time::Duration;

use super::Problems;
use crate::{
    route::{CircuitBreaker, Retry},
    snapshot::{BreakerEntry, RetryEntry},
};

/// The longest wait before an extra try at the same target, however often it doubled.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
const LONGEST_WINDOW: Duration = Duration::from_mins(10);
const LONGEST_OPEN: Duration = Duration::from_hours(1);

impl Problems {
    pub(super) fn retry(&mut self, retry: Option<&Retry>) -> RetryEntry {
        let Retry {
            attempts,
            backoff,
            when,
        } = retry.cloned().unwrap_or_default();
        let default = RetryEntry::default();
        let backoff = self.wait("spec.retry.backoff", backoff.as_deref());
        if backoff.is_some_and(|backoff| backoff > LONGEST_BACKOFF) {
            self.invalid("spec.retry.backoff", "must be at most 5s");
        }
        RetryEntry {
            attempts: self.count("spec.retry.attempts", attempts, default.attempts),
            backoff: backoff.unwrap_or(default.backoff),
            when: when.unwrap_or(default.when),
        }
    }

    pub(super) fn breaker(&mut self, breaker: Option<&CircuitBreaker>) -> BreakerEntry {
        let CircuitBreaker {
            consecutive_failures,
            failure_percent,
            minimum_requests,
            window,
            open_for,
            half_open_probes,
        } = breaker.cloned().unwrap_or_default();
        let default = BreakerEntry::default();
        let field = |name: &str| format!("spec.circuitBreaker.{name}");
        let window = self.wait(&field("window"), window.as_deref());
        if window.is_some_and(|window| !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window)) {
            self.invalid(field("window"), "must be from 1s to 10m");
        }
        let open_for = self.wait(&field("openFor"), open_for.as_deref());
        if open_for.is_some_and(|open_for| open_for > LONGEST_OPEN) {
            self.invalid(field("openFor"), "must be at most 1h");
        }
        let mut count = |name: &str, value, default| self.count(&field(name), value, default);
        BreakerEntry {
            consecutive_failures: count(
                "consecutiveFailures",
                consecutive_failures,
                default.consecutive_failures,
            ),
            failure_percent: count("failurePercent", failure_percent, default.failure_percent),
            minimum_requests: count("minimumRequests", minimum_requests, default.minimum_requests),
            window: window.unwrap_or(default.window),
            open_for: open_for.unwrap_or(default.open_for),
            half_open_probes: count("halfOpenProbes", half_open_probes, default.half_open_probes),
        }
    }
}
