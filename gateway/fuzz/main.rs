//! The fuzzer's program: libFuzzer's own `main`, and one of the targets, which the environment names.
//!
//! `e2e/test --long fuzz` builds it (only the crates of this workspace are instrumented) and runs it on each target.

#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

const VARIABLE: &str = "ROUTE_SWITCH_FUZZ_TARGET";

static CHOSEN: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        let known = TARGETS
            .iter()
            .map(|Target { name, seeds, .. }| format!("{name} (begins with {seeds})"));
        panic!(
            "{VARIABLE} must name a target: {}",
            known.collect::<Vec<_>>().join(", ")
        )
    })
});

fuzz_target!(|data: &[u8]| (CHOSEN.run)(data));
