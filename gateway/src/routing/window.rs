//! How many requests of the last seconds failed, in a fixed number of slices.

use std::time::Duration;

use tokio::time::Instant;

const SLICES: u32 = 10;

/// Counts that forget: what is older than the window drops out, a tenth of the window at a time.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    slices: [Slice; SLICES as usize],
}

/// Small, since there are ten for each target of thousands of Routes.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    /// Which tenth of a window since the beginning this counts.
    number: u64,
    bad: u32,
    all: u32,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            slices: Default::default(),
        }
    }

    pub(super) fn count(&mut self, is_bad: bool, now: Instant, length: Duration) {
        let number = self.number(now, length);
        let place = usize::try_from(number % u64::from(SLICES)).unwrap_or_default();
        let slice = &mut self.slices[place];
        if slice.number != number {
            *slice = Slice {
                number,
                ..Slice::default()
            };
        }
        slice.bad = slice.bad.saturating_add(u32::from(is_bad));
        slice.all = slice.all.saturating_add(1);
    }

    /// Those that failed, and all.
    pub(super) fn counts(&self, now: Instant, length: Duration) -> (u64, u64) {
        let number = self.number(now, length);
        let is_recent = |slice: &&Slice| {
            number
                .checked_sub(slice.number)
                .is_some_and(|age| age < u64::from(SLICES))
        };
        self.slices.iter().filter(is_recent).fold((0, 0), |(bad, all), slice| {
            (bad + u64::from(slice.bad), all + u64::from(slice.all))
        })
    }

    fn number(&self, now: Instant, length: Duration) -> u64 {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        nanos(now - self.began) / nanos(length / SLICES).max(1)
    }
}
