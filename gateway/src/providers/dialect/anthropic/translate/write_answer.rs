//! An answer in `Anthropic`'s form, of a provider that spoke another dialect.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{UNSIGNED, stop_reason, write_request::input};
use crate::{
    capture::record::Usage,
    providers::{
        canonical::{Block, answer::Answer},
        dialect::anthropic::usage::UsageObject,
        document::Json,
        fault::Fault,
        stamp::Stamp,
    },
};

#[derive(Serialize)]
struct MessageObject<'a> {
    id: &'a RawValue,
    r#type: &'static str,
    role: &'static str,
    model: &'a RawValue,
    content: Vec<BlockObject<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: UsageObject,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockObject<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Json },
}

/// What cannot be said in this dialect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("failed to write the answer")]
    Write(#[from] serde_json::Error),
}

/// That each call of the answer has an object for its arguments, without which it cannot be written.
pub fn check(answer: &Answer) -> Result<(), Fault> {
    for block in &answer.content {
        block_object(block)?;
    }
    Ok(())
}

/// Writes the whole answer. `used` is what was counted or estimated.
pub fn write_answer(answer: &Answer, stamp: &Stamp, used: &Usage) -> Result<Vec<u8>, Error> {
    let mut content = Vec::with_capacity(answer.content.len());
    for block in &answer.content {
        content.extend(block_object(block)?);
    }
    let stop_sequence = answer.finish.stop_sequence.as_deref();
    let message = MessageObject {
        id: serde_json::from_slice(&stamp.id)?,
        r#type: "message",
        role: "assistant",
        model: serde_json::from_slice(&stamp.model)?,
        content,
        stop_reason: stop_reason(answer.finish.reason, stop_sequence),
        stop_sequence,
        usage: used.into(),
    };
    Ok(serde_json::to_vec(&message)?)
}

fn block_object(block: &Block) -> Result<Option<BlockObject<'_>>, Fault> {
    Ok(Some(match block {
        Block::Text { text, .. } => BlockObject::Text { text },
        Block::Reasoning { text, signature } => BlockObject::Thinking {
            thinking: text,
            signature: signature.as_deref().unwrap_or(UNSIGNED),
        },
        Block::RedactedReasoning { data } => BlockObject::RedactedThinking { data },
        Block::ToolCall { id, name, arguments } => BlockObject::ToolUse {
            id,
            name,
            input: input(arguments).ok_or(Fault::Shape("tool_calls[].function.arguments"))?,
        },
        Block::Image { .. } | Block::Document { .. } | Block::ToolResult { .. } => return Ok(None),
    }))
}
