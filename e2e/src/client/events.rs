//! Server-sent events as a gateway writes them: one `data` line or one comment each, in Anthropic's dialect with the name of the event
//! before it. Anything else is a fault of the gateway.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Chunk(Value),
    Comment(String),
    /// The end mark: `[DONE]` or `message_stop`.
    Done,
}

/// Takes bytes and gives events.
#[derive(Debug, Default)]
pub struct Events(Vec<u8>);

impl Events {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole event, if it has come.
    pub fn take(&mut self) -> anyhow::Result<Option<Event>> {
        let Some(end) = memchr::memmem::find(&self.0, b"\n\n") else {
            return Ok(None);
        };
        let event: Vec<u8> = self.0.drain(..end + 2).collect();
        let text = std::str::from_utf8(&event[..end]).context("an event is not UTF-8")?;
        if let Some(comment) = text.strip_prefix(':') {
            return Ok(Some(Event::Comment(comment.trim().to_owned())));
        }
        if let Some(named) = text.strip_prefix("event: ") {
            return Self::named(named).map(Some);
        }
        match text.strip_prefix("data: ") {
            Some("[DONE]") => Ok(Some(Event::Done)),
            Some(data) => Ok(Some(Event::Chunk(json(data)?))),
            None => bail!("not an event: {text}"),
        }
    }

    /// An event whose name is the type of its data.
    fn named(event: &str) -> anyhow::Result<Event> {
        let (name, data) = event
            .split_once("\ndata: ")
            .with_context(|| format!("no data: {event}"))?;
        let chunk = json(data)?;
        ensure!(chunk["type"] == name, "the event {name} is another one: {data}");
        Ok(if name == "message_stop" {
            Event::Done
        } else {
            Event::Chunk(chunk)
        })
    }

    /// What has come and is no whole event.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

fn json(data: &str) -> anyhow::Result<Value> {
    serde_json::from_str(data).with_context(|| format!("an event is not JSON: {data}"))
}
