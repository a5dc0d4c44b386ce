use proptest::prelude::{prop_assert, prop_assert_eq, prop_assume, proptest};

use super::*;

/// Targets of these weights, all of priority 0.
fn sequence(strategy: Strategy, weights: &[u32], before: Option<&Sequence>) -> Sequence {
    let targets: Vec<(u32, u32)> = weights.iter().map(|weight| (*weight, 0)).collect();
    prioritized(strategy, &targets, before)
}

/// Targets of these weights and priorities.
fn prioritized(strategy: Strategy, targets: &[(u32, u32)], before: Option<&Sequence>) -> Sequence {
    let names: Vec<String> = (0..targets.len()).map(|index| format!("target-{index}")).collect();
    let candidates: Vec<Candidate<'_>> = names
        .iter()
        .zip(targets)
        .map(|(name, (weight, priority))| Candidate {
            name,
            weight: *weight,
            priority: *priority,
        })
        .collect();
    Sequence::new(strategy, &candidates, before)
}

fn first(sequence: &Sequence) -> Option<usize> {
    sequence.order(None).next(|_| Some(())).map(|(index, ())| index)
}

/// All targets in the order of one request, those left out that are not `usable`.
fn whole(sequence: &Sequence, affinity: Option<Affinity>, usable: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut order = sequence.order(affinity);
    std::iter::from_fn(|| order.next(|index| usable(index).then_some(())))
        .map(|(index, ())| index)
        .collect()
}

#[test]
fn round_robin_takes_turns_and_leaves_out_fallbacks() {
    let sequence = sequence(Strategy::RoundRobin, &[5, 0, 1], None);
    let firsts: Vec<_> = (0..4).filter_map(|_| first(&sequence)).collect();
    assert_eq!(firsts, [0, 2, 0, 2]);
}

#[test]
fn turns_go_on_where_there_was_but_one_target_for_a_while() {
    let before = sequence(Strategy::RoundRobin, &[1, 1, 1], None);
    assert_eq!(first(&before), Some(0));
    let one = sequence(Strategy::RoundRobin, &[1], Some(&before));
    assert_eq!(whole(&one, None, |_| true), [0]);
    let again = sequence(Strategy::RoundRobin, &[1, 1, 1], Some(&one));
    assert_eq!(first(&again), Some(1));
    let single = sequence(Strategy::RoundRobin, &[0], None);
    assert_eq!(whole(&single, None, |_| true), [0]);
    assert_eq!(first(&sequence(Strategy::RoundRobin, &[1, 1], Some(&single))), Some(0));
}

#[test]
fn lower_priorities_come_first_and_fallbacks_last() {
    let targets = [(0, 0), (1, 5), (7, 2), (0, 1), (3, 2)];
    let sequence = prioritized(Strategy::Weighted, &targets, None);
    assert_eq!(whole(&sequence, None, |_| true), [2, 4, 1, 0, 3]);
    assert_eq!(whole(&sequence, None, |index| index != 2), [4, 1, 0, 3]);
}

#[test]
fn fallbacks_serve_when_nothing_else_is_left_and_no_target_is_no_panic() {
    assert_eq!(
        whole(&sequence(Strategy::Weighted, &[0, 0], None), None, |_| true),
        [0, 1]
    );
    assert_eq!(
        whole(&sequence(Strategy::Weighted, &[], None), None, |_| true),
        [0_usize; 0]
    );
}

#[test]
fn the_count_goes_on_over_a_change_of_configuration() {
    let before = sequence(Strategy::RoundRobin, &[1, 1], None);
    first(&before);
    assert_eq!(first(&sequence(Strategy::RoundRobin, &[1, 1], Some(&before))), Some(1));
}

#[test]
fn sessions_stay_and_are_shared_out_by_weight() {
    let sequence = sequence(Strategy::Weighted, &[3, 1, 0], None);
    let mut counts = [0; 3];
    for session in 0..4000 {
        let affinity = Some(Affinity::of(format!("session-{session}").as_bytes()));
        let order = whole(&sequence, affinity, |_| true);
        assert_eq!(order, whole(&sequence, affinity, |_| true));
        assert_eq!(order[2], 2, "the fallback comes last");
        counts[order[0]] += 1;
    }
    assert!((2850..3150).contains(&counts[0]), "{counts:?}");
}

#[test]
fn only_the_sessions_of_a_target_that_fails_move() {
    let sequence = sequence(Strategy::RoundRobin, &[1, 1, 1], None);
    for session in 0..300 {
        let affinity = Some(Affinity::of(format!("session-{session}").as_bytes()));
        let healthy = whole(&sequence, affinity, |_| true);
        let without = whole(&sequence, affinity, |index| index != 1);
        let expected: Vec<usize> = healthy.into_iter().filter(|index| *index != 1).collect();
        assert_eq!(without, expected);
    }
}

proptest! {
    #[test]
    fn shares_of_any_thousand_requests_are_right_within_two(weights in proptest::collection::vec(0..1000_u32, 1..16), skip in 0..5000_usize) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let sequence = sequence(Strategy::Weighted, &weights, None);
        let total: u32 = weights.iter().sum();
        for _ in 0..skip { first(&sequence); }
        let mut counts = vec![0_u32; weights.len()];
        for _ in 0..1000 { counts[first(&sequence).unwrap()] += 1; }
        for (count, weight) in counts.iter().zip(&weights) {
            let share = f64::from(*weight) * 1000.0 / f64::from(total);
            prop_assert!((f64::from(*count) - share).abs() <= 2.0, "{count} of {share}");
        }
    }

    #[test]
    fn every_usable_target_comes_once_by_priority_and_fallbacks_last(
        targets in proptest::collection::vec((0..4_u32, 0..3_u32), 0..16),
        usable in proptest::bits::u16::ANY,
        session in proptest::option::of(proptest::num::u64::ANY),
    ) {
        let sequence = prioritized(Strategy::Weighted, &targets, None);
        let affinity = session.map(|session| Affinity::of(&session.to_le_bytes()));
        let order = whole(&sequence, affinity, |index| usable & 1 << index != 0);
        let mut expected: Vec<usize> = (0..targets.len()).filter(|index| usable & 1 << index != 0).collect();
        // Whose turn it is within one priority is a matter of turns: only the ranks must rise.
        let rank = |index: &usize| (targets[*index].0 == 0, targets[*index].1);
        prop_assert!(order.is_sorted_by_key(rank), "{order:?}");
        let mut sorted = order;
        sorted.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(sorted, expected);
    }
}
