//! How much both stores may take on the disk together. The oldest goes first, in whichever store it is.

use super::lane::Lane;
use super::store::{Size, Store};

/// Steps in one go, so that batches do not wait for long.
const STEPS: usize = 8;

/// The marks that keep the files below the bound while batches come and logs are folded in.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "a unit stands in the name of each amount")]
pub(super) struct Budget {
    /// Above this something is shed...
    high_bytes: u64,
    /// ...until this is reached.
    low_bytes: u64,
    /// Room that a store keeps for itself after shedding, which is not counted against the other as long as it is no more.
    slack_bytes: u64,
}

/// Which store gives way.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Neither,
    Examples,
    Analytics,
}

impl Budget {
    pub(super) fn of(max_bytes: u64) -> Self {
        Self {
            high_bytes: max_bytes / 4 * 3,
            low_bytes: max_bytes / 8 * 5,
            slack_bytes: max_bytes / 8,
        }
    }

    /// Sheds until the files are small enough, or for as long as may be now.
    pub(super) fn keep<E: Store, A: Store>(&self, examples: &mut Lane<E>, analytics: &mut Lane<A>) {
        // Most of the time that is all there is to it.
        if examples.disk_bytes() + analytics.disk_bytes() <= self.high_bytes {
            return;
        }
        for step in 0..STEPS {
            let sizes = (
                examples.with_store(|store| store.size()),
                analytics.with_store(|store| store.size()),
            );
            let (Some(of_examples), Some(of_analytics)) = sizes else {
                return;
            };
            let on_disk = of_examples.disk_bytes + of_analytics.disk_bytes;
            let live = on_disk - of_examples.reusable_bytes - of_analytics.reusable_bytes;
            let goal = if step == 0 { self.high_bytes } else { self.low_bytes };
            if on_disk <= goal || live <= self.low_bytes && on_disk <= self.high_bytes + self.slack_bytes {
                return;
            }
            let oldest = (
                examples.with_store(|store| store.oldest()).flatten(),
                analytics.with_store(|store| store.oldest()).flatten(),
            );
            // In small parts, so that the two stores take turns.
            let bytes = (on_disk.max(self.low_bytes + 1) - self.low_bytes).div_ceil(2);
            let shed = match self.next(of_analytics, oldest) {
                Next::Neither => return,
                Next::Examples => examples.with_store(|store| store.shed(bytes)),
                Next::Analytics => analytics.with_store(|store| store.shed(bytes)),
            };
            if shed.is_none() {
                return;
            }
        }
    }

    /// The store with the older oldest row; but deleting in a file that already has much room of its own would free none.
    fn next(&self, analytics: Size, oldest: (Option<i64>, Option<i64>)) -> Next {
        match oldest {
            (None, None) => Next::Neither,
            (Some(_), None) => Next::Examples,
            (Some(_), Some(_)) if analytics.reusable_bytes > self.slack_bytes => Next::Examples,
            (Some(examples), Some(analytics)) if examples <= analytics => Next::Examples,
            (_, Some(_)) => Next::Analytics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_one_gives_way_unless_it_has_room_that_it_cannot_give_back() {
        let budget = Budget::of(800);
        let size = |reusable_bytes| Size {
            disk_bytes: 400,
            reusable_bytes,
        };
        assert_eq!(budget.next(size(0), (Some(1), Some(2))), Next::Examples);
        assert_eq!(budget.next(size(0), (Some(2), Some(1))), Next::Analytics);
        assert_eq!(budget.next(size(101), (Some(2), Some(1))), Next::Examples);
        assert_eq!(budget.next(size(101), (None, Some(1))), Next::Analytics);
        assert_eq!(budget.next(size(0), (None, None)), Next::Neither);
    }
}
