//! Taking turns by weight.
//!
//! Weights are spread by the smooth weighted round robin that nginx uses, worked out once into a table: a request takes the next
//! entry with one atomic addition, and any run of as many requests as the table is long has exact shares.

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

/// A walk along the table from one draw on, one round at most.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    at: usize,
    left: usize,
}

impl Turns {
    /// Turns for members with these shares; the count goes on from `before`.
    pub fn new(shares: &[u32], before: Option<&Self>) -> Self {
        Self {
            table: smooth(shares).into(),
            next: before.map_or_else(Arc::default, |turns| Arc::clone(&turns.next)),
        }
    }

    /// Takes a turn.
    pub fn draw(&self) -> Walk {
        let length = self.table.len();
        Walk {
            at: match length {
                0 | 1 => 0,
                length => self.next.fetch_add(1, Ordering::Relaxed) % length,
            },
            left: length,
        }
    }

    /// The next member on the way that `is_wanted`. Those who follow one that is left out share its turns as their weights are.
    pub fn walk(&self, walk: &mut Walk, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        while walk.left > 0 {
            let member = usize::from(*self.table.get(walk.at)?);
            walk.at = if walk.at + 1 == self.table.len() {
                0
            } else {
                walk.at + 1
            };
            walk.left -= 1;
            if is_wanted(member) {
                return Some(member);
            }
        }
        None
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
        let turns = Turns::new(&[2, 1, 1, 0], None);
        let mut counts = [0; 4];
        for _ in 0..400 {
            counts[turns.walk(&mut turns.draw(), |member| member != 0).unwrap()] += 1;
        }
        assert_eq!(counts, [0, 200, 200, 0]);
    }

    #[test]
    fn a_walk_ends_after_one_round() {
        let turns = Turns::new(&[1, 1], None);
        let mut walk = turns.draw();
        let seen: Vec<_> = std::iter::from_fn(|| turns.walk(&mut walk, |_| true)).collect();
        assert_eq!(seen, [0, 1]);
        let nobody = Turns::new(&[], None);
        assert_eq!(nobody.walk(&mut nobody.draw(), |_| true), None);
    }
}
