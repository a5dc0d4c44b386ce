//! A stream of an answer, step by step.

use super::answer::Finish;
use crate::capture::record::Usage;

/// What comes of one event of a provider's stream; there may be several, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Begin {
        upstream_id: Option<Box<str>>,
    },
    Text(String),
    Reasoning(String),
    /// What proves the reasoning that came before it; ends that piece of reasoning.
    Signature(String),
    RedactedReasoning(String),
    /// A call begins. Indices count calls from 0 and never go back for a new call.
    ToolCall {
        index: u64,
        id: String,
        name: String,
    },
    /// More of a call's arguments, a piece of a JSON text.
    Arguments {
        index: u64,
        text: String,
    },
    Finish(Finish),
    /// What is known of the tokens; the last one counts.
    Usage(Usage),
    /// The provider says that its stream is complete.
    Done,
}

impl Event {
    /// Whether a client that has been sent this has been sent a part of the answer.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Begin { .. } | Self::Usage(_) | Self::Done => false,
            Self::Text(text) | Self::Reasoning(text) => !text.is_empty(),
            Self::Signature(_)
            | Self::RedactedReasoning(_)
            | Self::ToolCall { .. }
            | Self::Arguments { .. }
            | Self::Finish(_) => true,
        }
    }
}
