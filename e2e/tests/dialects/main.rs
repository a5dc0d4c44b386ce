//! The dialects from outside, where an SDK would not look: the times of chunks, the records, and the requests of the Go program.

mod go_program;
mod streams;

use anyhow::ensure;
use e2e::client::{Answer, CHAT, Client, MESSAGES};
use e2e::manifest::provider;
use serde_json::{Value, json};

/// A dialect that the client speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Front {
    OpenAi,
    Anthropic,
}

const FRONTS: [Front; 2] = [Front::OpenAi, Front::Anthropic];

impl Front {
    fn path(self) -> &'static str {
        match self {
            Self::OpenAi => CHAT,
            Self::Anthropic => MESSAGES,
        }
    }

    /// A request for an answer about rivers.
    fn ask(self, model: &str, stream: bool) -> Value {
        let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "Tell me about rivers." }] });
        if self == Self::Anthropic {
            body["max_tokens"] = json!(1000);
        }
        if stream {
            body["stream"] = json!(true);
        }
        body
    }

    async fn send(self, client: &Client, body: &Value) -> anyhow::Result<Answer> {
        client.post(self.path(), body.to_string()).await
    }
}

/// The simulator as Anthropic's clients see it; as OpenAI's, it is the stage's own Provider `sim`.
fn anthropic() -> Value {
    provider("ant", json!({ "vendor": "Simulated", "dialect": "Anthropic" }))
}

/// What a request that must work was answered.
fn worked(answer: Answer) -> anyhow::Result<Answer> {
    ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    ensure!(answer.broken.is_none(), "broken off: {:?}", answer.broken);
    Ok(answer)
}
