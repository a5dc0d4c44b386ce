//! What is shown is what the configuration in use holds, and counts go on over a change of it.

use super::{Metrics, Page, show_counts};
use crate::{
    capture::{
        record::{Outcome, Record},
        sample::Traffic,
    },
    config::{
        resolved::{Config, Route},
        sample::{config, route},
    },
};

/// A request that the first target answered.
fn answer(metrics: &Metrics, route: &Route) {
    let mut record: Record = Traffic::new(1).record();
    record.outcome = Outcome::Ok;
    record.streamed = true;
    let mut attempt = record.attempts.pop().unwrap_or_else(|| Traffic::new(2).attempt());
    attempt.outcome = Outcome::Ok;
    let target = &route.targets[0];
    target.metrics.observe(&attempt);
    target.model_metrics.observe(&attempt, true);
    metrics.observe(Some(&route.metrics), &record);
}

fn shown(config: &Config) -> String {
    let mut page = Page::default();
    show_counts(config, &mut page);
    String::from_utf8(page.write().unwrap()).unwrap()
}

#[test]
fn series_of_what_left_the_configuration_are_gone_and_come_back_from_zero() {
    let metrics = Metrics::new().unwrap();
    let first = config(&[("one", &["a:m", "b:other"]), ("two", &["a:m"])], None);
    answer(&metrics, &route(&first, "one"));
    answer(&metrics, &route(&first, "two"));
    let text = shown(&first);
    assert!(
        text.contains("route_switch_requests_total{outcome=\"ok\",route=\"default/one\"} 1\n"),
        "{text}"
    );
    assert!(
        !text.contains("target=\"b\"") && !text.contains("\"other\""),
        "what was never used is not shown: {text}"
    );

    let without = config(&[("two", &["a:m"])], Some(&first));
    // A request that is under way on the old configuration ends after the change.
    answer(&metrics, &route(&first, "one"));
    let text = shown(&without);
    assert!(!text.contains("default/one"), "{text}");
    assert!(
        text.contains("route_switch_requests_total{outcome=\"ok\",route=\"default/two\"} 1\n"),
        "{text}"
    );

    let again = config(&[("one", &["a:m"]), ("two", &["a:m"])], Some(&without));
    assert!(!shown(&again).contains("default/one"));
}

#[test]
fn counts_go_on_where_route_target_and_model_stay() {
    let metrics = Metrics::new().unwrap();
    let first = config(&[("one", &["a:m"])], None);
    answer(&metrics, &route(&first, "one"));
    let second = config(&[("one", &["a:m", "b:other"])], Some(&first));
    answer(&metrics, &route(&second, "one"));
    let text = shown(&second);
    for sample in [
        "route_switch_requests_total{outcome=\"ok\",route=\"default/one\"} 2\n",
        "route_switch_attempts_total{outcome=\"ok\",route=\"default/one\",target=\"a\"} 2\n",
        "gen_ai_client_operation_duration_seconds_count{error_type=\"\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"simulated\",gen_ai_request_model=\"m\",provider=\"default/sim\"} 2\n",
    ] {
        assert!(text.contains(sample), "{sample} is not in {text}");
    }
}

#[test]
fn a_target_that_now_stands_for_another_model_starts_anew_and_routes_share_a_model() {
    let metrics = Metrics::new().unwrap();
    let first = config(&[("one", &["a:m"]), ("two", &["x:m"])], None);
    answer(&metrics, &route(&first, "one"));
    answer(&metrics, &route(&first, "two"));
    let of_model = "gen_ai_client_operation_duration_seconds_count{error_type=\"\",gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"simulated\",gen_ai_request_model=\"m\",provider=\"default/sim\"} ";
    assert!(shown(&first).contains(&format!("{of_model}2\n")));

    let second = config(&[("one", &["a:other"]), ("two", &["x:m"])], Some(&first));
    let text = shown(&second);
    assert!(text.contains(&format!("{of_model}2\n")), "{text}");
    assert!(!text.contains("target=\"a\""), "{text}");
}
