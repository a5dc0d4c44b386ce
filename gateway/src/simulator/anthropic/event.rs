//! The documents of a message and of the events of its stream, with their fields in the vendor's order.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// An answer that is not streamed, or the empty one that a stream begins with.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub model: &'a str,
    pub id: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub role: &'static str,
    pub content: Vec<Block>,
    pub stop_reason: Option<&'static str>,
    pub stop_sequence: Option<&'a str>,
    pub stop_details: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Thinking { thinking: String, signature: String },
    Text { text: String },
    ToolUse { id: String, name: String, input: Value },
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    #[serde(flatten)]
    pub input: InputUsage,
    pub cache_creation: CacheCreation,
    pub output_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputDetails>,
    pub service_tier: &'static str,
}

#[derive(Clone, Copy, Serialize)]
#[expect(clippy::struct_field_names, reason = "the vendor's names")]
pub(super) struct InputUsage {
    /// Neither read from the cache nor written to it.
    pub input_tokens: usize,
    pub cache_creation_input_tokens: usize,
    pub cache_read_input_tokens: usize,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct CacheCreation {
    pub ephemeral_5m_input_tokens: usize,
    pub ephemeral_1h_input_tokens: usize,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct OutputDetails {
    pub thinking_tokens: usize,
}

/// The last word on usage: cumulative counts.
#[derive(Clone, Copy, Serialize)]
pub(super) struct DeltaUsage {
    #[serde(flatten)]
    pub input: InputUsage,
    pub output_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart {
        message: Document<'a>,
    },
    Ping,
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta<'a>,
    },
    ContentBlockStop {
        index: usize,
    },
    MessageDelta {
        delta: End<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<DeltaUsage>,
    },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the vendor's names")]
pub(super) enum Delta<'a> {
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: String },
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

/// Why the answer ended.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the vendor's names")]
pub(super) struct End<'a> {
    pub stop_reason: &'static str,
    pub stop_sequence: Option<&'a str>,
    pub stop_details: Option<()>,
}

impl Event<'_> {
    pub(super) fn bytes(&self) -> Bytes {
        let name = match self {
            Event::MessageStart { .. } => "message_start",
            Event::Ping => "ping",
            Event::ContentBlockStart { .. } => "content_block_start",
            Event::ContentBlockDelta { .. } => "content_block_delta",
            Event::ContentBlockStop { .. } => "content_block_stop",
            Event::MessageDelta { .. } => "message_delta",
            Event::MessageStop => "message_stop",
        };
        named(name, &json(self))
    }
}

/// An event of this name.
pub(super) fn named(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

pub(super) fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("a document of strings and numbers is JSON")
}
