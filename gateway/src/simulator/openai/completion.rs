//! Writes an answer as the vendor does: a `chat.completion`, or the `chat.completion.chunk` events of a stream.

use std::iter::once;

use bytes::Bytes;
use serde::Serialize;

use super::request::Request;
use super::wire::{
    ChunkChoice, CompletionDetails, Delta, Document, Function, Logprobs, Message, PromptDetails, TokenLogprob,
    ToolCall, TopLogprob, Usage, WholeChoice, call_id,
};
use crate::simulator::answer::{Choice, End, Part, Piece};
use crate::simulator::endpoint::PromptTokens;
use crate::simulator::script::{Frame, Place};

/// Chunks are padded to a multiple of so many bytes.
const PADDING: usize = 32;

/// All that an answer is written from.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    pub id: String,
    /// In seconds since 1970.
    pub created: u64,
    pub fingerprint: String,
    pub request: Request,
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
}

impl Completion {
    pub(crate) fn usage(prompt: &PromptTokens, choices: &[Choice]) -> Usage {
        let completion_tokens = choices.iter().map(Choice::tokens).sum();
        Usage {
            prompt_tokens: prompt.all,
            completion_tokens,
            total_tokens: prompt.all + completion_tokens,
            prompt_tokens_details: PromptDetails {
                cached_tokens: prompt.cached,
                cache_write_tokens: (prompt.written > 0).then_some(prompt.written),
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: choices.iter().map(Choice::reasoning_tokens).sum(),
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }

    /// An answer that is not streamed.
    pub(crate) fn body(&self) -> Bytes {
        let choices = self
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| self.whole(index, choice))
            .collect();
        let document = self.document("chat.completion", choices, self.usage.map(Some));
        json(&document).into()
    }

    /// An answer as a stream of events. Several choices take turns.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (index, choice) in self.choices.iter().enumerate() {
            let calls = choice
                .pieces
                .iter()
                .any(|piece| matches!(piece.part, Part::Call { .. }));
            let content = if calls { None } else { Some(String::new()) };
            let delta = Delta {
                role: Some("assistant"),
                content: Some(content),
                refusal: Some(None),
                ..Delta::default()
            };
            frames.push(self.frame(
                Place::Edge,
                ChunkChoice {
                    index,
                    delta,
                    logprobs: None,
                    finish_reason: None,
                },
                0,
            ));
        }
        let turns = self
            .choices
            .iter()
            .map(|choice| choice.pieces.len() + 1)
            .max()
            .unwrap_or(0);
        for turn in 0..turns {
            for (index, choice) in self.choices.iter().enumerate() {
                if let Some(piece) = choice.pieces.get(turn) {
                    let logprobs = (piece.part == Part::Text)
                        .then(|| self.logprobs(&piece.tokens))
                        .flatten();
                    let chunk = ChunkChoice {
                        index,
                        delta: Delta::of(piece),
                        logprobs,
                        finish_reason: None,
                    };
                    frames.push(self.frame(Place::Content, chunk, piece.text().len()));
                } else if turn == choice.pieces.len() {
                    let reason = Some(finish_reason(&choice.end));
                    frames.push(self.frame(
                        Place::Finish,
                        ChunkChoice {
                            index,
                            delta: Delta::default(),
                            logprobs: None,
                            finish_reason: reason,
                        },
                        0,
                    ));
                }
            }
        }
        if self.request.include_usage && self.usage.is_some() {
            let last = self.document::<ChunkChoice>("chat.completion.chunk", Vec::new(), Some(self.usage));
            frames.push(Frame {
                bytes: Self::event(&json(&last)),
                place: Place::Trailer,
            });
        }
        frames.push(Frame {
            bytes: Self::event("[DONE]"),
            place: Place::Trailer,
        });
        frames
    }

    /// One event of a stream.
    pub(crate) fn event(data: &str) -> Bytes {
        Bytes::from(format!("data: {data}\n\n"))
    }

    #[expect(clippy::option_option, reason = "usage is left out, null or given")]
    fn document<C>(&self, object: &'static str, choices: Vec<C>, usage: Option<Option<Usage>>) -> Document<'_, C> {
        Document {
            id: &self.id,
            object,
            created: self.created,
            model: &self.request.model,
            choices,
            usage,
            service_tier: self.request.service_tier,
            system_fingerprint: &self.fingerprint,
            obfuscation: None,
        }
    }

    /// An event with one choice whose text has so many bytes.
    fn frame(&self, place: Place, choice: ChunkChoice, length: usize) -> Frame {
        let usage = (self.request.include_usage && self.usage.is_some()).then_some(None);
        let mut chunk = self.document("chat.completion.chunk", vec![choice], usage);
        if self.request.obfuscate && place != Place::Finish {
            let letters = "aZ3kQ9xW1mV7bT5nR2cY8dU4eI6fO0gPh"
                .chars()
                .cycle()
                .skip(length % PADDING);
            chunk.obfuscation = Some(letters.take(PADDING - length % PADDING).collect());
        }
        Frame {
            bytes: Self::event(&json(&chunk)),
            place,
        }
    }

    fn whole(&self, index: usize, choice: &Choice) -> WholeChoice {
        let text_of = |part: &Part| {
            choice
                .pieces
                .iter()
                .filter(|piece| piece.part == *part)
                .map(Piece::text)
                .collect::<String>()
        };
        let calls = choice.pieces.iter().filter_map(|piece| match &piece.part {
            Part::Call { index, id, name } => {
                let function = Function {
                    name: name.clone(),
                    arguments: text_of(&Part::Arguments { index: *index }),
                };
                Some(ToolCall {
                    id: call_id(id),
                    kind: "function",
                    function,
                })
            }
            _ => None,
        });
        let (calls, text): (Vec<_>, _) = (calls.collect(), text_of(&Part::Text));
        let tokens: Vec<_> = choice
            .pieces
            .iter()
            .filter(|piece| piece.part == Part::Text)
            .flat_map(|piece| piece.tokens.clone())
            .collect();
        let message = Message {
            role: "assistant",
            content: (calls.is_empty() || !text.is_empty()).then_some(text),
            reasoning_content: Some(text_of(&Part::Reasoning)).filter(|reasoning| !reasoning.is_empty()),
            tool_calls: calls,
            refusal: None,
            annotations: [],
        };
        WholeChoice {
            index,
            message,
            logprobs: self.logprobs(&tokens),
            finish_reason: finish_reason(&choice.end),
        }
    }

    /// Made-up log probabilities, if they are wanted.
    fn logprobs(&self, tokens: &[String]) -> Option<Logprobs> {
        let alternatives = self.request.top_logprobs?;
        let content = tokens.iter().map(|token| {
            let shown = TopLogprob::of(token.clone(), 0);
            let others = (1..alternatives.max(1)).map(|rank| TopLogprob::of(format!("{token}{rank}"), rank));
            TokenLogprob {
                top_logprobs: once(shown.clone()).chain(others).take(alternatives).collect(),
                token: shown,
            }
        });
        Some(Logprobs {
            content: content.collect(),
            refusal: None,
        })
    }
}

fn finish_reason(end: &End) -> &'static str {
    match end {
        End::Stop | End::Sequence(_) => "stop",
        End::Length => "length",
        End::ToolCalls => "tool_calls",
    }
}

fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("a document of strings and numbers is JSON")
}
