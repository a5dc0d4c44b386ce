//! What a gateway tells of itself, as those hear it whom it is for: a real Prometheus with its promtool, a real OpenTelemetry
//! Collector, and whoever reads the log.
//!
//! `e2e/test telemetry` has the programs (`test.d/telemetry.sh`) and names them in the environment.

mod collector;
mod dashboards;
mod logs;
mod metrics;
mod prompts;
mod series;
mod spans;

use serde_json::{Value, json};

/// A request, streamed or not.
fn ask(model: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": format!("{PROMPT}: where is my parcel?")}],
    })
}

/// What must never be told to anybody: part of every question, and so of every answer that echoes it.
const PROMPT: &str = "CONFIDENTIAL-5b1f";
/// And the key that asks.
const KEY: &str = "rs-telemetry-key-93aa";
