//! What is kept of one client request: written once, at its end, by the request path; read by the stores.

use std::sync::Arc;

use bytes::Bytes;

use super::redact::Redactions;
use crate::providers::body::detached;

/// How a request, or one attempt at a target, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    /// The client's own fault: a 4xx of ours, or of the provider about the request itself.
    ClientError,
    /// The client left before the end.
    Cancelled,
    RateLimited,
    UpstreamError,
    Timeout,
    /// The answer broke off after its first content.
    Cut,
    /// The Route had no usable target.
    NoTarget,
    /// The answer was passed on, but does not have the shape that the prompt asks for.
    SchemaInvalid,
}

/// One client request that was authenticated.
#[derive(Clone, Debug)]
pub struct Record {
    /// `gen-<ordinal>-<ulid>`.
    pub id: Box<str>,
    /// When the request's head was read, in microseconds since 1970.
    pub started_unix_micros: i64,
    /// `namespace/name` of the Route; none when `model` named none.
    pub route: Option<Arc<str>>,
    /// `model` as the client sent it; empty when it sent none.
    pub requested_model: Box<str>,
    /// `namespace/name` of the client key's Secret; none for a keyless caller.
    pub key: Option<Arc<str>>,
    /// OpenAI's `user` field, where the client sent one.
    pub user: Option<Box<str>>,
    pub snapshot_revision: Arc<str>,
    pub streamed: bool,
    pub outcome: Outcome,
    /// The HTTP status that the client was sent; 499 when it left before any.
    pub status: u16,
    /// What to tell a person when the outcome is not ok. Never holds a credential.
    pub error: Option<Box<str>>,
    pub finish_reason: Option<Box<str>>,
    /// From the head of the request to the last byte of the answer.
    pub latency_micros: u64,
    /// From the head of the request to the first content.
    pub first_token_micros: Option<u64>,
    /// What the gateway itself took: latency less the time spent waiting for providers.
    pub overhead_micros: u64,
    /// In order. The last one is the one that answered, if any did.
    pub attempts: Vec<Attempt>,
    /// Tokens of the whole request: those of the attempt that answered, or what a cut one had used.
    pub usage: Option<Usage>,
    /// Sum over the attempts that have a cost; none when a price or the usage is unknown.
    pub cost_pico_usd: Option<i64>,
    /// Present when the Route captures content.
    pub content: Option<Content>,
    /// The Route captures content, and more came than is taken.
    pub is_thinned: bool,
    /// What is replaced in all of the above before it is stored.
    pub redactions: Option<Arc<Redactions>>,
}

/// One try at one target.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Name of the target within its Route.
    pub target: Arc<str>,
    /// `namespace/name` of the Provider.
    pub provider: Arc<str>,
    /// The provider's name of the model.
    pub model: Arc<str>,
    /// `namespace/name` of the prompt that the request was rendered from.
    pub prompt: Option<Arc<str>>,
    /// Name of that prompt's revision.
    pub revision: Option<Arc<str>>,
    pub outcome: Outcome,
    /// The provider's HTTP status, if it sent one.
    pub status: Option<u16>,
    pub error: Option<Box<str>>,
    pub latency_micros: u64,
    pub first_token_micros: Option<u64>,
    pub usage: Option<Usage>,
    pub cost_pico_usd: Option<i64>,
    /// The provider's own id of its answer.
    pub upstream_id: Option<Box<str>>,
}

/// Tokens, as the provider counted them unless `estimated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    /// Part of `prompt_tokens`: read from the provider's cache.
    pub cached_tokens: u64,
    /// Part of `prompt_tokens`, beside `cached_tokens`: what the provider wrote to its cache.
    pub cache_write_tokens: u64,
    pub completion_tokens: u64,
    /// Part of `completion_tokens`.
    pub reasoning_tokens: u64,
    /// Counted by us, four characters a token.
    pub estimated: bool,
}

/// What the client sent and what it was answered.
#[derive(Clone, Debug)]
pub struct Content {
    /// The request's body, byte for byte.
    pub request: Bytes,
    pub answer: Answer,
}

/// The answer's first choice.
#[derive(Clone, Debug, Default)]
pub enum Answer {
    /// Nothing was answered.
    #[default]
    None,
    /// Not streamed: the JSON of `choices[0].message`, byte for byte.
    Message(Bytes),
    /// Streamed.
    Deltas(Deltas),
}

/// What a stream's deltas held, as they came.
#[derive(Clone, Debug, Default)]
pub struct Deltas {
    /// The insides of the JSON strings `delta.content`, still escaped, put together.
    pub content: Vec<u8>,
    /// Each `delta.tool_calls`, a JSON array.
    pub tool_calls: Vec<Box<[u8]>>,
}

impl Content {
    /// Lets go of the rest of the answer: a short message that waits here as a slice of it would keep all of it. The request was detached
    /// when it was read.
    pub fn detach(&mut self) {
        if let Answer::Message(message) = &mut self.answer {
            *message = detached(std::mem::take(message));
        }
    }
}

impl Outcome {
    /// In the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::ClientError,
        Self::Cancelled,
        Self::RateLimited,
        Self::UpstreamError,
        Self::Timeout,
        Self::Cut,
        Self::NoTarget,
        Self::SchemaInvalid,
    ];

    /// The name in stores, metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::Cancelled => "cancelled",
            Self::RateLimited => "rate_limited",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::NoTarget => "no_target",
            Self::SchemaInvalid => "schema_invalid",
        }
    }
}

/// Longest texts that are kept, in bytes; longer ones are cut.
const MODEL_BYTES: usize = 256;
const USER_BYTES: usize = 512;
const ERROR_BYTES: usize = 2048;
const WORD_BYTES: usize = 256;

/// A user as it is kept.
pub fn kept_user(user: &str) -> &str {
    &user[..user.floor_char_boundary(USER_BYTES)]
}

fn cut(text: &mut Box<str>, longest: usize) {
    if text.len() > longest {
        *text = text[..text.floor_char_boundary(longest)].into();
    }
}

impl Record {
    /// Cuts what clients and providers may make as long as they like.
    pub(super) fn bound(&mut self) {
        let cut_if_any = |text: &mut Option<Box<str>>, longest| text.iter_mut().for_each(|text| cut(text, longest));
        cut(&mut self.requested_model, MODEL_BYTES);
        cut_if_any(&mut self.user, USER_BYTES);
        cut_if_any(&mut self.error, ERROR_BYTES);
        cut_if_any(&mut self.finish_reason, WORD_BYTES);
        for attempt in &mut self.attempts {
            cut_if_any(&mut attempt.error, ERROR_BYTES);
            cut_if_any(&mut attempt.upstream_id, WORD_BYTES);
        }
    }

    /// Bytes that this record holds on to, for the bound of the queue.
    pub fn retained_bytes(&self) -> usize {
        let content = self.content.as_ref().map_or(0, |content| {
            content.request.len()
                + match &content.answer {
                    Answer::None => 0,
                    Answer::Message(message) => message.len(),
                    Answer::Deltas(deltas) => {
                        deltas.content.len() + deltas.tool_calls.iter().map(|part| part.len()).sum::<usize>()
                    }
                }
        });
        size_of::<Self>() + self.attempts.len() * size_of::<Attempt>() + content
    }
}
