//! Writes an answer as the vendor does: a message, or the events of a stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::event::{
    Block, CacheCreation, Delta, DeltaUsage, Document, Event, InputUsage, OutputDetails, Usage, json as written,
};
use super::{event, signature};
use crate::simulator::answer::{Choice, End, Part, Piece};
use crate::simulator::endpoint::PromptTokens;
use crate::simulator::script::{Frame, Place};

/// Output tokens that the first event of a stream tells, whatever comes.
const FIRST_OUTPUT_TOKENS: usize = 1;

/// All that an answer is written from.
pub(crate) struct Message {
    pub id: String,
    pub model: String,
    pub omit_thinking: bool,
    pub choice: Choice,
    /// None: usage is left out.
    pub prompt: Option<PromptTokens>,
}

impl Message {
    /// An answer that is not streamed.
    pub(super) fn body(&self) -> Bytes {
        let content = self.blocks().into_iter().map(|pieces| self.whole(pieces)).collect();
        let end = self.end();
        written(&self.document(content, Some(&end), self.choice.tokens())).into()
    }

    /// An answer as a stream of events.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let message = self.document(Vec::new(), None, FIRST_OUTPUT_TOKENS);
        let mut frames = vec![frame(Place::Edge, &Event::MessageStart { message })];
        for (index, pieces) in self.blocks().into_iter().enumerate() {
            self.stream(index, pieces, &mut frames);
        }
        let usage = self.prompt.as_ref().map(|prompt| DeltaUsage {
            input: input(prompt),
            output_tokens: self.choice.tokens(),
            output_tokens_details: self.details(),
        });
        let delta = self.end();
        frames.push(frame(Place::Finish, &Event::MessageDelta { delta, usage }));
        frames.push(frame(Place::Trailer, &Event::MessageStop));
        frames
    }

    /// The pieces of each block: a call with its arguments is one, and so is whatever else follows on its like.
    fn blocks(&self) -> Vec<&[Piece]> {
        let follows = |before: &Piece, piece: &Piece| match (&before.part, &piece.part) {
            (_, Part::Call { .. }) => false,
            (Part::Call { index, .. }, Part::Arguments { index: of }) => index == of,
            (before, part) => before == part,
        };
        self.choice.pieces.chunk_by(follows).collect()
    }

    fn whole(&self, pieces: &[Piece]) -> Block {
        let text: String = pieces.iter().map(Piece::text).collect();
        match &pieces[0].part {
            Part::Reasoning => {
                let thinking = self.shown(text);
                Block::Thinking {
                    signature: signature::of(&thinking),
                    thinking,
                }
            }
            Part::Text | Part::Arguments { .. } => Block::Text { text },
            Part::Call { id, name, .. } => Block::ToolUse {
                id: call_id(id),
                name: name.clone(),
                // What the limit cut short is no JSON.
                input: serde_json::from_str(&text).unwrap_or_else(|_| json!({})),
            },
        }
    }

    /// The events of a block.
    fn stream(&self, index: usize, pieces: &[Piece], frames: &mut Vec<Frame>) {
        let (place, content_block) = match &pieces[0].part {
            Part::Reasoning => (
                Place::Edge,
                Block::Thinking {
                    thinking: String::new(),
                    signature: String::new(),
                },
            ),
            Part::Text | Part::Arguments { .. } => (Place::Edge, Block::Text { text: String::new() }),
            // A call's name and identifier are content.
            Part::Call { id, name, .. } => (
                Place::Content,
                Block::ToolUse {
                    id: call_id(id),
                    name: name.clone(),
                    input: Value::Object(serde_json::Map::new()),
                },
            ),
        };
        frames.push(frame(place, &Event::ContentBlockStart { index, content_block }));
        if index == 0 {
            frames.push(frame(Place::Edge, &Event::Ping));
        }
        for piece in pieces {
            let text = piece.text();
            let (place, delta) = match &piece.part {
                Part::Reasoning if self.omit_thinking => continue,
                Part::Reasoning => (Place::Content, Delta::ThinkingDelta { thinking: &text }),
                Part::Text => (Place::Content, Delta::TextDelta { text: &text }),
                Part::Arguments { .. } => (Place::Content, Delta::InputJsonDelta { partial_json: &text }),
                Part::Call { .. } => (Place::Edge, Delta::InputJsonDelta { partial_json: "" }),
            };
            frames.push(frame(place, &Event::ContentBlockDelta { index, delta }));
        }
        if pieces[0].part == Part::Reasoning {
            let thinking = self.shown(pieces.iter().map(Piece::text).collect());
            let delta = Delta::SignatureDelta {
                signature: signature::of(&thinking),
            };
            frames.push(frame(Place::Edge, &Event::ContentBlockDelta { index, delta }));
        }
        frames.push(frame(Place::Edge, &Event::ContentBlockStop { index }));
    }

    /// Thinking as the client gets to see it.
    fn shown(&self, thinking: String) -> String {
        if self.omit_thinking { String::new() } else { thinking }
    }

    fn document<'a>(&'a self, content: Vec<Block>, end: Option<&event::End<'a>>, output_tokens: usize) -> Document<'a> {
        let usage = self.prompt.as_ref().map(|prompt| Usage {
            input: input(prompt),
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: prompt.written,
                ephemeral_1h_input_tokens: 0,
            },
            output_tokens,
            output_tokens_details: end.and_then(|_| self.details()),
            service_tier: "standard",
        });
        Document {
            model: &self.model,
            id: &self.id,
            kind: "message",
            role: "assistant",
            content,
            stop_reason: end.map(|end| end.stop_reason),
            stop_sequence: end.and_then(|end| end.stop_sequence),
            stop_details: None,
            usage,
        }
    }

    fn end(&self) -> event::End<'_> {
        let (stop_reason, stop_sequence) = match &self.choice.end {
            End::Stop => ("end_turn", None),
            End::Sequence(sequence) => ("stop_sequence", Some(sequence.as_str())),
            End::Length => ("max_tokens", None),
            End::ToolCalls => ("tool_use", None),
        };
        event::End {
            stop_reason,
            stop_sequence,
            stop_details: None,
        }
    }

    fn details(&self) -> Option<OutputDetails> {
        let thinking_tokens = self.choice.reasoning_tokens();
        (thinking_tokens > 0).then_some(OutputDetails { thinking_tokens })
    }
}

fn input(prompt: &PromptTokens) -> InputUsage {
    InputUsage {
        input_tokens: prompt.all - prompt.cached - prompt.written,
        cache_creation_input_tokens: prompt.written,
        cache_read_input_tokens: prompt.cached,
    }
}

fn call_id(letters: &str) -> String {
    format!("toolu_01{}", letters.get(..22).unwrap_or(letters))
}

fn frame(place: Place, event: &Event<'_>) -> Frame {
    Frame {
        bytes: event.bytes(),
        place,
    }
}
