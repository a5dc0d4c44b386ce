//! `Anthropic`'s answers, whole and streamed, and what any answer says.

use anyhow::{Context as _, ensure};
use e2e::client::Answer;
use serde_json::Value;

pub(super) const MESSAGES: &str = "/v1/messages";

/// What a client was told, in whichever dialect.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) text: String,
    /// Names and arguments.
    pub(super) calls: Vec<(String, Value)>,
    /// Of the prompt, cached ones included, and of the answer.
    pub(super) tokens: (u64, u64),
}

impl Said {
    pub(super) fn of_chat(answer: &Answer) -> anyhow::Result<Self> {
        let is_stream = answer.header("content-type").starts_with("text/event-stream");
        let (id, model, calls) = if is_stream {
            let mut calls: Vec<(String, String)> = Vec::new();
            let chunks = data(answer)?;
            for chunk in &chunks {
                for delta in chunk["choices"][0]["delta"]["tool_calls"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    let index = usize::try_from(delta["index"].as_u64().context("an index")?)?;
                    if index == calls.len() {
                        calls.push((text_of(&delta["function"]["name"]), String::new()));
                    }
                    calls[index].1 += &text_of(&delta["function"]["arguments"]);
                }
            }
            let parsed = calls
                .into_iter()
                .map(|(name, arguments)| Ok((name, serde_json::from_str(&arguments)?)));
            let first = chunks.first().context("a chunk")?;
            (
                text_of(&first["id"]),
                text_of(&first["model"]),
                parsed.collect::<anyhow::Result<_>>()?,
            )
        } else {
            let body = answer.json()?;
            let calls = body["choices"][0]["message"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten();
            (
                text_of(&body["id"]),
                text_of(&body["model"]),
                calls.map(call_of).collect(),
            )
        };
        let text = if is_stream {
            answer.transcript()?.content()
        } else {
            text_of(&answer.json()?["choices"][0]["message"]["content"])
        };
        let usage = answer.usage()?;
        let count = |name: &str| usage[name].as_u64().unwrap_or_default();
        Ok(Self {
            id,
            model,
            text,
            calls,
            tokens: (count("prompt_tokens"), count("completion_tokens")),
        })
    }

    pub(super) fn of_messages(answer: &Answer) -> anyhow::Result<Self> {
        let message = if answer.header("content-type").starts_with("text/event-stream") {
            accumulated(&events(answer)?)?
        } else {
            answer.json()?
        };
        ensure!(
            message["type"] == "message" && message["role"] == "assistant",
            "{message}"
        );
        let blocks = message["content"].as_array().context("content")?;
        let of_type = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
        let calls: Vec<_> = of_type("tool_use")
            .map(|block| (text_of(&block["name"]), block["input"].clone()))
            .collect();
        let reason = if calls.is_empty() { "end_turn" } else { "tool_use" };
        ensure!(message["stop_reason"] == reason, "{message}");
        let count = |name: &str| message["usage"][name].as_u64().unwrap_or_default();
        Ok(Self {
            id: text_of(&message["id"]),
            model: text_of(&message["model"]),
            text: of_type("text").map(|block| text_of(&block["text"])).collect(),
            calls,
            tokens: (
                count("input_tokens") + count("cache_creation_input_tokens") + count("cache_read_input_tokens"),
                count("output_tokens"),
            ),
        })
    }
}

/// A call as `OpenAI` writes it.
pub(super) fn call_of(call: &Value) -> (String, Value) {
    let arguments = text_of(&call["function"]["arguments"]);
    (
        text_of(&call["function"]["name"]),
        serde_json::from_str(&arguments).unwrap_or(Value::String(arguments)),
    )
}

/// The events of a stream; each must be named as its data says.
pub(super) fn events(answer: &Answer) -> anyhow::Result<Vec<Value>> {
    let text = answer.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let events = data(answer)?;
    ensure!(names.len() == events.len(), "{text}");
    for (name, event) in names.iter().zip(&events) {
        ensure!(event["type"] == *name, "{text}");
    }
    Ok(events)
}

/// The data of a stream's events, but for `[DONE]`.
fn data(answer: &Answer) -> anyhow::Result<Vec<Value>> {
    let text = answer.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).with_context(|| format!("not JSON: {data}")))
        .collect()
}

/// The message that a stream makes, put together as the SDKs do; its blocks must come one after another.
fn accumulated(events: &[Value]) -> anyhow::Result<Value> {
    let mut message = Value::Null;
    let mut open: Option<usize> = None;
    let mut json = String::new();
    for event in events {
        let index = event["index"].as_u64().map(usize::try_from).transpose()?;
        match event["type"].as_str().context("a type")? {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().context("content")?;
                ensure!(open.is_none() && index == Some(blocks.len()), "{event}");
                blocks.push(event["content_block"].clone());
                (open, json) = (index, String::new());
            }
            "content_block_delta" => {
                ensure!(index.is_some() && index == open, "{event}");
                let block = &mut message["content"][index.unwrap_or_default()];
                let delta = &event["delta"];
                json += &text_of(&delta["partial_json"]);
                for name in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[name].as_str() {
                        block[name] = (text_of(&block[name]) + piece).into();
                    }
                }
            }
            "content_block_stop" => {
                ensure!(index.is_some() && index == open, "{event}");
                if !json.is_empty() {
                    message["content"][index.unwrap_or_default()]["input"] = serde_json::from_str(&json)?;
                }
                open = None;
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, value) in event["usage"].as_object().context("usage")? {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" => ensure!(open.is_none(), "{event}"),
            _ => {}
        }
    }
    ensure!(
        events.last().is_some_and(|event| event["type"] == "message_stop"),
        "no end"
    );
    Ok(message)
}

/// The answer is an error of this kind, in `Anthropic`'s shape.
pub(super) fn ensure_error(answer: &Answer, status: u16, kind: &str) -> anyhow::Result<()> {
    let body = answer.json()?;
    ensure!(
        answer.status == status
            && body["type"] == "error"
            && body["error"]["type"] == kind
            && body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()),
        "expected {status} {kind}, got {}: {body}",
        answer.status
    );
    Ok(())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
