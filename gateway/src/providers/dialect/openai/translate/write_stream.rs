//! A stream in `OpenAI`'s form, of a provider that spoke another dialect: each event becomes a chunk as `OpenAI` would send it, which
//! then goes the way of all chunks.

use bytes::Bytes;
use serde::Serialize;

use super::{word, write_answer::Detail};
use crate::{
    capture::record::Usage,
    providers::{
        canonical::{answer::Finish, event::Event},
        dialect::openai::usage,
    },
};

/// Makes chunks of events.
#[derive(Debug)]
pub struct ChunkWriter {
    created_unix_seconds: i64,
    /// The piece of reasoning under way.
    reasoning: usize,
}

#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    object: &'static str,
    created: i64,
    choices: [Choice<'a>; 1],
}

#[derive(Default, Serialize)]
struct Choice<'a> {
    index: u8,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_finish_reason: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<[Detail<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl ChunkWriter {
    pub fn new(created_unix_seconds: i64) -> Self {
        Self {
            created_unix_seconds,
            reasoning: 0,
        }
    }

    /// The chunk for an event; none for what has no chunk of its own.
    pub fn chunk(&mut self, event: &Event) -> Option<Bytes> {
        let mut id = None;
        let mut choice = Choice::default();
        match event {
            Event::Begin { upstream_id } => {
                id = upstream_id.as_deref();
                choice.delta = Delta {
                    role: Some("assistant"),
                    content: Some(""),
                    ..Delta::default()
                };
            }
            Event::Finish(Finish { reason, native, .. }) => {
                choice.finish_reason = Some(word(*reason));
                choice.native_finish_reason = Some(native);
            }
            Event::Usage(usage) if usage.estimated => return None,
            Event::Usage(usage) => return Some(self.usage_chunk(usage)),
            Event::Done => return Some(Bytes::from_static(b"[DONE]")),
            event => choice.delta = self.delta(event)?,
        }
        let chunk = Chunk {
            id,
            object: "chat.completion.chunk",
            created: self.created_unix_seconds,
            choices: [choice],
        };
        serde_json::to_vec(&chunk).ok().map(Bytes::from)
    }

    fn usage_chunk(&self, usage: &Usage) -> Bytes {
        let created = self.created_unix_seconds;
        let object = usage::counted(usage);
        format!("{{\"object\":\"chat.completion.chunk\",\"created\":{created},\"choices\":[],\"usage\":{object}}}")
            .into()
    }

    fn delta<'a>(&mut self, event: &'a Event) -> Option<Delta<'a>> {
        let mut delta = Delta::default();
        match event {
            Event::Text(text) => delta.content = Some(text),
            Event::Reasoning(text) => {
                delta.reasoning = Some(text);
                delta.reasoning_content = Some(text);
                delta.reasoning_details = Some([Detail::text(Some(text), None, self.reasoning)]);
            }
            Event::Signature(signature) => {
                delta.reasoning_details = Some([Detail::text(None, Some(signature), self.reasoning)]);
                self.reasoning += 1;
            }
            Event::RedactedReasoning(data) => {
                delta.reasoning_details = Some([Detail::encrypted(data, self.reasoning)]);
                self.reasoning += 1;
            }
            Event::ToolCall { index, id, name } => {
                delta.tool_calls = Some([CallDelta {
                    index: *index,
                    id: Some(id),
                    r#type: Some("function"),
                    function: FunctionDelta {
                        name: Some(name),
                        arguments: "",
                    },
                }]);
            }
            Event::Arguments { index, text } => {
                delta.tool_calls = Some([CallDelta {
                    index: *index,
                    id: None,
                    r#type: None,
                    function: FunctionDelta {
                        name: None,
                        arguments: text,
                    },
                }]);
            }
            Event::Begin { .. } | Event::Finish(_) | Event::Usage(_) | Event::Done => return None,
        }
        Some(delta)
    }
}
