//! The order in which a Route's targets are tried. Pure but for the counters of turns.
//!
//! Lower priorities come first; within one, turns by weight or the session's own target; those without a weight come last of all.

use crds::route::Strategy;

use super::{
    affinity::{Affinity, Seat},
    turns::Turns,
};

/// Whom to try first, request by request, and whom next.
#[derive(Debug, Default)]
pub struct Sequence {
    /// By priority, lower first.
    tiers: Box<[Tier]>,
    /// Targets without a weight, by priority, then as declared.
    fallbacks: Box<[u8]>,
    /// There is one target: nothing is to be chosen.
    is_single: bool,
}

/// What the choice knows of a target.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub name: &'a str,
    pub weight: u32,
    pub priority: u32,
}

/// One request's way through the targets: each comes once at most.
#[derive(Debug)]
pub struct Order<'a> {
    sequence: &'a Sequence,
    affinity: Option<Affinity>,
    /// Bit i: target i had its chance.
    seen: u16,
    tier: usize,
}

/// The targets of one priority that have a weight.
#[derive(Debug)]
struct Tier {
    priority: u32,
    turns: Turns,
    /// Index of the target, and its seat.
    seats: Box<[(u8, Seat)]>,
}

impl Sequence {
    /// A sequence for these targets (at most 16); the counts go on from `before`.
    pub fn new(strategy: Strategy, targets: &[Candidate<'_>], before: Option<&Self>) -> Self {
        let share = |target: &Candidate<'_>| match strategy {
            Strategy::Weighted => target.weight,
            Strategy::RoundRobin => target.weight.min(1),
        };
        let mut priorities: Vec<u32> = targets
            .iter()
            .filter(|target| target.weight > 0)
            .map(|target| target.priority)
            .collect();
        priorities.sort_unstable();
        priorities.dedup();
        let is_single = targets.len() == 1;
        // Nothing is chosen among one; but turns that were taken before go on when there are more again.
        if is_single && before.is_none_or(|before| before.tiers.is_empty()) {
            priorities.clear();
        }
        let tiers = priorities.into_iter().map(|priority| {
            let shares: Vec<u32> = targets
                .iter()
                .map(|target| if target.priority == priority { share(target) } else { 0 })
                .collect();
            let seats = indexed(targets)
                .filter(|(_, target)| target.priority == priority && target.weight > 0)
                .map(|(index, target)| (index, Seat::new(target.name, share(target))));
            let same = before.and_then(|before| before.tiers.iter().find(|tier| tier.priority == priority));
            Tier {
                priority,
                turns: Turns::new(&shares, same.map(|tier| &tier.turns)),
                seats: seats.collect(),
            }
        });
        let mut fallbacks: Vec<(u32, u8)> = indexed(targets)
            .filter(|(_, target)| target.weight == 0 && !is_single)
            .map(|(index, target)| (target.priority, index))
            .collect();
        fallbacks.sort_unstable();
        Self {
            tiers: tiers.collect(),
            fallbacks: fallbacks.into_iter().map(|(_, index)| index).collect(),
            is_single,
        }
    }

    /// The order for one more request.
    pub fn order(&self, affinity: Option<Affinity>) -> Order<'_> {
        Order {
            sequence: self,
            affinity,
            seen: 0,
            tier: 0,
        }
    }
}

impl Order<'_> {
    /// The next target that lets the request in, with what `admit` gave.
    pub fn next<P>(&mut self, mut admit: impl FnMut(usize) -> Option<P>) -> Option<(usize, P)> {
        loop {
            let candidate = self.candidate()?;
            self.seen |= 1 << candidate;
            if let Some(pass) = admit(candidate) {
                return Some((candidate, pass));
            }
        }
    }

    fn candidate(&mut self) -> Option<usize> {
        let seen = self.seen;
        let is_left = |index: usize| seen & 1 << index == 0;
        if self.sequence.is_single {
            return is_left(0).then_some(0);
        }
        while let Some(tier) = self.sequence.tiers.get(self.tier) {
            let found = match self.affinity {
                Some(affinity) => tier.closest(affinity, is_left),
                None => tier.turns.next(is_left),
            };
            if found.is_some() {
                return found;
            }
            self.tier += 1;
        }
        let mut fallbacks = self.sequence.fallbacks.iter().map(|index| usize::from(*index));
        fallbacks.find(|index| is_left(*index))
    }
}

impl Tier {
    fn closest(&self, affinity: Affinity, is_left: impl Fn(usize) -> bool) -> Option<usize> {
        let left = self.seats.iter().filter(|(index, _)| is_left(usize::from(*index)));
        let scored = left.map(|(index, seat)| (usize::from(*index), seat.score(affinity)));
        scored
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(index, _)| index)
    }
}

fn indexed<'a, 'b>(targets: &'a [Candidate<'b>]) -> impl Iterator<Item = (u8, &'a Candidate<'b>)> {
    (0..=u8::MAX).zip(targets)
}

#[cfg(test)]
mod tests;
