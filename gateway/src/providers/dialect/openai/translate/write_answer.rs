//! An answer in `OpenAI`'s form, of a provider that spoke another dialect.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    word,
    write_request::{Call, call},
};
use crate::{
    capture::record::Usage,
    providers::{
        canonical::{Block, answer::Answer},
        dialect::openai::usage,
        stamp::Stamp,
    },
};

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a RawValue,
    object: &'static str,
    created: i64,
    model: &'a RawValue,
    provider: &'a RawValue,
    choices: [Choice<'a>; 1],
    usage: &'a RawValue,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: MessageObject<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
    native_finish_reason: &'a str,
}

#[derive(Serialize)]
struct MessageObject<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(flatten)]
    reasoning: Option<Reasoning<'a>>,
}

/// The text under the names that different clients read, and with what proves it, which they send back.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the names of the wire")]
struct Reasoning<'a> {
    reasoning: String,
    reasoning_content: String,
    reasoning_details: Vec<Detail<'a>>,
}

/// One piece of reasoning.
#[derive(Serialize)]
pub(super) struct Detail<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    pub(super) format: &'static str,
    pub(super) index: usize,
}

/// Whose reasoning it is: only one vendor's has signatures here.
const FORMAT: &str = "anthropic-claude-v1";

impl<'a> Detail<'a> {
    pub(super) fn text(text: Option<&'a str>, signature: Option<&'a str>, index: usize) -> Self {
        Self {
            r#type: "reasoning.text",
            text,
            signature,
            data: None,
            format: FORMAT,
            index,
        }
    }

    pub(super) fn encrypted(data: &'a str, index: usize) -> Self {
        Self {
            r#type: "reasoning.encrypted",
            text: None,
            signature: None,
            data: Some(data),
            format: FORMAT,
            index,
        }
    }
}

/// Writes the whole answer. `used` is what was counted or estimated.
pub fn write_answer(
    answer: &Answer,
    stamp: &Stamp,
    created_unix_seconds: i64,
    used: &Usage,
    cost_pico_usd: Option<i64>,
) -> serde_json::Result<Vec<u8>> {
    let usage = RawValue::from_string(usage::object(used, cost_pico_usd))?;
    serde_json::to_vec(&Completion {
        id: serde_json::from_slice(&stamp.id)?,
        object: "chat.completion",
        created: created_unix_seconds,
        model: serde_json::from_slice(&stamp.model)?,
        provider: serde_json::from_slice(&stamp.provider)?,
        choices: [Choice {
            index: 0,
            message: message_object(&answer.content),
            logprobs: None,
            finish_reason: word(answer.finish.reason),
            native_finish_reason: &answer.finish.native,
        }],
        usage: &usage,
    })
}

/// `choices[0].message` alone, in which form answers are captured.
pub fn write_message(content: &[Block]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&message_object(content))
}

fn message_object(content: &[Block]) -> MessageObject<'_> {
    let mut text = None;
    for block in content {
        if let Block::Text { text: piece, .. } = block {
            text.get_or_insert_with(String::new).push_str(piece);
        }
    }
    let tool_calls: Vec<Call<'_>> = content.iter().filter_map(call).collect();
    MessageObject {
        role: "assistant",
        content: text.or_else(|| tool_calls.is_empty().then(String::new)),
        refusal: None,
        tool_calls,
        reasoning: reasoning(content),
    }
}

fn reasoning(content: &[Block]) -> Option<Reasoning<'_>> {
    let mut details = Vec::new();
    let mut text = String::new();
    for block in content {
        match block {
            Block::Reasoning { text: piece, signature } => {
                text.push_str(piece);
                details.push(Detail::text(Some(piece), signature.as_deref(), details.len()));
            }
            Block::RedactedReasoning { data } => details.push(Detail::encrypted(data, details.len())),
            _ => {}
        }
    }
    (!details.is_empty()).then(|| Reasoning {
        reasoning: text.clone(),
        reasoning_content: text,
        reasoning_details: details,
    })
}
