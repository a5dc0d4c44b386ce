//! A provider's answer in `Anthropic`'s form.

use super::finish_reason;
use crate::providers::{
    canonical::{
        Block,
        answer::{Answer, Finish},
    },
    dialect::anthropic::usage::Counted,
    document::{Node, Wrong},
    fault::Fault,
};

/// Reads the whole answer.
pub fn read_answer(body: &[u8]) -> Result<Answer, Fault> {
    let root = Node::root(body)?;
    if root.member("error")?.is_some() {
        return Err(Fault::reported(body));
    }
    let mut content = Vec::new();
    for block in root.needed("content", "an array")?.elements()? {
        content.extend(self::block(&block)?);
    }
    let native = match root.member("stop_reason")? {
        Some(reason) => reason.string()?,
        None => "end_turn".to_owned(),
    };
    let text = |name: &str| root.member(name)?.as_ref().map(Node::string).transpose();
    let usage = match root.member("usage")? {
        None => None,
        Some(node) => {
            let mut counted = Counted::default();
            counted.update(&node)?;
            Some(counted.usage())
        }
    };
    Ok(Answer {
        upstream_id: text("id")?.map(String::into_boxed_str),
        content,
        finish: Finish {
            reason: finish_reason(&native),
            native: native.into(),
            stop_sequence: text("stop_sequence")?,
        },
        usage,
    })
}

/// None for what only a client of this dialect can have asked for.
pub(super) fn block(node: &Node<'_>) -> Result<Option<Block>, Wrong> {
    let text = |name: &str| node.needed(name, "a string")?.string();
    Ok(Some(match text("type")?.as_str() {
        "text" => Block::text(text("text")?),
        "thinking" => Block::Reasoning {
            text: text("thinking")?,
            signature: node.member("signature")?.as_ref().map(Node::string).transpose()?,
        },
        "redacted_thinking" => Block::RedactedReasoning { data: text("data")? },
        "tool_use" => Block::ToolCall {
            id: text("id")?,
            name: text("name")?,
            arguments: node.needed("input", "an object")?.text().to_owned(),
        },
        _ => return Ok(None),
    }))
}
