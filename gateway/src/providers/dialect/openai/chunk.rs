//! One event of a stream: `chat.completion.chunk`.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    envelope::{Envelope, Fault, Stamp},
    text_of, usage,
};
use crate::{
    capture::record::Usage,
    providers::{json, splice::Edits},
};

/// An event, read.
#[derive(Debug)]
pub(super) struct Chunk {
    data: Bytes,
    envelope: Envelope,
    /// It has at least one choice.
    has_choices: bool,
    /// Some choice has content, reasoning or a tool call, or has finished: the answer has begun.
    pub(super) begins: bool,
    /// The last choice's `finish_reason`, where it is not null.
    finish_reason: Option<Range<usize>>,
    has_native: bool,
    /// Of the first choice (index 0).
    content: Option<Range<usize>>,
    tool_calls: Option<Range<usize>>,
    pub(super) usage: Option<Usage>,
}

impl Chunk {
    pub(super) fn read(data: Bytes) -> Result<Self, Fault> {
        let envelope = Envelope::read(&data)?;
        let choices_at = envelope
            .choices
            .clone()
            .filter(|at| data[at.start] == b'[')
            .ok_or(Fault::Shape("choices"))?;
        let usage = envelope
            .usage_object(&data)
            .map(|at| usage::read(&data, at.start))
            .transpose()?;
        let mut chunk = Self {
            envelope,
            has_choices: false,
            begins: false,
            finish_reason: None,
            has_native: false,
            content: None,
            tool_calls: None,
            usage,
            data,
        };
        let data = chunk.data.clone();
        for element in json::elements(&data, choices_at.start)? {
            chunk.has_choices = true;
            chunk.read_choice(&data, element?.start)?;
        }
        Ok(chunk)
    }

    fn read_choice(&mut self, data: &[u8], start: usize) -> Result<(), Fault> {
        let mut delta = None;
        let mut is_first = true;
        for member in json::members(data, start)? {
            let member = member?;
            match member.key {
                b"index" => is_first = &data[member.value] == b"0",
                b"delta" if data[member.value.start] == b'{' => delta = Some(member.value.start),
                b"finish_reason" if data[member.value.start] == b'"' => {
                    self.finish_reason = Some(member.value);
                    self.begins = true;
                }
                b"native_finish_reason" => self.has_native = true,
                _ => {}
            }
        }
        match delta {
            Some(start) => self.read_delta(data, start, is_first),
            None => Ok(()),
        }
    }

    fn read_delta(&mut self, data: &[u8], start: usize, is_first: bool) -> Result<(), Fault> {
        for member in json::members(data, start)? {
            let member = member?;
            let is_blank = matches!(&data[member.value.clone()], b"null" | b"\"\"" | b"[]" | b"{}");
            if is_blank || member.key == b"role" {
                continue;
            }
            self.begins = true;
            match member.key {
                b"content" if is_first && data[member.value.start] == b'"' => {
                    self.content = Some(member.value.start + 1..member.value.end - 1);
                }
                b"tool_calls" if is_first => self.tool_calls = Some(member.value),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn is_usage_only(&self) -> bool {
        !self.has_choices && self.usage.is_some()
    }

    pub(super) fn is_finish(&self) -> bool {
        self.finish_reason.is_some()
    }

    pub(super) fn finish_reason(&self) -> Option<Box<str>> {
        self.finish_reason
            .clone()
            .and_then(|at| text_of(&self.data[at]))
            .map(String::into_boxed_str)
    }

    pub(super) fn upstream_id(&self) -> Option<Box<str>> {
        self.envelope.id_in(&self.data)
    }

    /// The inside of the first choice's content, still escaped.
    pub(super) fn content(&self) -> &[u8] {
        self.content.clone().map_or(&[], |at| &self.data[at])
    }

    pub(super) fn tool_calls(&self) -> Option<&[u8]> {
        self.tool_calls.clone().map(|at| &self.data[at])
    }

    /// The provider's `usage` object, as it wrote it.
    pub(super) fn usage_object(&self) -> Option<Bytes> {
        self.envelope.usage_object(&self.data).map(|at| self.data.slice(at))
    }

    /// Writes the event for the client.
    pub(super) fn write(&self, stamp: &Stamp, out: &mut BytesMut) {
        self.write_with(stamp, None, None, out);
    }

    /// Writes the event for the client with this `usage` object, and with a member of our own behind all others.
    pub(super) fn write_with(&self, stamp: &Stamp, usage: Option<Bytes>, last: Option<&str>, out: &mut BytesMut) {
        let mut edits = Edits::with_capacity(6);
        self.envelope.stamp(stamp, &mut edits);
        if let (Some(at), false) = (&self.finish_reason, self.has_native) {
            edits.insert(
                at.end,
                [b",\"native_finish_reason\":", &self.data[at.clone()]].concat().into(),
            );
        }
        match (usage, &self.envelope.usage) {
            (Some(object), Some(at)) => edits.replace(at.clone(), object),
            (Some(object), None) => {
                edits.insert(self.envelope.close, [b",\"usage\":", &object[..]].concat().into());
            }
            (None, _) => {}
        }
        if let Some(last) = last {
            edits.insert(self.envelope.close, format!(",{last}").into());
        }
        edits.sort();
        out.reserve(edits.edited_len(&self.data) + 8);
        out.put_slice(b"data: ");
        edits.write(&self.data, out);
        out.put_slice(b"\n\n");
    }
}
