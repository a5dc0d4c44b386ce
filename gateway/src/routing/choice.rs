//! The order in which a Route's targets are tried. Pure but for one counter.
//!
//! Weights are spread by the smooth weighted round robin that nginx uses, worked out once into a table: a request takes the next
//! entry with one atomic addition, and any run of as many requests as the table is long has exact shares.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crds::route::Strategy;

/// Whom to try first, request by request, and whom next.
#[derive(Debug, Default)]
pub struct Sequence {
    /// Indices of targets.
    table: Box<[u8]>,
    /// Bit i: target i has a weight above 0.
    weighted: u16,
    targets: u8,
    next: Arc<AtomicUsize>,
}

impl Sequence {
    /// A sequence for targets of these weights (at most 16); the count goes on from `before`.
    pub fn new(strategy: Strategy, weights: &[u32], before: Option<&Self>) -> Self {
        let mut shares: Vec<u32> = match strategy {
            Strategy::Weighted => weights.to_vec(),
            Strategy::RoundRobin => weights.iter().map(|weight| (*weight).min(1)).collect(),
        };
        let mut weighted = 0;
        for (index, share) in shares.iter().enumerate() {
            weighted |= u16::from(*share > 0) << index;
        }
        if weighted == 0 {
            // Only fallbacks are left: the first of them serves.
            shares.iter_mut().take(1).for_each(|share| *share = 1);
        }
        Self {
            table: smooth(&shares).into(),
            weighted,
            targets: u8::try_from(weights.len()).unwrap_or(u8::MAX),
            next: before.map_or_else(Arc::default, |sequence| Arc::clone(&sequence.next)),
        }
    }

    /// The target to try first for the next request; none if there is no target.
    pub fn first(&self) -> Option<usize> {
        match self.table.len() {
            0 => None,
            1 => Some(usize::from(self.table[0])),
            length => Some(usize::from(
                self.table[self.next.fetch_add(1, Ordering::Relaxed) % length],
            )),
        }
    }

    /// The target to try after the last one failed. `tried` has a bit for each tried already. Those with a weight come first,
    /// in their order behind the first one; then the fallbacks.
    pub fn after(&self, first: usize, tried: u16) -> Option<usize> {
        let targets = usize::from(self.targets);
        let rest = (1..=targets)
            .map(|step| (first + step) % targets)
            .filter(|index| tried & 1 << index == 0);
        let is_weighted = |index: &usize| self.weighted & 1 << index != 0;
        rest.clone()
            .find(is_weighted)
            .or_else(|| (0..targets).find(|index| tried & 1 << index == 0))
    }
}

fn smooth(shares: &[u32]) -> Vec<u8> {
    let divisor = shares.iter().copied().fold(0, greatest_common_divisor).max(1);
    let shares: Vec<i64> = shares.iter().map(|share| i64::from(share / divisor)).collect();
    let total: i64 = shares.iter().sum();
    let mut current = vec![0_i64; shares.len()];
    let mut table = Vec::new();
    for _ in 0..total {
        for (value, share) in current.iter_mut().zip(&shares) {
            *value += share;
        }
        let mut best = 0;
        for (index, value) in current.iter().enumerate() {
            if *value > current[best] {
                best = index;
            }
        }
        current[best] -= total;
        table.push(u8::try_from(best).unwrap_or(u8::MAX));
    }
    table
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assume, proptest};

    use super::*;

    #[test]
    fn round_robin_takes_turns_and_leaves_out_fallbacks() {
        let sequence = Sequence::new(Strategy::RoundRobin, &[5, 0, 1], None);
        let firsts: Vec<_> = (0..4).filter_map(|_| sequence.first()).collect();
        assert_eq!(firsts, [0, 2, 0, 2]);
    }

    #[test]
    fn fallbacks_come_last_and_each_target_once() {
        let sequence = Sequence::new(Strategy::Weighted, &[0, 7, 3, 0], None);
        let mut tried = 1 << 1;
        let mut order = vec![1];
        while let Some(next) = sequence.after(1, tried) {
            tried |= 1 << next;
            order.push(next);
        }
        assert_eq!(order, [1, 2, 0, 3]);
    }

    #[test]
    fn fallbacks_serve_when_nothing_else_is_left_and_no_target_is_no_panic() {
        assert_eq!(Sequence::new(Strategy::Weighted, &[0, 0], None).first(), Some(0));
        let none = Sequence::new(Strategy::Weighted, &[], None);
        assert_eq!((none.first(), none.after(0, 0)), (None, None));
    }

    #[test]
    fn the_count_goes_on_over_a_change_of_configuration() {
        let before = Sequence::new(Strategy::RoundRobin, &[1, 1], None);
        before.first();
        assert_eq!(
            Sequence::new(Strategy::RoundRobin, &[1, 1], Some(&before)).first(),
            Some(1)
        );
    }

    proptest! {
        #[test]
        fn shares_of_any_thousand_requests_are_right_within_two(weights in proptest::collection::vec(0..1000_u32, 1..16), skip in 0..5000_usize) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let sequence = Sequence::new(Strategy::Weighted, &weights, None);
            let total: u32 = weights.iter().sum();
            for _ in 0..skip { sequence.first(); }
            let mut counts = vec![0_u32; weights.len()];
            for _ in 0..1000 { counts[sequence.first().unwrap()] += 1; }
            for (count, weight) in counts.iter().zip(&weights) {
                let share = f64::from(*weight) * 1000.0 / f64::from(total);
                prop_assert!((f64::from(*count) - share).abs() <= 2.0, "{count} of {share}");
            }
        }
    }
}
