//! What a model answered.

use super::Block;
use crate::capture::record::Usage;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub upstream_id: Option<Box<str>>,
    /// Text, reasoning and calls, in the order in which they came.
    pub content: Vec<Block>,
    pub finish: Finish,
    /// As the provider counted; none when it did not say.
    pub usage: Option<Usage>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub reason: FinishReason,
    /// The provider's own word for it.
    pub native: Box<str>,
    /// The text that the model stopped at, of those that the client named.
    pub stop_sequence: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said everything, or came to a text to stop at.
    Stop,
    Length,
    ToolCalls,
    /// The provider would not have it said.
    Refusal,
}

/// Bytes of what was said, for an estimate of its tokens.
pub fn content_bytes(content: &[Block]) -> usize {
    let bytes = content.iter().map(|block| match block {
        Block::Text { text, .. } | Block::Reasoning { text, .. } => text.len(),
        Block::ToolCall { name, arguments, .. } => name.len() + arguments.len(),
        Block::Image { .. } | Block::Document { .. } | Block::RedactedReasoning { .. } | Block::ToolResult { .. } => 0,
    });
    bytes.sum()
}
