//! Taking turns by weight.
//!
//! Weights are spread by the smooth weighted round robin that nginx uses, worked out once into a table: a request takes the next
//! entry with one atomic step, and any run of as many requests as the table is long has exact shares.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Whose turn it is, draw by draw.
#[derive(Debug, Default)]
pub struct Turns {
    /// Indices of members; those without a share are not in it.
    table: Box<[u8]>,
    next: Arc<AtomicUsize>,
}

impl Turns {
    /// Turns for members with these shares; the count goes on from `before`.
    pub fn new(shares: &[u32], before: Option<&Self>) -> Self {
        Self {
            table: smooth(shares).into(),
            next: before.map_or_else(Arc::default, |turns| Arc::clone(&turns.next)),
        }
    }

    /// Takes the next turn of those who are wanted; none if nobody is. The turns of the others are left out, so that shares stay
    /// as the weights are.
    pub fn next(&self, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let length = self.table.len();
        let mut at = self.next.load(Ordering::Relaxed);
        loop {
            let member = |step: usize| usize::from(self.table[at.wrapping_add(step) % length]);
            let step = (0..length).find(|step| is_wanted(member(*step)))?;
            let after = at.wrapping_add(step + 1);
            match self
                .next
                .compare_exchange_weak(at, after, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(member(step)),
                Err(now) => at = now,
            }
        }
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
    use super::*;

    #[test]
    fn the_shares_of_one_that_is_left_out_go_to_the_others_by_their_weights() {
        let turns = Turns::new(&[5, 2, 1, 0], None);
        let mut counts = [0; 4];
        for _ in 0..300 {
            counts[turns.next(|member| member != 0).unwrap()] += 1;
        }
        assert_eq!(counts, [0, 200, 100, 0]);
    }

    #[test]
    fn when_nobody_is_wanted_nobody_is_next() {
        let turns = Turns::new(&[1, 1], None);
        assert_eq!(turns.next(|_| false), None);
        assert_eq!(turns.next(|_| true), Some(0));
        assert_eq!(Turns::new(&[], None).next(|_| true), None);
    }
}
