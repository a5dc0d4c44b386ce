//! What a client saw, in whichever dialect it speaks.

use anyhow::{Context as _, bail, ensure};
use e2e::client::{Answer, CHAT};
use serde_json::Value;

use crate::cases::Dialect;

pub(super) const MESSAGES: &str = "/v1/messages";

/// How an answer came out. What is none of these is a fault of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A whole answer, or a stream with its last chunk.
    Answer,
    /// An error in place of an answer, with its status and what it is called.
    Error(u16, String),
    /// A stream that ended with an error, after some content or none.
    ErrorInStream(String, bool),
}

impl Dialect {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::OpenAI => CHAT,
            Self::Anthropic => MESSAGES,
        }
    }

    /// Reads an answer.
    pub(super) fn seen(self, answer: &Answer) -> anyhow::Result<Seen> {
        ensure!(answer.broken.is_none(), "broken off: {:?}", answer.broken);
        if answer.header("content-type").starts_with("text/event-stream") {
            ensure!(answer.status == 200, "a stream of status {}", answer.status);
            return match self {
                Self::OpenAI => chat_stream(answer),
                Self::Anthropic => messages_stream(answer),
            };
        }
        let body = answer.json()?;
        if answer.status == 200 {
            let (end, text) = match self {
                Self::OpenAI => (
                    &body["choices"][0]["finish_reason"],
                    &body["choices"][0]["message"]["content"],
                ),
                Self::Anthropic => (&body["stop_reason"], &body["content"][0]["text"]),
            };
            ensure!(end.is_string() && is_text(text), "no whole answer: {body}");
            return Ok(Seen::Answer);
        }
        Ok(Seen::Error(answer.status, self.name_of(&body)?))
    }

    /// What an error is called; every one has a type and a message.
    fn name_of(self, body: &Value) -> anyhow::Result<String> {
        let error = &body["error"];
        ensure!(
            is_text(&error["type"]) && is_text(&error["message"]),
            "no typed error: {body}"
        );
        let name = match self {
            Self::OpenAI => &error["code"],
            Self::Anthropic => {
                ensure!(body["type"] == "error", "no error: {body}");
                &error["type"]
            }
        };
        Ok(name.as_str().with_context(|| format!("no name: {body}"))?.to_owned())
    }
}

fn chat_stream(answer: &Answer) -> anyhow::Result<Seen> {
    let transcript = answer.transcript()?;
    ensure!(
        transcript.is_done && transcript.rest.is_empty(),
        "a silent end: {}",
        answer.text()
    );
    let has_content = !transcript.content().is_empty();
    if let Some(error) = transcript.error() {
        let whole = serde_json::json!({ "error": error });
        return Ok(Seen::ErrorInStream(Dialect::OpenAI.name_of(&whole)?, has_content));
    }
    ensure!(
        has_content && transcript.finish_reason() == Some("stop"),
        "no whole answer: {}",
        answer.text()
    );
    Ok(Seen::Answer)
}

fn messages_stream(answer: &Answer) -> anyhow::Result<Seen> {
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data
        .map(|data| serde_json::from_str(data).with_context(|| format!("not JSON: {data}")))
        .collect::<anyhow::Result<_>>()?;
    let has_content = events.iter().any(|event| is_text(&event["delta"]["text"]));
    let last = events.last().context("an empty stream")?;
    match last["type"].as_str() {
        Some("error") => Ok(Seen::ErrorInStream(Dialect::Anthropic.name_of(last)?, has_content)),
        Some("message_stop") if has_content => Ok(Seen::Answer),
        _ => bail!("a silent end: {text}"),
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

impl std::fmt::Display for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer => formatter.write_str("answer"),
            Self::Error(status, name) => write!(formatter, "{status} {name}"),
            Self::ErrorInStream(name, true) => write!(formatter, "content, then {name}"),
            Self::ErrorInStream(name, false) => write!(formatter, "{name} in the stream"),
        }
    }
}
