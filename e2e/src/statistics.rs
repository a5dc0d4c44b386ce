//! Medians and how sure they are.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

const RESAMPLES: usize = 2_000;

/// A median with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// None of an empty sample. Of an even number of values, the mean of the middle two.
pub fn median(sample: &[f64]) -> Option<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// The median of `sample`, and the interval that holds 95 % of the medians of samples drawn from it with replacement.
/// None of an empty sample.
pub fn estimate(sample: &[f64], seed: u64) -> Option<Estimate> {
    let center = median(sample)?;
    let mut random = SmallRng::seed_from_u64(seed);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let drawn: Vec<f64> = sample
                .iter()
                .map(|_| sample[random.random_range(0..sample.len())])
                .collect();
            median(&drawn)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    Some(Estimate {
        median: center,
        low: medians[tail],
        high: medians[RESAMPLES - 1 - tail],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 7.0]), Some(6.0));
    }

    #[test]
    fn one_wild_round_does_not_move_the_median_of_ten() {
        let mut sample = vec![10.0; 9];
        sample.push(1000.0);
        assert_eq!(median(&sample), Some(10.0));
    }

    #[test]
    fn equal_values_leave_no_doubt() {
        assert_eq!(
            estimate(&[2.0; 10], 1),
            Some(Estimate {
                median: 2.0,
                low: 2.0,
                high: 2.0
            })
        );
        assert_eq!(estimate(&[], 1), None);
    }

    #[test]
    fn the_interval_holds_the_median_and_stays_inside_the_sample() {
        let sample: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = estimate(&sample, 7).unwrap();
        assert!((found.median - 5.5).abs() < f64::EPSILON);
        assert!(found.low >= 1.0 && found.low < found.median, "{found:?}");
        assert!(found.high <= 10.0 && found.high > found.median, "{found:?}");
        assert!(
            found.low <= 4.0 && found.high >= 7.0,
            "ten values spread over ten leave a wide interval: {found:?}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let sample: Vec<f64> = (0..12).map(|n| f64::from(n * n % 7)).collect();
        assert_eq!(estimate(&sample, 3), estimate(&sample, 3));
    }
}
