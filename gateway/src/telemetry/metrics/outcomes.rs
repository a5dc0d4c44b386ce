//! How often something ended in each way. Of thousands of Routes most have only ever ended well: what went wrong takes no room before it does.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::capture::record::Outcome;

/// Counts by outcome.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    ok: AtomicU64,
    others: OnceLock<Box<[AtomicU64; Outcome::ALL.len()]>>,
}

impl Outcomes {
    pub(super) fn add_one(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Ok => &self.ok,
            other => {
                let others = self
                    .others
                    .get_or_init(|| Box::new(array::from_fn(|_| AtomicU64::default())));
                &others[other as usize]
            }
        };
        count.fetch_add(1, Relaxed);
    }

    /// All of them, those included that count nothing yet.
    pub(super) fn show(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let others = self.others.get();
        Outcome::ALL.into_iter().map(move |outcome| {
            let count = match outcome {
                Outcome::Ok => Some(&self.ok),
                other => others.map(|others| &others[other as usize]),
            };
            (outcome, count.map_or(0, |count| count.load(Relaxed)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_by_itself() {
        let outcomes = Outcomes::default();
        assert!(outcomes.show().all(|(_, count)| count == 0));
        for (times, outcome) in (1..).zip(Outcome::ALL) {
            (0..times).for_each(|_| outcomes.add_one(outcome));
        }
        let expected: Vec<_> = Outcome::ALL.into_iter().zip(1..).collect();
        assert_eq!(outcomes.show().collect::<Vec<_>>(), expected);
    }
}
