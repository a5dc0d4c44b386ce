//! A stream of an answer, event by event, from the provider's form to the client's. Pure: bytes in, bytes out.

use bytes::{BufMut, Bytes, BytesMut};

pub use super::envelope::{Fault, Stamp};
use super::{chunk::Chunk, usage};
use crate::{
    capture::record::{Deltas, Usage},
    providers::price::Price,
};

/// Where a stream tells its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsagePlace {
    /// A last chunk without choices: `OpenAI`'s `include_usage`.
    OwnChunk,
    /// The chunk that carries `finish_reason`, held until the provider's usage arrives or its stream ends.
    FinishChunk,
    /// A last chunk with one choice and an empty delta: `OpenRouter`'s way.
    EmptyDelta,
}

/// What a provider's event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing that commits the answer: a role, an empty delta.
    Preamble,
    /// Content, reasoning, a tool call, a finish.
    Content,
    /// The end, as the provider says.
    Done,
}

/// What the last chunk says of the gateway's own work.
#[derive(Clone, Copy, Debug)]
pub struct Trailer<'a> {
    /// The target's name, as a JSON string.
    pub target: &'a [u8],
    pub attempts: usize,
    pub overhead_micros: u64,
}

/// One attempt's stream under way.
#[derive(Debug)]
pub struct StreamWriter {
    stamp: Stamp,
    place: UsagePlace,
    price: Option<Price>,
    /// When the request began, for chunks of our own, in seconds since 1970.
    created_unix_seconds: i64,
    /// Tokens of the prompt, should the provider not count them.
    estimated_prompt_tokens: u64,
    held_finish: Option<Chunk>,
    held_usage: Option<Chunk>,
    usage_object: Option<Bytes>,
    usage: Option<Usage>,
    answer_bytes: usize,
    deltas: Option<Deltas>,
    finish_reason: Option<Box<str>>,
    upstream_id: Option<Box<str>>,
}

/// What a stream comes from and goes to.
#[derive(Debug)]
pub struct Setting {
    pub stamp: Stamp,
    pub place: UsagePlace,
    pub price: Option<Price>,
    pub created_unix_seconds: i64,
    pub estimated_prompt_tokens: u64,
    pub capture: bool,
}

impl StreamWriter {
    pub fn new(setting: Setting) -> Self {
        let Setting {
            stamp,
            place,
            price,
            created_unix_seconds,
            estimated_prompt_tokens,
            capture,
        } = setting;
        Self {
            stamp,
            place,
            price,
            created_unix_seconds,
            estimated_prompt_tokens,
            held_finish: None,
            held_usage: None,
            usage_object: None,
            usage: None,
            answer_bytes: 0,
            deltas: capture.then(Deltas::default),
            finish_reason: None,
            upstream_id: None,
        }
    }

    /// Takes the data of one event; appends what the client gets for it now.
    pub fn event(&mut self, data: Bytes, out: &mut BytesMut) -> Result<Event, Fault> {
        if &data[..] == b"[DONE]" {
            return Ok(Event::Done);
        }
        let chunk = Chunk::read(data)?;
        if self.upstream_id.is_none() {
            self.upstream_id = chunk.upstream_id();
        }
        if chunk.usage.is_some() {
            self.usage = chunk.usage;
            self.usage_object = chunk.usage_object();
        }
        if chunk.is_usage_only() {
            self.held_usage = Some(chunk);
            return Ok(Event::Preamble);
        }
        self.note_answer(&chunk);
        let event = if chunk.begins { Event::Content } else { Event::Preamble };
        if let Some(earlier) = self.held_finish.take() {
            earlier.write(&self.stamp, out);
        }
        if chunk.is_finish() && self.place == UsagePlace::FinishChunk {
            self.held_finish = Some(chunk);
        } else {
            chunk.write(&self.stamp, out);
        }
        Ok(event)
    }

    /// The provider has counted the prompt, and not the answer yet.
    pub fn expect_prompt_tokens(&mut self, prompt_tokens: u64) {
        self.estimated_prompt_tokens = prompt_tokens;
    }

