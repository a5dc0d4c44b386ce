//! What a stream has come to so far, for the books and for what is captured.

use super::{
    answer::{Finish, FinishReason},
    event::Event,
};
use crate::{
    capture::record::{Deltas, Usage},
    providers::price::Price,
};

/// The account of a stream that is read event by event.
#[derive(Debug, Default)]
pub struct Tally {
    price: Option<Price>,
    /// Tokens of the prompt, should the provider not count them.
    estimated_prompt_tokens: u64,
    usage: Option<Usage>,
    answer_bytes: usize,
    finish: Option<Finish>,
    upstream_id: Option<Box<str>>,
    deltas: Option<Deltas>,
}

impl Tally {
    pub fn new(price: Option<Price>, estimated_prompt_tokens: u64, capture: bool) -> Self {
        Self {
            price,
            estimated_prompt_tokens,
            deltas: capture.then(Deltas::default),
            ..Self::default()
        }
    }

    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Begin { upstream_id } => self.upstream_id.clone_from(upstream_id),
            Event::Text(text) => {
                self.answer_bytes += text.len();
                if let Some(deltas) = &mut self.deltas {
                    let quoted = serde_json::to_vec(text).unwrap_or_default();
                    deltas
                        .content
                        .extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default());
                }
            }
            Event::Reasoning(text) => self.answer_bytes += text.len(),
            Event::ToolCall { index, id, name } => {
                self.answer_bytes += name.len();
                self.note_call(|| {
                    serde_json::json!([{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}])
                });
            }
            Event::Arguments { index, text } => {
                self.answer_bytes += text.len();
                self.note_call(|| serde_json::json!([{"index": index, "function": {"arguments": text}}]));
            }
            Event::Finish(finish) => self.finish = Some(finish.clone()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Signature(_) | Event::RedactedReasoning(_) | Event::Done => {}
        }
    }

    fn note_call(&mut self, delta: impl FnOnce() -> serde_json::Value) {
        if let Some(deltas) = &mut self.deltas {
            deltas.tool_calls.push(delta().to_string().into_bytes().into());
        }
    }

    /// Tokens as counted; what was not counted is estimated from what has come, four characters a token.
    pub fn usage(&self) -> Usage {
        let estimated_completion = (self.answer_bytes as u64).div_ceil(4);
        match self.usage {
            Some(usage) if usage.estimated => Usage {
                completion_tokens: usage.completion_tokens.max(estimated_completion),
                ..usage
            },
            Some(usage) => usage,
            None => Usage {
                prompt_tokens: self.estimated_prompt_tokens,
                completion_tokens: estimated_completion,
                estimated: true,
                ..Usage::default()
            },
        }
    }

    pub fn cost_pico_usd(&self) -> Option<i64> {
        self.price.and_then(|price| price.cost_pico_usd(&self.usage()))
    }

    pub fn finish(&self) -> Option<&Finish> {
        self.finish.as_ref()
    }

    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish.as_ref().map(|finish| finish.reason)
    }

    pub fn take_upstream_id(&mut self) -> Option<Box<str>> {
        self.upstream_id.take()
    }

    pub fn take_deltas(&mut self) -> Option<Deltas> {
        self.deltas.take()
    }
}
