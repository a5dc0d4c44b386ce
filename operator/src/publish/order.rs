//! Which (epoch, sequence) the next push gets, and when the epoch has to be raised first.

use crds::fleet::Order;

/// The orders of one leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    /// The newest that was given out: sequence 0 is none.
    last: Order,
    /// The epoch has to be above this one before anything is pushed.
    exceed: Option<u64>,
}

impl Orders {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            last: Order { epoch, sequence: 0 },
            exceed: None,
        }
    }

    /// The next one; none as long as the epoch is too low.
    pub(super) fn next(&mut self) -> Option<Order> {
        if self.exceed.is_some() {
            return None;
        }
        self.last.sequence += 1;
        Some(self.last)
    }

    /// A pod holds `order`. Where that is neither from here nor below, nothing is pushed until the epoch is above it.
    pub(super) fn met(&mut self, order: Order) {
        if order > self.last && self.exceed.is_none_or(|epoch| order.epoch > epoch) {
            self.exceed = Some(order.epoch);
        }
    }

    /// The Lease has this epoch now. Whether the orders begin anew in it, and what was pushed has to be pushed again.
    pub(super) fn raised(&mut self, epoch: u64) -> bool {
        let wanted = self.exceed.is_some_and(|exceeded| epoch > exceeded);
        if wanted {
            *self = Self::new(epoch);
        }
        wanted
    }

    pub(super) fn epoch(&self) -> u64 {
        self.last.epoch
    }

    /// The epoch to be exceeded before anything is pushed.
    pub(super) fn exceed(&self) -> Option<u64> {
        self.exceed
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
    fn orders_of_ones_own_or_below_change_nothing() {
        let mut orders = Orders::new(3);
        assert_eq!(orders.next(), Some(order(3, 1)));
        for met in [order(3, 1), order(3, 0), order(2, 900)] {
            orders.met(met);
        }
        assert_eq!(orders.next(), Some(order(3, 2)));
    }

    #[test]
    fn nothing_is_pushed_until_the_epoch_is_above_all_that_was_met() {
        let mut orders = Orders::new(0);
        orders.met(order(0, 7));
        assert_eq!((orders.next(), orders.exceed()), (None, Some(0)));
        orders.met(order(4, 1));
        orders.met(order(2, 1));
        assert_eq!(orders.exceed(), Some(4));
        assert!(!orders.raised(4) && orders.next().is_none());
        assert!(orders.raised(5));
        assert_eq!(orders.next(), Some(order(5, 1)));
    }

    #[derive(Clone, Debug)]
    enum Event {
        /// Another process leads, with any epoch: a Lease that is made anew begins at 0. It has asked some of the pods what they hold.
        Leader { epoch: u64, asked: u8 },
        /// The leader pushes to these pods.
        Push { to: u8 },
        /// A push that an earlier leader made arrives late.
        Late { index: usize, pod: usize },
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0_u64..6, any::<u8>()).prop_map(|(epoch, asked)| Event::Leader { epoch, asked }),
            any::<u8>().prop_map(|to| Event::Push { to }),
            (any::<usize>(), 0_usize..3).prop_map(|(index, pod)| Event::Late { index, pod }),
        ]
    }

    proptest! {
        /// What a pod has never goes back, and a leader that is let work reaches all pods, whatever was there before.
        #[test]
        fn the_last_leader_reaches_every_pod(events in prop::collection::vec(events(), 0..60)) {
            let mut pods: [Option<Order>; 3] = [None; 3];
            let mut sent = Vec::new();
            let mut leader = Orders::new(0);
            // A pod takes what is above what it has, and tells what it has.
            let take = |pods: &mut [Option<Order>; 3], pod: usize, pushed: Order| {
                pods[pod] = pods[pod].max(Some(pushed));
                pods[pod].filter(|held| *held != pushed)
            };
            let push = |leader: &mut Orders, pods: &mut [Option<Order>; 3], to: u8| {
                if let Some(above) = leader.exceed() {
                    leader.raised(above + 1);
                }
                let pushed = leader.next();
                for pod in (0..3).filter(|pod| to & (1 << pod) != 0) {
                    if let Some(higher) = pushed.and_then(|pushed| take(pods, pod, pushed)) {
                        leader.met(higher);
                    }
                }
                pushed
            };
            for event in events {
                match event {
                    Event::Leader { epoch, asked } => {
                        leader = Orders::new(epoch);
                        for pod in (0..3).filter(|pod| asked & (1 << pod) != 0) {
                            pods[pod].into_iter().for_each(|held| leader.met(held));
                        }
                    }
                    Event::Push { to } => sent.extend(push(&mut leader, &mut pods, to)),
                    Event::Late { index, pod } if !sent.is_empty() => {
                        take(&mut pods, pod, sent[index % sent.len()]);
                    }
                    Event::Late { .. } => {}
                }
            }
            // Each refusal raises the epoch once; there are three pods.
            let mut last = None;
            for _ in 0..4 {
                last = push(&mut leader, &mut pods, 7);
            }
            prop_assert!(pods.iter().all(|held| *held == last), "{pods:?} {last:?}");
        }
    }
}
