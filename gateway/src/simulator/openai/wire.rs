//! The documents of a `chat.completion` and of a `chat.completion.chunk`, with their fields in the vendor's order.

#![expect(
    clippy::option_option,
    reason = "the vendor leaves a field out, sends null or sends a value"
)]

use serde::Serialize;

use crate::simulator::answer::{Part, Piece};
use crate::simulator::random::digest;

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Usage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
    pub prompt_tokens_details: PromptDetails,
    pub completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the vendor's names")]
pub(crate) struct PromptDetails {
    pub cached_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<usize>,
    pub audio_tokens: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the vendor's names")]
pub(crate) struct CompletionDetails {
    pub reasoning_tokens: usize,
    pub audio_tokens: usize,
    pub accepted_prediction_tokens: usize,
    pub rejected_prediction_tokens: usize,
}

/// The whole answer or one chunk of it: they differ in what a choice holds, and in the last two fields.
#[derive(Serialize)]
pub(super) struct Document<'a, C> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub choices: Vec<C>,
    /// Left out, null or given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    pub service_tier: &'static str,
    pub system_fingerprint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obfuscation: Option<String>,
}

#[derive(Serialize)]
pub(super) struct WholeChoice {
    pub index: usize,
    pub message: Message,
    pub logprobs: Option<Logprobs>,
    pub finish_reason: &'static str,
}

#[derive(Serialize)]
pub(super) struct Message {
    pub role: &'static str,
    pub content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    pub refusal: Option<String>,
    pub annotations: [(); 0],
}

#[derive(Serialize)]
pub(super) struct ToolCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: Function,
}

#[derive(Serialize)]
pub(super) struct Function {
    pub name: String,
    pub arguments: String,
}

#[derive(Serialize)]
pub(super) struct ChunkChoice {
    pub index: usize,
    pub delta: Delta,
    pub logprobs: Option<Logprobs>,
    pub finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
pub(super) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Left out, null or given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[ToolCallDelta; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Option<String>>,
}

#[derive(Serialize)]
pub(super) struct ToolCallDelta {
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub function: FunctionDelta,
}

#[derive(Serialize)]
pub(super) struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub arguments: String,
}

#[derive(Serialize)]
pub(super) struct Logprobs {
    pub content: Vec<TokenLogprob>,
    pub refusal: Option<()>,
}

#[derive(Serialize)]
pub(super) struct TokenLogprob {
    #[serde(flatten)]
    pub token: TopLogprob,
    pub top_logprobs: Vec<TopLogprob>,
}

#[derive(Clone, Serialize)]
pub(super) struct TopLogprob {
    pub token: String,
    pub logprob: f64,
    pub bytes: Vec<u8>,
}

impl Delta {
    pub(super) fn of(piece: &Piece) -> Self {
        let text = piece.text();
        let call = |index, id, kind, name, arguments| {
            let call = ToolCallDelta {
                index,
                id,
                kind,
                function: FunctionDelta { name, arguments },
            };
            Self {
                tool_calls: Some([call]),
                ..Self::default()
            }
        };
        match &piece.part {
            Part::Reasoning => Self {
                reasoning_content: Some(text),
                ..Self::default()
            },
            Part::Text => Self {
                content: Some(Some(text)),
                ..Self::default()
            },
            Part::Call { index, id, name } => {
                call(*index, Some(call_id(id)), Some("function"), Some(name.clone()), text)
            }
            Part::Arguments { index } => call(*index, None, None, None, text),
        }
    }
}

/// The vendor's identifier of a call.
pub(super) fn call_id(letters: &str) -> String {
    format!("call_{letters}")
}

impl TopLogprob {
    /// The less likely, the higher the rank.
    pub(super) fn of(token: String, rank: usize) -> Self {
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let thousandths = u32::try_from(digest(token.as_bytes()) % 1000).unwrap_or(0);
        Self {
            logprob: -(f64::from(thousandths) / 1000.0 + f64::from(rank)),
            bytes: token.clone().into_bytes(),
            token,
        }
    }
}
