//! A stream of either dialect, read to its end.

use serde_json::Value;

use super::{Event, Events};

/// What came, in order.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    pub chunks: Vec<Value>,
    pub comments: usize,
    /// It ended with its end mark, and nothing came after.
    pub is_done: bool,
    /// Bytes behind the last whole event.
    pub rest: Vec<u8>,
}

pub(super) fn content_of(chunk: &Value) -> Option<&str> {
    let of_openai = chunk["choices"][0]["delta"]["content"].as_str();
    of_openai.or_else(|| chunk["delta"]["text"].as_str())
}

impl Transcript {
    pub fn read(body: &[u8]) -> anyhow::Result<Self> {
        let mut events = Events::default();
        events.push(body);
        let mut transcript = Self::default();
        while let Some(event) = events.take()? {
            anyhow::ensure!(!transcript.is_done, "an event after the end mark: {event:?}");
            match event {
                Event::Chunk(chunk) => transcript.chunks.push(chunk),
                Event::Comment(_) => transcript.comments += 1,
                Event::Done => transcript.is_done = true,
            }
        }
        transcript.rest = events.rest();
        Ok(transcript)
    }

    /// The text of the first choice, put together.
    pub fn content(&self) -> String {
        self.chunks.iter().filter_map(content_of).collect()
    }

    /// Chunks that carry text.
    pub fn content_chunks(&self) -> usize {
        self.chunks
            .iter()
            .filter_map(content_of)
            .filter(|text| !text.is_empty())
            .count()
    }

    /// Why the answer ended, in the dialect's words.
    pub fn finish_reason(&self) -> Option<&str> {
        self.chunks.iter().rev().find_map(|chunk| {
            let of_openai = chunk["choices"][0]["finish_reason"].as_str();
            of_openai.or_else(|| chunk["delta"]["stop_reason"].as_str())
        })
    }

    pub fn usage(&self) -> Option<Value> {
        self.chunks
            .iter()
            .rev()
            .map(|chunk| &chunk["usage"])
            .find(|usage| usage.is_object())
            .cloned()
    }

    /// The error that the stream ended with.
    pub fn error(&self) -> Option<&Value> {
        self.chunks
            .last()
            .map(|chunk| &chunk["error"])
            .filter(|error| error.is_object())
    }

    /// What the gateway says of its own work in the last chunk.
    pub fn route_switch(&self) -> Value {
        self.chunks
            .last()
            .map(|chunk| chunk["route_switch"].clone())
            .unwrap_or_default()
    }
}
