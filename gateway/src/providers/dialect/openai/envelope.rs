//! The members that answers and chunks have in common, and how they are marked as ours.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

pub use crate::providers::{fault::Fault, stamp::Stamp};
use crate::providers::{json, splice::Edits};

/// A member that answers and chunks read each in their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Choices,
    Usage,
}

/// Where the common members of an object stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    id: Option<Range<usize>>,
    model: Option<Range<usize>>,
    provider: Option<Range<usize>>,
    pub(super) usage: Option<Range<usize>>,
    pub(super) choices: Option<Range<usize>>,
    error: Option<Range<usize>>,
    /// Offsets behind the opening and at the closing brace.
    open: usize,
    pub(super) close: usize,
}

impl Envelope {
    /// Reads the object. `choices`, where it is an array, and `usage`, where it is an object, are read by `part`, which gets where
    /// they begin and gives where they end.
    pub(super) fn read(text: &[u8], mut part: impl FnMut(Part, usize) -> Result<usize, Fault>) -> Result<Self, Fault> {
        let mut envelope = Self::default();
        let end = json::visit_members(text, 0, |key, at| {
            let (slot, end) = match (key, text.get(at)) {
                (b"choices", Some(b'[')) => (&mut envelope.choices, part(Part::Choices, at)?),
                (b"usage", Some(b'{')) => (&mut envelope.usage, part(Part::Usage, at)?),
                (key, _) => match envelope.slot(key) {
                    Some(slot) => (slot, json::value(text, at)?),
                    None => return Ok::<_, Fault>(None),
                },
            };
            *slot = Some(at..end);
            Ok(Some(end))
        })?;
        json::ends(text, end)?;
        envelope.open = 1 + text.iter().position(|byte| *byte == b'{').unwrap_or(0);
        envelope.close = end - 1;
        match envelope.error.take() {
            Some(at) if text[at.start] != b'n' => Err(Fault::reported(text)),
            _ if envelope.choices.as_ref().is_none_or(|at| text[at.start] != b'[') => Err(Fault::Shape("choices")),
            _ => Ok(envelope),
        }
    }

    fn slot(&mut self, key: &[u8]) -> Option<&mut Option<Range<usize>>> {
        Some(match key {
            b"id" => &mut self.id,
            b"model" => &mut self.model,
            b"provider" => &mut self.provider,
            b"usage" => &mut self.usage,
            b"choices" => &mut self.choices,
            b"error" => &mut self.error,
            _ => return None,
        })
    }

    /// The provider's own id.
    pub(super) fn id_in(&self, text: &[u8]) -> Option<Box<str>> {
        self.id
            .clone()
            .and_then(|at| super::text_of(&text[at]))
            .map(String::into_boxed_str)
    }

    /// The `usage` object's place, if there is one that is not null.
    pub(super) fn usage_object(&self, text: &[u8]) -> Option<Range<usize>> {
        self.usage.clone().filter(|at| text[at.start] == b'{')
    }

    /// Appends the text with id, model and provider of ours: what [`Self::stamp`] comes to where nothing else is changed.
    pub(super) fn write_stamped(&self, text: &[u8], stamp: &Stamp, out: &mut BytesMut) {
        let member = |name: &'static [u8], place: &Option<Range<usize>>, value| match place {
            Some(at) => (at.start, at.end, None, value),
            None => (self.open, self.open, Some(name), value),
        };
        let mut members: [(usize, usize, Option<&[u8]>, &Bytes); 3] = [
            member(b"\"id\":", &self.id, &stamp.id),
            member(b"\"model\":", &self.model, &stamp.model),
            member(b"\"provider\":", &self.provider, &stamp.provider),
        ];
        // Insertions at one place stay in their order, and come first.
        members.sort_by_key(|(start, end, ..)| (*start, *end));
        let mut from = 0;
        for (start, end, name, value) in members {
            out.extend_from_slice(&text[from..start]);
            if let Some(name) = name {
                out.extend_from_slice(name);
            }
            out.extend_from_slice(value);
            if name.is_some() {
                out.extend_from_slice(b",");
            }
            from = end;
        }
        out.extend_from_slice(&text[from..]);
    }

    /// How many bytes [`Self::write_stamped`] appends at most.
    pub(super) fn stamped_len(text: &[u8], stamp: &Stamp) -> usize {
        const NAMES: usize = b"\"id\":,\"model\":,\"provider\":,".len();
        text.len() + NAMES + stamp.id.len() + stamp.model.len() + stamp.provider.len()
    }

    /// Puts id, model and provider of ours in.
    pub(super) fn stamp(&self, stamp: &Stamp, edits: &mut Edits) {
        let members = [
            ("id", &self.id, &stamp.id),
            ("model", &self.model, &stamp.model),
            ("provider", &self.provider, &stamp.provider),
        ];
        for (name, place, text) in members {
            match place {
                Some(at) => edits.replace_written(at.clone(), |out| out.extend_from_slice(text)),
                None => edits.insert_all(self.open, &[b"\"", name.as_bytes(), b"\":", text, b","]),
            }
        }
    }
}
