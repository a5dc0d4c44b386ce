//! Whether a target that failed is tried once more, and after how long. Pure.

use std::time::Duration;

use crds::snapshot::RetryEntry;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::providers::failure::Failure;

/// The longest wait, however often it doubled. A provider that asks for more is not waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait before the next try at the same target, of which there have been `retries` beyond the first; none if there
/// is to be none. `seed` decides the jitter.
pub fn wait(policy: &RetryEntry, failure: &Failure, has_other_key: bool, retries: u32, seed: u64) -> Option<Duration> {
    if retries >= policy.attempts || failure.is_clients_own() {
        return None;
    }
    if has_other_key {
        return Some(Duration::ZERO);
    }
    if !policy.when.contains(&failure.retry_on()?) {
        return None;
    }
    match failure.retry_after() {
        Some(asked) if asked > LONGEST => None,
        Some(asked) => Some(asked),
        None => Some(backoff(policy.backoff, retries, seed)),
    }
}

/// Full jitter: anything between nothing and the bound, so that those who failed together do not return together.
fn backoff(first: Duration, retries: u32, seed: u64) -> Duration {
    let bound = first.saturating_mul(1 << retries.min(16)).min(LONGEST);
    let mut random = SmallRng::seed_from_u64(seed.wrapping_add(u64::from(retries)));
    random.random_range(Duration::ZERO..=bound)
}

#[cfg(test)]
mod tests {
    use crds::route::RetryOn;
    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::providers::upstream_error::UpstreamError;

    fn status(status: u16, retry_after: Option<u64>) -> Failure {
        Failure::Status {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            error: Box::new(UpstreamError::read(b"")),
        }
    }

    fn is_tried_again(policy: &RetryEntry, failure: &Failure) -> bool {
        wait(policy, failure, false, 0, 1).is_some()
    }

    #[test]
    fn by_default_all_but_timeouts_and_cuts_are_worth_a_try() {
        let policy = RetryEntry::default();
        let second = Duration::from_secs(1);
        for (failure, expected) in [
            (Failure::Connect("refused".to_owned()), true),
            (status(500, None), true),
            (status(503, None), true),
            (status(429, None), true),
            (Failure::ConnectTimeout(second), false),
            (Failure::FirstTokenTimeout(second), false),
            (Failure::IdleTimeout(second), false),
            (Failure::TotalTimeout(second), false),
            (Failure::Broken("reset".to_owned()), false),
            (Failure::EarlyEnd, false),
            (status(400, None), false),
            (status(401, None), false),
            (status(403, None), false),
            (status(404, None), false),
            (status(422, None), false),
            (Failure::ContentType("text/html".to_owned()), false),
            (Failure::TooLong(1), false),
        ] {
            assert_eq!(is_tried_again(&policy, &failure), expected, "{failure}");
            let timeout = RetryEntry {
                when: vec![RetryOn::Timeout],
                ..policy.clone()
            };
            let is_timeout = failure.retry_on() == Some(RetryOn::Timeout);
            assert_eq!(is_tried_again(&timeout, &failure), is_timeout, "{failure}");
        }
    }

    #[test]
    fn what_the_provider_asks_for_is_waited_for_up_to_a_bound() {
        let policy = RetryEntry::default();
        let wait = |failure: &Failure| wait(&policy, failure, false, 0, 1);
        assert_eq!(wait(&status(429, Some(5))), Some(LONGEST));
        assert_eq!(wait(&status(503, Some(1))), Some(Duration::from_secs(1)));
        assert_eq!(wait(&status(429, Some(6))), None);
    }

    #[test]
    fn another_key_is_used_at_once_within_the_same_number_of_tries() {
        let policy = RetryEntry::default();
        let refused = status(401, None);
        assert_eq!(wait(&policy, &refused, true, 0, 1), Some(Duration::ZERO));
        assert_eq!(wait(&policy, &refused, true, 1, 1), None);
    }

    proptest! {
        #[test]
        fn waits_stay_within_a_bound_that_doubles(retries in 0..5_u32, seed in 0..1000_u64, first_millis in 1..5000_u64) {
            let first = Duration::from_millis(first_millis);
            let bound = (first * 2_u32.pow(retries)).min(LONGEST);
            let one = backoff(first, retries, seed);
            prop_assert!(one <= bound, "{one:?}");
            prop_assert!(one == backoff(first, retries, seed));
        }
    }

    #[test]
    fn waits_differ() {
        let waits: std::collections::BTreeSet<_> = (0..20).map(|seed| backoff(LONGEST, 0, seed)).collect();
        assert!(waits.len() > 15, "{waits:?}");
    }
}
