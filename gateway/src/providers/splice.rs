//! Edits of a text that is otherwise passed on as it is.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Texts up to this size are copied into one piece; longer ones are sent in slices of the original.
const COPIED_BYTES: usize = 16 * 1024;

/// One replacement. An empty range inserts, an empty text removes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    at: Range<usize>,
    with: Text,
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Shared(Bytes),
    /// A part of what was written for the edits themselves.
    Written(Range<usize>),
}

/// Edits in ascending order that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    edits: Vec<Edit>,
    /// Short texts, in one piece of memory for all.
    written: Vec<u8>,
}

/// Takes members of an object, or elements of an array, out of a text, with the commas that they would leave behind. Each is told in
/// order.
#[derive(Debug, Default)]
pub struct Removals {
    kept_end: Option<usize>,
    /// Where a removal began that nothing is kept in front of: it takes along what lies before the next one.
    open: Option<usize>,
}

impl Removals {
    pub fn keep(&mut self, at: &Range<usize>, edits: &mut Edits) {
        self.end(at.start, edits);
        self.kept_end = Some(at.end);
    }

    pub fn remove(&mut self, at: &Range<usize>, edits: &mut Edits) {
        self.end(at.start, edits);
        match &mut self.kept_end {
            Some(end) => edits.replace(std::mem::replace(end, at.end)..at.end, Bytes::new()),
            None => self.open = Some(at.start),
        }
    }

    /// Nothing comes any more before `end`.
    pub fn end(&mut self, end: usize, edits: &mut Edits) {
        if let Some(start) = self.open.take() {
            edits.replace(start..end, Bytes::new());
        }
    }
}

impl Edits {
    /// So many edits, with so many bytes that are written for them.
    pub fn with_capacity(edits: usize, written_bytes: usize) -> Self {
        Self {
            edits: Vec::with_capacity(edits),
            written: Vec::with_capacity(written_bytes),
        }
    }

    pub fn replace(&mut self, at: Range<usize>, with: Bytes) {
        let with = Text::Shared(with);
        self.edits.push(Edit { at, with });
    }

    /// Replaces by what is written.
    pub fn replace_written(&mut self, at: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.written.len();
        write(&mut self.written);
        let with = Text::Written(start..self.written.len());
        self.edits.push(Edit { at, with });
    }

    /// Inserts these texts, one after the other.
    pub fn insert_all(&mut self, at: usize, texts: &[&[u8]]) {
        self.replace_written(at..at, |out| texts.iter().for_each(|text| out.extend_from_slice(text)));
    }

    pub fn insert(&mut self, at: usize, with: Bytes) {
        self.replace(at..at, with);
    }

    /// Puts the edits in order: at one place insertions come first, in the order in which they were made.
    pub fn sort(&mut self) {
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    }

    /// Length of `source` with the edits made, in bytes.
    pub fn edited_len(&self, source: &[u8]) -> usize {
        self.edits.iter().fold(source.len(), |length, edit| {
            length + self.text(edit).len() - edit.at.len()
        })
    }

    fn text<'a>(&'a self, edit: &'a Edit) -> &'a [u8] {
        match &edit.with {
            Text::Shared(text) => text,
            Text::Written(at) => &self.written[at.clone()],
        }
    }

    /// Appends `source`, with the edits made, to `out`.
    pub fn write(&self, source: &[u8], out: &mut impl BufMut) {
        let mut from = 0;
        for edit in &self.edits {
            out.put_slice(&source[from..edit.at.start]);
            out.put_slice(self.text(edit));
            from = edit.at.end;
        }
        out.put_slice(&source[from..]);
    }

    /// `source` with the edits made, as the pieces to send: one when it is short, else slices that share its memory.
    pub fn pieces(&self, source: &Bytes) -> Vec<Bytes> {
        let length = self.edited_len(source);
        if length <= COPIED_BYTES {
            let mut out = BytesMut::with_capacity(length);
            self.write(source, &mut out);
            return vec![out.freeze()];
        }
        let mut pieces = Vec::with_capacity(2 * self.edits.len() + 1);
        let written = Bytes::copy_from_slice(&self.written);
        let mut from = 0;
        for edit in &self.edits {
            pieces.push(source.slice(from..edit.at.start));
            pieces.push(match &edit.with {
                Text::Shared(text) => text.clone(),
                Text::Written(at) => written.slice(at.clone()),
            });
            from = edit.at.end;
        }
        pieces.push(source.slice(from..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_are_edited_alike() {
        for padding in [0, 2 * COPIED_BYTES] {
            let source = Bytes::from(format!("abcdef{}", "x".repeat(padding)));
            let mut edits = Edits::default();
            edits.insert_all(6, &[b"!", b"?"]);
            edits.replace(1..3, Bytes::from_static(b"BBB"));
            edits.replace(4..5, Bytes::new());
            edits.sort();
            let pieces = edits.pieces(&source);
            let text = pieces.concat();
            assert_eq!(text, format!("aBBBdf!?{}", "x".repeat(padding)).into_bytes());
            assert_eq!(edits.edited_len(&source), text.len());
            assert_eq!(pieces.len() > 1, padding > 0);
        }
    }
}
