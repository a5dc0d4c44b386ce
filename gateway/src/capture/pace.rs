//! How fast content is taken at most, so that what is kept of a Route spans at least about a minute, however busy it is, and the stores keep up
//! with any load. What comes faster is left out and counted; its figures are kept as always.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A rate with a burst: the generic cell rate algorithm in its virtual scheduling form (ITU-T I.371, annex A), in one atomic word.
#[derive(Debug)]
pub struct Pace {
    epoch: Instant,
    /// When all that was taken will have been due at the steady rate, in nanoseconds since `epoch`.
    due_nanos: AtomicU64,
    /// Of one unit at the steady rate.
    unit_nanos: f64,
    burst_nanos: u64,
}

/// The paces of a whole gateway, whatever the Routes.
#[derive(Debug)]
pub(super) struct Paces {
    examples: Pace,
    bytes: Pace,
}

/// Examples a second, and at once: a little more than one Route of the usual `maxExamples`.
const EXAMPLES: (u64, u64) = (1_000, 12_000);
/// Bytes of content a second, and at once. What comes faster than the store writes it finds no place in the queue either (see `batch`).
const BYTES: (u64, u64) = (8 << 20, 32 << 20);
/// A Route's `maxExamples` are replaced within this time at the fastest.
const TURNOVER: Duration = Duration::from_mins(1);
/// Within which as many as this may come whatever `maxExamples` says: so few cost nothing.
const LEAST: u64 = 6_000;

impl Pace {
    /// `units` in each `period` steadily, and `burst` at once.
    pub fn new(units: u64, period: Duration, burst: u64, epoch: Instant) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact beyond 52 bits")]
        let unit_nanos = period.as_nanos() as f64 / units.max(1) as f64;
        Self {
            epoch,
            due_nanos: AtomicU64::new(0),
            unit_nanos,
            burst_nanos: nanos(unit_nanos, burst),
        }
    }

    /// What a Route may have stored: all that it may keep at once, with the eighth that the store tolerates, then as much a minute.
    pub fn of_examples(max_examples: u64, epoch: Instant) -> Self {
        let max_examples = max_examples.max(LEAST);
        let burst = max_examples.saturating_add(max_examples / 8);
        Self::new(max_examples, TURNOVER, burst, epoch)
    }

    /// Whether this is as `other` but for what was taken.
    pub fn is_as(&self, other: &Self) -> bool {
        self.burst_nanos == other.burst_nanos && self.unit_nanos.to_bits() == other.unit_nanos.to_bits()
    }

    /// Takes `units`, if the pace allows. More than the burst at once is taken when nothing was before.
    pub fn take(&self, units: u64, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        let cost = nanos(self.unit_nanos, units);
        let take = |due: u64| {
            let due = due.max(now).saturating_add(cost);
            (due - now <= self.burst_nanos.max(cost)).then_some(due)
        };
        self.due_nanos
            .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    /// What was just taken comes to nothing: another bound refused it.
    fn give_back(&self, units: u64) {
        self.due_nanos
            .fetch_sub(nanos(self.unit_nanos, units), Ordering::Relaxed);
    }
}

impl Paces {
    pub(super) fn new(epoch: Instant) -> Self {
        let second = Duration::from_secs(1);
        Self {
            examples: Pace::new(EXAMPLES.0, second, EXAMPLES.1, epoch),
            bytes: Pace::new(BYTES.0, second, BYTES.1, epoch),
        }
    }

    /// Takes an example of `bytes`, if its Route's pace and both of these allow; else nothing is used up of any.
    pub(super) fn take(&self, route: &Pace, bytes: u64, now: Instant) -> bool {
        if !route.take(1, now) {
            return false;
        }
        if !self.examples.take(1, now) {
            route.give_back(1);
            return false;
        }
        let takes = self.bytes.take(bytes, now);
        if !takes {
            self.examples.give_back(1);
            route.give_back(1);
        }
        takes
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a product of positive numbers, and a float saturates"
)]
fn nanos(unit_nanos: f64, units: u64) -> u64 {
    (unit_nanos * units as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pace: &Pace, tries: u64, now: Instant) -> u64 {
        (0..tries).map(|_| u64::from(pace.take(1, now))).sum()
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_as_much_as_time_brings() {
        let start = Instant::now();
        let pace = Pace::of_examples(8_000, start);
        assert_eq!(taken(&pace, 50_000, start), 9_000);
        assert_eq!(taken(&pace, 50_000, start + Duration::from_secs(15)), 2_000);
        assert_eq!(taken(&pace, 50_000, start + Duration::from_hours(9)), 9_000);
        assert_eq!(taken(&Pace::of_examples(1, start), 50_000, start), 6_750);
    }

    #[test]
    fn a_gateway_takes_no_more_bytes_than_its_stores_keep_up_with() {
        let start = Instant::now();
        let (paces, route) = (Paces::new(start), Pace::of_examples(1_000_000, start));
        let megabyte = 1 << 20;
        let taken = |now| (0..1_000).filter(|_| paces.take(&route, megabyte, now)).count();
        assert_eq!(taken(start), 32);
        assert_eq!(taken(start + Duration::from_secs(2)), 16);
    }

    #[test]
    fn what_one_bound_refuses_uses_up_nothing_of_the_others() {
        let start = Instant::now();
        let (paces, route) = (Paces::new(start), Pace::of_examples(50_000, start));
        assert!(paces.take(&route, BYTES.1, start));
        // No bytes are left: none of these takes an example, of the gateway or of the Route.
        assert!((0..EXAMPLES.1).all(|_| !paces.take(&route, 1_000, start)));
        assert_eq!(taken(&paces.examples, 2 * EXAMPLES.1, start), EXAMPLES.1 - 1);
        assert_eq!(taken(&route, 100_000, start), 56_250 - 1);
    }

    #[test]
    fn a_request_larger_than_the_burst_is_taken_when_nothing_was_before() {
        let start = Instant::now();
        let pace = Pace::new(10, Duration::from_secs(1), 10, start);
        assert!(pace.take(1_000, start) && !pace.take(1, start + Duration::from_secs(50)));
        assert!(pace.take(1, start + Duration::from_secs(100)));
    }
}
