//! Histograms of whole numbers. One takes a hundredth of the memory of the crate's own, which carry their name, help and
//! labels each: there are some for every Route.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// How often values came up to each bound; the bounds stand in a table, once for all.
#[repr(C)]
pub(super) struct Buckets<const N: usize> {
    /// In front, beside the counts of small values, which are the usual ones.
    sum: AtomicU64,
    counts: [AtomicU64; N],
    beyond: AtomicU64,
}

/// Upper bounds of buckets, and how many of the unit that is counted in make one of the unit that is shown.
pub(super) struct Bounds<const N: usize> {
    pub(super) bounds: [u64; N],
    pub(super) scale: f64,
}

/// Of calls and requests, in microseconds: as OpenTelemetry advises.
pub(super) const TIMES: Bounds<14> = Bounds {
    bounds: [
        10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000, 10_240_000,
        20_480_000, 40_960_000, 81_920_000,
    ],
    scale: 1e6,
};
/// Of first tokens, in microseconds: as OpenTelemetry advises.
pub(super) const FIRSTS: Bounds<16> = Bounds {
    bounds: [
        1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
        5_000_000, 7_500_000, 10_000_000,
    ],
    scale: 1e6,
};
/// Of tokens: as OpenTelemetry advises.
pub(super) const TOKENS: Bounds<14> = Bounds {
    bounds: [
        1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ],
    scale: 1.0,
};

/// A histogram as it is shown.
pub(super) struct Shown {
    /// Upper bounds, each with the count of all values up to it.
    pub(super) cumulative: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self {
            counts: array::from_fn(|_| AtomicU64::default()),
            beyond: AtomicU64::default(),
            sum: AtomicU64::default(),
        }
    }
}

impl<const N: usize> Buckets<N> {
    pub(super) fn observe(&self, Bounds { bounds, .. }: &Bounds<N>, value: u64) {
        let place = bounds.iter().position(|bound| value <= *bound);
        place
            .map_or(&self.beyond, |place| &self.counts[place])
            .fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// None while nothing was observed.
    pub(super) fn show(&self, Bounds { bounds, scale }: &Bounds<N>) -> Option<Shown> {
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(N);
        for (bound, own) in bounds.iter().zip(&self.counts) {
            count += own.load(Relaxed);
            cumulative.push((float(*bound) / scale, count));
        }
        count += self.beyond.load(Relaxed);
        (count > 0).then(|| Shown {
            cumulative,
            count,
            sum: float(self.sum.load(Relaxed)) / scale,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus counts in floating point: from 2^53 on, the last digits are rounded"
)]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_counts_as_up_to_it_and_one_beyond_all_counts_too() {
        let buckets = Buckets::default();
        assert!(buckets.show(&TOKENS).is_none());
        for value in [0, 1, 2, 4, u64::from(u32::MAX)] {
            buckets.observe(&TOKENS, value);
        }
        let shown = buckets.show(&TOKENS).unwrap();
        assert_eq!(shown.cumulative[..3], [(1.0, 2), (4.0, 4), (16.0, 4)]);
        assert_eq!((shown.cumulative[13].1, shown.count), (4, 5));
        assert!((shown.sum - 4_294_967_302.0).abs() < 0.5);
    }

    #[test]
    fn times_are_counted_in_microseconds_and_shown_in_seconds() {
        let buckets = Buckets::default();
        buckets.observe(&TIMES, 20_001);
        let shown = buckets.show(&TIMES).unwrap();
        assert_eq!(shown.cumulative[..3], [(0.01, 0), (0.02, 0), (0.04, 1)]);
        assert!((shown.sum - 0.020_001).abs() < 1e-12);
    }

    #[test]
    fn bounds_rise() {
        assert!(TIMES.bounds.is_sorted() && FIRSTS.bounds.is_sorted() && TOKENS.bounds.is_sorted());
    }
}
