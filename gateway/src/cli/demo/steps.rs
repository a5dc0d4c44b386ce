//! The steps of the tour. Each asks the running gateway over HTTP, checks what came, and says it in figures.

use serde_json::{Value, json};

use super::client::{Answer, Unexpected};

pub(super) mod accounts;
pub(super) mod chats;
pub(super) mod edits;
pub(super) mod prompts;
pub(super) mod refusals;

const GENERATION_ID: &str = "x-generation-id";
const TARGET: &str = "x-route-switch-target";
const ATTEMPTS: &str = "x-route-switch-attempts";
const OVERHEAD: &str = "x-route-switch-overhead-us";

/// A request with one message.
fn ask(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

/// Fails unless `holds`, with what is said then.
fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Unexpected> {
    if holds {
        Ok(())
    } else {
        Err(Unexpected::Otherwise(otherwise()))
    }
}

fn check_ok(answer: &Answer) -> Result<(), Unexpected> {
    check(answer.status == 200, || {
        format!("status {}: {}", answer.status, answer.body)
    })
}
