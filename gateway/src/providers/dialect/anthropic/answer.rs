//! An answer that is not streamed and stays in its dialect: `message`.

use std::ops::Range;

use bytes::Bytes;

use super::translate::read_answer::read_answer;
use crate::{
    capture::record::Usage,
    providers::{canonical, fault::Fault, json, splice::Edits, stamp::Stamp},
};

/// A provider's answer, read.
#[derive(Debug)]
pub struct Answer {
    body: Bytes,
    read: canonical::answer::Answer,
    id: Option<Range<usize>>,
    model: Option<Range<usize>>,
    /// Behind the opening brace.
    open: usize,
}

impl Answer {
    pub fn read(body: Bytes) -> Result<Self, Fault> {
        let read = read_answer(&body)?;
        let (mut id, mut model) = (None, None);
        json::visit_members(&body, 0, |key, at| {
            let slot = match key {
                b"id" => &mut id,
                b"model" => &mut model,
                _ => return Ok::<_, Fault>(None),
            };
            let end = json::value(&body, at)?;
            *slot = Some(at..end);
            Ok(Some(end))
        })?;
        Ok(Self {
            open: 1 + body.iter().position(|byte| *byte == b'{').unwrap_or(0),
            read,
            id,
            model,
            body,
        })
    }

    /// What it says.
    pub fn canonical(&self) -> &canonical::answer::Answer {
        &self.read
    }

    /// As the provider counted; none when it did not say.
    pub fn usage(&self) -> Option<Usage> {
        self.read.usage
    }

    /// The body for the client.
    pub fn stamped(&self, stamp: &Stamp) -> Vec<Bytes> {
        let mut edits = Edits::with_capacity(2, 0);
        for (name, place, text) in [("id", &self.id, &stamp.id), ("model", &self.model, &stamp.model)] {
            match place {
                Some(at) => edits.replace(at.clone(), text.clone()),
                None => edits.insert(
                    self.open,
                    [b"\"", name.as_bytes(), b"\":", &text[..], b","].concat().into(),
                ),
            }
        }
        edits.sort();
        edits.pieces(&self.body)
    }
}
