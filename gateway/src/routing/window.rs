//! How many requests of the last seconds failed, in a fixed number of slices.

use std::time::Duration;

use tokio::time::Instant;

const SLICES: u32 = 10;

/// Counts that forget: what is older than the window drops out, a tenth of the window at a time.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    length: Duration,
    /// Which tenth of a window since the beginning is the latest that has a slice; those before it have the others.
    latest: u64,
    slices: [Slice; SLICES as usize],
}

/// Small, since there are ten for each target of thousands of Routes.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    bad: u32,
    all: u32,
}

impl Window {
    pub(super) fn new(now: Instant, length: Duration) -> Self {
        Self {
            began: now,
            length,
            latest: 0,
            slices: Default::default(),
        }
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn count(&mut self, is_bad: bool, now: Instant) {
        let number = self.number(now);
        if number + u64::from(SLICES) <= self.latest {
            // So late that it is out of the window already.
            return;
        }
        self.turn_to(number);
        let slice = &mut self.slices[place(number)];
        slice.bad = slice.bad.saturating_add(u32::from(is_bad));
        slice.all = slice.all.saturating_add(1);
    }

    /// Those that failed, and all.
    pub(super) fn counts(&self, now: Instant) -> (u64, u64) {
        let number = self.number(now);
        let first = self.latest.max(number).saturating_sub(u64::from(SLICES) - 1);
        let recent = (first..=self.latest.min(number)).map(|number| self.slices[place(number)]);
        recent.fold((0, 0), |(bad, all), slice| {
            (bad + u64::from(slice.bad), all + u64::from(slice.all))
        })
    }

    /// Sees to it that there is a slice of this number.
    fn turn_to(&mut self, number: u64) {
        if number >= self.latest + u64::from(SLICES) {
            self.slices = Default::default();
        } else {
            (self.latest + 1..=number).for_each(|number| self.slices[place(number)] = Slice::default());
        }
        self.latest = self.latest.max(number);
    }

    fn number(&self, now: Instant) -> u64 {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        nanos(now - self.began) / nanos(self.length / SLICES).max(1)
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % u64::from(SLICES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    proptest! {
        /// A slice is a second long: whatever was counted in this one and the nine before it is there, and nothing else.
        #[test]
        fn what_the_last_ten_slices_counted_is_there(pauses in prop::collection::vec(0..4_000_u64, 1..100), gap in 0..30_u64) {
            let began = Instant::now();
            let mut window = Window::new(began, LENGTH);
            let mut now = began;
            let mut counted = Vec::new();
            let second = |at: Instant| (at - began).as_secs();
            for (index, pause) in pauses.into_iter().enumerate() {
                now += Duration::from_millis(pause) + Duration::from_secs(if index == 50 { gap } else { 0 });
                let is_bad = index % 3 == 0;
                window.count(is_bad, now);
                counted.push((second(now), is_bad));
                let later = now + Duration::from_secs(gap % 12);
                for at in [now, later] {
                    let recent = counted.iter().filter(|(number, _)| second(at) - number < 10);
                    let (bad, good): (Vec<&_>, Vec<&_>) = recent.partition(|(_, is_bad)| *is_bad);
                    prop_assert_eq!(window.counts(at), (bad.len() as u64, (bad.len() + good.len()) as u64));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_late_count_is_one_of_its_time_or_none() {
        let began = Instant::now();
        let mut window = Window::new(began, LENGTH);
        let at = |seconds| began + Duration::from_secs(seconds);
        window.count(true, at(100));
        window.count(true, at(98));
        window.count(true, at(90));
        assert_eq!(window.counts(at(100)), (2, 2));
        assert_eq!(window.counts(at(108)), (1, 1), "the later one");
    }
}
