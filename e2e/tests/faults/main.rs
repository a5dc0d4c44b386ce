//! What clients see when providers fail: the table of every simulated fault, and what the gateway does so that they see little of it.

mod cases;
mod keys;
mod limits;
mod recovery;
mod seen;
mod sessions;
mod table;

use serde_json::{Value, json};

/// A request for a chat, in both dialects.
fn ask(model: &str, streamed: bool) -> Value {
    json!({
        "model": model, "max_tokens": 2000, "stream": streamed,
        "messages": [{ "role": "user", "content": "Tell me about rivers." }],
    })
}
