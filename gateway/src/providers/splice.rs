//! Edits of a text that is otherwise passed on as it is.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Texts up to this size are copied into one piece; longer ones are sent in slices of the original.
const COPIED_BYTES: usize = 16 * 1024;

/// One replacement. An empty range inserts, an empty text removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub at: Range<usize>,
    pub with: Bytes,
}

/// Edits in ascending order that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

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
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub fn replace(&mut self, at: Range<usize>, with: Bytes) {
        self.0.push(Edit { at, with });
    }

    pub fn insert(&mut self, at: usize, with: Bytes) {
        self.replace(at..at, with);
    }

    /// Puts the edits in order: at one place insertions come first, in the order in which they were made.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|edit| (edit.at.start, edit.at.end));
    }

    /// Length of `source` with the edits made, in bytes.
    pub fn edited_len(&self, source: &[u8]) -> usize {
        self.0
            .iter()
            .fold(source.len(), |length, edit| length + edit.with.len() - edit.at.len())
    }

    /// Appends `source`, with the edits made, to `out`.
    pub fn write(&self, source: &[u8], out: &mut impl BufMut) {
        let mut from = 0;
        for edit in &self.0 {
            out.put_slice(&source[from..edit.at.start]);
            out.put_slice(&edit.with);
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
        let mut pieces = Vec::with_capacity(2 * self.0.len() + 1);
        let mut from = 0;
        for edit in &self.0 {
            pieces.push(source.slice(from..edit.at.start));
            pieces.push(edit.with.clone());
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
            edits.insert(6, Bytes::from_static(b"!"));
            edits.replace(1..3, Bytes::from_static(b"BBB"));
            edits.replace(4..5, Bytes::new());
            edits.sort();
            let pieces = edits.pieces(&source);
            let text = pieces.concat();
            assert_eq!(text, format!("aBBBdf!{}", "x".repeat(padding)).into_bytes());
            assert_eq!(edits.edited_len(&source), text.len());
            assert_eq!(pieces.len() > 1, padding > 0);
        }
    }
}
