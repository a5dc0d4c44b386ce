//! A provider's answer in `OpenAI`'s form, read for a client that speaks another dialect.

use super::{
    finish_reason,
    read_request::{reasoning_of, tool_call},
};
use crate::providers::{
    canonical::{
        Block,
        answer::{Answer, Finish, FinishReason},
    },
    dialect::openai::usage,
    document::{Node, Wrong},
    fault::Fault,
};

/// Reads the whole answer: its first choice, since another dialect cannot have asked for more.
pub fn read_answer(body: &[u8]) -> Result<Answer, Fault> {
    let root = Node::root(body)?;
    if root.member("error")?.is_some() {
        return Err(Fault::reported(body));
    }
    let choices = root.needed("choices", "an array")?.elements()?;
    let choice = choices.first().ok_or(Fault::Shape("choices"))?;
    let message = choice.needed("message", "an object")?;
    let content = content(&message)?;
    let native = match choice.member("finish_reason")? {
        Some(word) => word.string()?,
        None => "stop".to_owned(),
    };
    let refused = message.member("refusal")?.is_some();
    Ok(Answer {
        upstream_id: root
            .member("id")?
            .filter(Node::is_string)
            .map(|id| id.string().map(String::into_boxed_str))
            .transpose()?,
        finish: finish(native, &content, refused),
        content,
        usage: match root.member("usage")? {
            Some(usage) => Some(usage::read(usage.text().as_bytes(), 0)?.0),
            None => None,
        },
    })
}

fn content(message: &Node<'_>) -> Result<Vec<Block>, Wrong> {
    let mut content = reasoning_of(message)?;
    for name in ["content", "refusal"] {
        if let Some(said) = message.member(name)? {
            let text = said.string()?;
            if !text.is_empty() {
                content.push(Block::text(text));
            }
        }
    }
    if let Some(calls) = message.member("tool_calls")? {
        for call in calls.elements()? {
            content.push(tool_call(&call).map_err(|_| call.wrong("a call of a function"))?);
        }
    }
    Ok(content)
}

/// Some vendors say `stop` of an answer that calls tools.
pub(super) fn finish(native: String, content: &[Block], refused: bool) -> Finish {
    let calls = content.iter().any(|block| matches!(block, Block::ToolCall { .. }));
    let reason = match finish_reason(&native) {
        _ if refused => FinishReason::Refusal,
        FinishReason::Stop if calls => FinishReason::ToolCalls,
        reason => reason,
    };
    Finish {
        reason,
        native: native.into(),
        stop_sequence: None,
    }
}
