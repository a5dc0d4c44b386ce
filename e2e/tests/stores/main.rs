//! What is kept of traffic, and what is not: through sudden ends, bad disks, bounds and hostile queries.

mod backup;
mod bounds;
mod commands;
mod forgotten;
mod hostile;
mod killed;
mod lists;
mod mounted;
mod policy;

use e2e::client::Answer;
use e2e::manifest::{route, target};
use serde_json::{Value, json};

/// A request for a chat.
fn ask(model: &str, content: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": content }] })
}

/// A Route to one model of the simulator that captures so.
fn capturing(name: &str, model: &str, capture: &Value) -> Value {
    route(
        name,
        json!({ "targets": [target("only", "sim", model, 1)], "capture": capture }),
    )
}

/// What a request that must work was answered.
fn worked(answer: Answer) -> anyhow::Result<Answer> {
    anyhow::ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    anyhow::ensure!(answer.broken.is_none(), "broken off: {:?}", answer.broken);
    Ok(answer)
}
