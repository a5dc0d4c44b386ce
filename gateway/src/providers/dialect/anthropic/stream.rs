//! A stream that stays in its dialect: each event passes as it came, but for what marks the message as this gateway's.

use bytes::{Bytes, BytesMut};

use super::translate::{read_stream::EventReader, write_stream::put_event};
use crate::providers::{
    canonical::event::Event,
    document::Node,
    fault::Fault,
    json::{self, Malformed},
    splice::Edits,
    stamp::Stamp,
};

/// Passes events on and reads them as it does.
#[derive(Debug)]
pub struct PassingEvents {
    stamp: Stamp,
    reader: EventReader,
}

impl PassingEvents {
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            reader: EventReader::default(),
        }
    }

    /// Takes the data of one event; appends what the client gets for it now, and gives what it meant.
    pub fn event(&mut self, data: &Bytes, out: &mut BytesMut) -> Result<Vec<Event>, Fault> {
        let events = self.reader.read(data)?;
        let kind = Node::root(data)?.needed("type", "a string")?.string()?;
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match kind.as_str() {
            // The end is written when the books are closed.
            "message_stop" => {}
            "message_start" => put_event(&kind, &self.stamped(data)?, out),
            name if is_name(name) => put_event(name, data, out),
            _ => {}
        }
        Ok(events)
    }

    /// Appends the end.
    pub fn end(&self, out: &mut BytesMut) {
        put_event("message_stop", br#"{"type":"message_stop"}"#, out);
    }

    fn stamped(&self, data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut edits = Edits::with_capacity(2, 0);
        json::visit_members(data, 0, |key, at| {
            if key != b"message" {
                return Ok::<_, Malformed>(None);
            }
            let end = json::visit_members(data, at, |key, at| {
                let text = match key {
                    b"id" => &self.stamp.id,
                    b"model" => &self.stamp.model,
                    _ => return Ok::<_, Malformed>(None),
                };
                let end = json::value(data, at)?;
                edits.replace(at..end, text.clone());
                Ok(Some(end))
            })?;
            Ok(Some(end))
        })?;
        edits.sort();
        let mut out = Vec::with_capacity(edits.edited_len(data));
        edits.write(data, &mut out);
        Ok(out)
    }
}
