//! One event of a stream: `chat.completion.chunk`.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    envelope::{Envelope, Fault, Part, Stamp},
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
        let mut found = Found::default();
        let mut usage = None;
        let envelope = Envelope::read(&data, |part, at| match part {
            Part::Choices => json::visit_elements(&data, at, |at| found.read_choice(&data, at)),
            Part::Usage => {
                let (read, end) = usage::read(&data, at)?;
                usage = Some(read);
                Ok(end)
            }
        })?;
        let Found {
            has_choices,
            begins,
            finish_reason,
            has_native,
            content,
            tool_calls,
        } = found;
        Ok(Self {
            data,
            envelope,
            has_choices,
            begins,
            finish_reason,
            has_native,
            content,
            tool_calls,
            usage,
        })
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
        if self.is_finish() {
            return self.write_with(stamp, None, None, out);
        }
        out.reserve(Envelope::stamped_len(&self.data, stamp) + 8);
        out.put_slice(b"data: ");
        self.envelope.write_stamped(&self.data, stamp, out);
        out.put_slice(b"\n\n");
    }

    /// Writes the event for the client with this `usage` object, and with a member of our own behind all others.
    pub(super) fn write_with(&self, stamp: &Stamp, usage: Option<Bytes>, last: Option<&str>, out: &mut BytesMut) {
        let mut edits = Edits::with_capacity(6, 256);
        self.envelope.stamp(stamp, &mut edits);
        if let (Some(at), false) = (&self.finish_reason, self.has_native) {
            edits.insert_all(at.end, &[b",\"native_finish_reason\":", &self.data[at.clone()]]);
        }
        match (usage, &self.envelope.usage) {
            (Some(object), Some(at)) => edits.replace(at.clone(), object),
            (Some(object), None) => {
                edits.insert_all(self.envelope.close, &[b",\"usage\":", &object]);
            }
            (None, _) => {}
        }
        if let Some(last) = last {
            edits.insert_all(self.envelope.close, &[b",", last.as_bytes()]);
        }
        edits.sort();
        out.reserve(edits.edited_len(&self.data) + 8);
        out.put_slice(b"data: ");
        edits.write(&self.data, out);
        out.put_slice(b"\n\n");
    }
}

/// What the choices hold.
#[derive(Default)]
struct Found {
    has_choices: bool,
    begins: bool,
    finish_reason: Option<Range<usize>>,
    has_native: bool,
    content: Option<Range<usize>>,
    tool_calls: Option<Range<usize>>,
}

/// What a delta holds.
#[derive(Default)]
struct Delta {
    begins: bool,
    content: Option<Range<usize>>,
    tool_calls: Option<Range<usize>>,
}

impl Found {
    /// Reads the choice at `start`; gives where it ends.
    fn read_choice(&mut self, data: &[u8], start: usize) -> Result<usize, Fault> {
        self.has_choices = true;
        let mut delta = Delta::default();
        let mut is_first = true;
        let end = json::visit_members(data, start, |key, at| {
            if key == b"delta" && data.get(at) == Some(&b'{') {
                let (read, end) = Delta::read(data, at)?;
                delta = read;
                return Ok::<_, Fault>(Some(end));
            }
            let end = json::value(data, at)?;
            match key {
                b"index" => is_first = &data[at..end] == b"0",
                b"finish_reason" if data[at] == b'"' => {
                    self.finish_reason = Some(at..end);
                    self.begins = true;
                }
                b"native_finish_reason" => self.has_native = true,
                _ => {}
            }
            Ok(Some(end))
        })?;
        self.begins |= delta.begins;
        if is_first {
            self.content = delta.content;
            self.tool_calls = delta.tool_calls;
        }
        Ok(end)
    }
}

impl Delta {
    /// Reads the delta at `start`; gives where it ends as well.
    fn read(data: &[u8], start: usize) -> Result<(Self, usize), Fault> {
        let mut delta = Self::default();
        let end = json::visit_members(data, start, |key, at| {
            let end = json::value(data, at)?;
            let is_blank = matches!(&data[at..end], b"null" | b"\"\"" | b"[]" | b"{}");
            if !is_blank && key != b"role" {
                delta.begins = true;
                match key {
                    b"content" if data[at] == b'"' => delta.content = Some(at + 1..end - 1),
                    b"tool_calls" => delta.tool_calls = Some(at..end),
                    _ => {}
                }
            }
            Ok::<_, Fault>(Some(end))
        })?;
        Ok((delta, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_is_only_stamped_is_written_as_one_with_edits() {
        let stamp = Stamp {
            id: Bytes::from_static(b"\"gen-1\""),
            model: Bytes::from_static(b"\"m\""),
            provider: Bytes::from_static(b"\"p\""),
        };
        let choices = r#""choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]"#;
        for members in [
            choices.to_owned(),
            format!(r#""id":"a","model":"b",{choices}"#),
            format!(r#" "model" : "b" , {choices} , "id" : "a""#),
            format!(r#"{choices},"provider":"o","object":"chat.completion.chunk""#),
            format!(r#""provider":null,{choices},"model":"b","id":1"#),
        ] {
            let chunk = Chunk::read(format!("{{{members}}}").into()).unwrap();
            let (mut written, mut edited) = (BytesMut::new(), BytesMut::new());
            chunk.write(&stamp, &mut written);
            chunk.write_with(&stamp, None, None, &mut edited);
            assert_eq!(written, edited, "{members}");
            assert!(written.len() <= Envelope::stamped_len(&chunk.data, &stamp) + 8);
        }
    }
}