    /// Whether the answer has come to its finish.
    pub fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Appends what is still held, the usage and `[DONE]`.
    pub fn end(&mut self, trailer: Trailer<'_>, out: &mut BytesMut) {
        let last = format!(
            "\"route_switch\":{{\"target\":{},\"attempts\":{},\"overhead_us\":{}}}",
            String::from_utf8_lossy(trailer.target),
            trailer.attempts,
            trailer.overhead_micros
        );
        let usage = self.usage_text();
        match (self.place, self.held_finish.take(), self.held_usage.take()) {
            (UsagePlace::FinishChunk, Some(finish), _) => finish.write_with(&self.stamp, Some(usage), Some(&last), out),
            (UsagePlace::OwnChunk, _, Some(chunk)) => chunk.write_with(&self.stamp, Some(usage), Some(&last), out),
            (UsagePlace::OwnChunk | UsagePlace::FinishChunk, _, _) => self.own_chunk("[]", &usage, &last, out),
            (UsagePlace::EmptyDelta, _, _) => {
                let finish = self
                    .finish_reason
                    .as_deref()
                    .map_or(Bytes::from_static(b"null"), super::json_string);
                let finish = String::from_utf8_lossy(&finish);
                let choices = format!(
                    "[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},\"finish_reason\":{finish},\
                     \"native_finish_reason\":{finish}}}]"
                );
                self.own_chunk(&choices, &usage, &last, out);
            }
        }
        out.put_slice(b"data: [DONE]\n\n");
    }

    /// Tokens as counted, or estimated from what has come.
    pub fn usage(&self) -> Usage {
        self.usage.unwrap_or(Usage {
            prompt_tokens: self.estimated_prompt_tokens,
            completion_tokens: (self.answer_bytes as u64).div_ceil(4),
            estimated: true,
            ..Usage::default()
        })
    }

    pub fn cost_pico_usd(&self) -> Option<i64> {
        self.price.and_then(|price| price.cost_pico_usd(&self.usage()))
    }

    pub fn finish_reason(&self) -> Option<Box<str>> {
        self.finish_reason.clone()
    }

    pub fn take_upstream_id(&mut self) -> Option<Box<str>> {
        self.upstream_id.take()
    }

    /// What the answer held, if it is captured.
    pub fn take_deltas(&mut self) -> Option<Deltas> {
        self.deltas.take()
    }

    fn note_answer(&mut self, chunk: &Chunk) {
        self.answer_bytes += chunk.content().len() + chunk.tool_calls().map_or(0, <[u8]>::len);
        if chunk.is_finish() {
            self.finish_reason = chunk.finish_reason();
        }
        if let Some(deltas) = &mut self.deltas {
            deltas.content.extend_from_slice(chunk.content());
            if let Some(calls) = chunk.tool_calls() {
                deltas.tool_calls.push(calls.into());
            }
        }
    }

    /// The provider's `usage` object with the cost put in, or one of our own.
    fn usage_text(&self) -> Bytes {
        match &self.usage_object {
            Some(object) => {
                let mut text = Vec::with_capacity(object.len() + 64);
                text.push(b'{');
                usage::write_cost(self.cost_pico_usd(), object, &mut text);
                text.extend_from_slice(&object[1..]);
                text.into()
            }
            None => usage::object(&self.usage(), self.cost_pico_usd()).into(),
        }
    }

    fn own_chunk(&self, choices: &str, usage: &[u8], last: &str, out: &mut BytesMut) {
        let Stamp { id, model, provider } = &self.stamp;
        out.put_slice(b"data: {\"id\":");
        out.put_slice(id);
        out.put_slice(
            format!(
                ",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":",
                self.created_unix_seconds
            )
            .as_bytes(),
        );
        out.put_slice(model);
        out.put_slice(b",\"provider\":");
        out.put_slice(provider);
        out.put_slice(format!(",\"choices\":{choices},\"usage\":").as_bytes());
        out.put_slice(usage);
        out.put_slice(format!(",{last}}}\n\n").as_bytes());
    }
}

/// The chunk that ends a stream that failed after its first content, and the end. `error` is an error object.
pub fn failure(id: &[u8], created_unix_seconds: i64, model: &[u8], error: &[u8], out: &mut BytesMut) {
    out.put_slice(b"data: {\"id\":");
    out.put_slice(id);
    out.put_slice(
        format!(",\"object\":\"chat.completion.chunk\",\"created\":{created_unix_seconds},\"model\":").as_bytes(),
    );
    out.put_slice(model);
    out.put_slice(b",\"error\":");
    out.put_slice(error);
    out.put_slice(
        b",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\ndata: [DONE]\n\n",
    );
}

#[cfg(test)]
mod tests;
