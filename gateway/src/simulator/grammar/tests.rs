use super::{Error, help};
use crate::simulator::behaviour::{Behaviour, Break, Fault};

#[test]
fn a_models_name_is_read_word_by_word_with_numbers_where_words_take_them() {
    let model = |name: &str| Behaviour::default().with_model(name);
    assert_eq!(model("sim-fast").unwrap(), Behaviour::default());
    assert_eq!(model("sim-429").unwrap().fault, Some(Fault::Status(429)));
    assert_eq!(model("sim-fast-503").unwrap().fault, Some(Fault::Status(503)));
    assert_eq!(
        model("sim-cut").unwrap().fault,
        Some(Fault::Break {
            how: Break::Cut,
            after: None
        })
    );
    assert_eq!(
        model("sim-hang-3").unwrap().fault,
        Some(Fault::Break {
            how: Break::Hang,
            after: Some(3)
        })
    );
    let slow = model("sim-slow-tools-2-reasoning-nousage").unwrap();
    assert_eq!(
        (slow.latency_ms, slow.tool_calls, slow.reasoning_tokens, slow.no_usage),
        (1000, Some(2), 8, true)
    );
    let flaky = model("sim-fail-30-429-retry-7").unwrap();
    assert_eq!(
        (flaky.fail_percent, flaky.fault, flaky.retry_after_seconds),
        (Some(30), Some(Fault::Status(429)), 7)
    );
}

#[test]
fn the_header_is_applied_after_the_name_and_can_lift_its_fault() {
    let model = Behaviour::default().with_model("sim-500").unwrap();
    let changed = model.clone().with_header("latency=200, rate=40,hang=3").unwrap();
    assert_eq!((changed.latency_ms, changed.gap_micros), (200, 25_000));
    assert_eq!(
        changed.fault,
        Some(Fault::Break {
            how: Break::Hang,
            after: Some(3)
        })
    );
    assert_eq!(model.clone().with_header("fail=30%").unwrap().fail_percent, Some(30));
    assert_eq!(model.with_header("ok").unwrap().fault, None);
}

#[test]
fn a_word_that_is_not_in_the_table_or_a_number_out_of_place_is_refused() {
    let refused = |header: &str| Behaviour::default().with_header(header).unwrap_err();
    assert_eq!(refused("latncy=3"), Error::Unknown("latncy".to_owned()));
    assert_eq!(refused("latency"), Error::Missing("latency"));
    assert_eq!(refused("fast=1"), Error::Unwanted("fast"));
    assert!(matches!(
        refused("fail=101"),
        Error::Number {
            name: "fail",
            maximum: 100,
            ..
        }
    ));
    assert!(matches!(refused("cut=-1"), Error::Number { .. }));
    for name in ["gpt-4o", "sim-", "sim", "sim-200", "sim-wat", "sim-fast-7"] {
        assert!(Behaviour::default().with_model(name).is_err(), "{name}");
    }
}

#[test]
fn the_help_names_every_word() {
    crate::simulator::tests::golden("help", &help());
}
