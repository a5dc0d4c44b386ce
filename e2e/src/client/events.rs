//! Server-sent events as a gateway writes them: one `data` line or one comment each. Anything else is a fault of the gateway.

use anyhow::{Context as _, bail};
use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Chunk(Value),
    Comment(String),
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
        match text.strip_prefix("data: ") {
            Some("[DONE]") => Ok(Some(Event::Done)),
            Some(data) => {
                let chunk = serde_json::from_str(data).with_context(|| format!("an event is not JSON: {data}"))?;
                Ok(Some(Event::Chunk(chunk)))
            }
            None => bail!("not an event: {text}"),
        }
    }

    /// What has come and is no whole event.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}
