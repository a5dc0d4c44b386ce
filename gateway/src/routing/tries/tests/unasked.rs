//! Targets to which a request cannot be put: they were not asked, whatever is said of tries.

use super::*;

/// The client was told to change a request that worked a second later: the only target that can express it had its key cooling down.
#[tokio::test]
async fn a_target_that_is_left_alone_is_asked_when_no_other_could_be() {
    let desk = Desk::new();
    let config = config(
        &[("p", json!({})), ("q", keys(&["one"]))],
        &two_targets(&json!({})),
        None,
    );
    let mut limited = Script::new(&[("a", Doing::CannotExpress), ("b", Doing::RefusesFor(429, 60))]);
    request(&desk, route(&config), &mut limited).await.unwrap_err();
    // `b` has no key left now.
    let unanswered = request(&desk, route(&config), &mut limited).await.unwrap_err();
    assert!(matches!(
        unanswered.last,
        Some((1, Failure::Status { status: 429, .. }))
    ));
    let mut answers = Script::new(&[("a", Doing::CannotExpress), ("b", Doing::Answers)]);
    assert_eq!(request(&desk, route(&config), &mut answers).await.unwrap(), 1);
}

#[tokio::test]
async fn each_target_is_found_wanting_once_when_none_can_express_the_request() {
    let desk = Desk::new();
    let config = config(&[("p", json!({})), ("q", json!({}))], &two_targets(&json!({})), None);
    let mut script = Script::new(&[("a", Doing::CannotExpress), ("b", Doing::CannotExpress)]);
    let unanswered = request(&desk, route(&config), &mut script).await.unwrap_err();
    assert!(unanswered.last.is_some_and(|(_, failure)| failure.is_unasked()));
    assert_eq!(script.targets(), ["a", "b"]);
    let states = route(&config)
        .targets
        .iter()
        .map(|target| target.health.breaker.state(Instant::now()));
    assert!(states.into_iter().all(|state| state == State::Closed));
}
