//! Which of two Snapshots a pod has after the second came. Pure.

use crds::fleet::Order;

/// What becomes of a Snapshot that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is put into use.
    Take,
    /// It is what the pod has already. The pod's order is the higher of both.
    Same,
    /// It is not above what the pod has.
    Refuse,
}

/// Judges what came by what the pod has: order and revision of each.
pub(super) fn judge(has: Option<(Order, &str)>, (order, revision): (Order, &str)) -> Verdict {
    match has {
        None => Verdict::Take,
        Some((_, known)) if known == revision => Verdict::Same,
        Some((known, _)) if order > known => Verdict::Take,
        Some(_) => Verdict::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(epoch: u64, sequence: u64) -> Order {
        Order { epoch, sequence }
    }

    #[test]
    fn only_what_is_above_is_taken_and_the_same_revision_always() {
        let has = Some((order(3, 5), "a"));
        for (came, verdict) in [
            ((order(3, 6), "b"), Verdict::Take),
            ((order(4, 1), "b"), Verdict::Take),
            ((order(3, 5), "b"), Verdict::Refuse),
            ((order(3, 4), "b"), Verdict::Refuse),
            ((order(2, 9), "b"), Verdict::Refuse),
            ((order(2, 9), "a"), Verdict::Same),
            ((order(9, 9), "a"), Verdict::Same),
        ] {
            assert_eq!(judge(has, came), verdict, "{came:?}");
        }
        assert_eq!(judge(None, (order(0, 0), "")), Verdict::Take);
    }

    proptest! {
        /// In whatever order pushes come, and however often, a pod ends with the highest, and never goes back on its way there.
        #[test]
        fn the_highest_order_wins_whatever_comes_when(came in prop::collection::vec((0_u64..4, 0_u64..4), 1..40)) {
            let mut has: Option<(Order, String)> = None;
            let mut highest = Order::default();
            for (epoch, sequence) in came {
                let order = order(epoch, sequence);
                highest = highest.max(order);
                // One order has one revision: an operator never gives two the same.
                let revision = format!("{epoch}.{sequence}");
                let before = has.as_ref().map(|(order, _)| *order);
                match judge(has.as_ref().map(|(order, revision)| (*order, revision.as_str())), (order, &revision)) {
                    Verdict::Take => has = Some((order, revision)),
                    Verdict::Same | Verdict::Refuse => {}
                }
                prop_assert!(has.as_ref().map(|(order, _)| *order) >= before);
                prop_assert_eq!(has.as_ref().map(|(order, _)| *order), Some(highest));
            }
        }
    }
}
