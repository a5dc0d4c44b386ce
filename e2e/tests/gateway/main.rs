//! The running gateway from outside: real processes, real sockets, real files. One binary, so that it is linked once.

mod chunks;
mod counts;
mod dialects;
mod drain;
mod faults;
mod fleet;
mod fleet_reads;
mod keys;
mod late;
mod leaving;
mod ledger;
mod midstream;
mod prompts;
mod refusals;
mod reload;
mod restart;
mod secrecy;

use e2e::client::Answer;
use serde_json::{Value, json};

/// A request for a chat.
fn ask(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Tell me about rivers." }] })
}

/// The same, streamed.
fn ask_stream(model: &str) -> Value {
    let mut body = ask(model);
    body["stream"] = json!(true);
    body
}

/// What a request that must work was answered.
fn worked(answer: Answer) -> anyhow::Result<Answer> {
    anyhow::ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    anyhow::ensure!(answer.broken.is_none(), "broken off: {:?}", answer.broken);
    Ok(answer)
}
