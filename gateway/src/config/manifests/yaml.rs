//! YAML and JSON text to documents whose every field knows its line. Bounded: depth, nodes and what aliases copy.

use std::{borrow::Cow, collections::BTreeMap};

use saphyr_parser::{Event, Parser};
use serde_json::Value;

use self::build::Builder;

mod build;
mod frame;

#[cfg(test)]
mod tests;

/// One document of a file.
pub(super) struct Document {
    pub(super) value: Value,
    /// Where its content begins, counted from 1.
    pub(super) line: u32,
    pub(super) lines: Lines,
    /// What an API server or kubectl would refuse before it looked at the kind.
    pub(super) flaws: Vec<Flaw>,
    /// What is read otherwise than it looks.
    pub(super) warnings: Vec<Flaw>,
}

/// One remark about one place. The text holds no values of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) field: String,
    pub(super) line: u32,
    pub(super) message: String,
}

/// The text is not YAML, or is more than may be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unparsable {
    pub(super) line: u32,
    pub(super) message: String,
}

/// The line of every field, by path (`spec.targets[0].name`).
#[derive(Default)]
pub(super) struct Lines(BTreeMap<String, u32>);

impl Lines {
    /// The line of `field`, or of the nearest part of the document that holds it. The empty field is the document.
    pub(super) fn find(&self, field: &str) -> Option<u32> {
        let mut field = field;
        loop {
            if let Some(line) = self.0.get(field) {
                return Some(*line);
            }
            field = &field[..field.rfind(['.', '['])?];
        }
    }

    fn insert(&mut self, field: &str, line: u32) {
        self.0.entry(field.to_owned()).or_insert(line);
    }
}

/// All documents of `text` that are not empty.
pub(super) fn read(text: &str) -> Result<Vec<Document>, Unparsable> {
    let mut documents = Vec::new();
    read_each(text, |document| documents.push(document))?;
    Ok(documents)
}

/// The same, one after the other: all at once would take many times the memory of the text. Those before an
/// error are given as well.
pub(super) fn read_each(text: &str, mut take: impl FnMut(Document)) -> Result<(), Unparsable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = join_surrogates(text);
    let mut parser = Parser::new_from_str(&text);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Unparsable {
            line: line_number(error.marker().line()),
            message: format!("not valid YAML: {}", error.info()),
        })?;
        if event == Event::DocumentEnd {
            builder.finish().into_iter().for_each(&mut take);
        } else {
            builder.take(event, line_number(span.start.line()))?;
        }
    }
    Ok(())
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// JSON may write a character beyond U+FFFF as two escapes, which YAML does not know; they become the character itself.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with(['{', '[']) || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        joined.push_str(&rest[..at]);
        let escape = &rest[at..];
        let taken = if let Some(character) = surrogate_pair(escape) {
            joined.push(character);
            12
        } else {
            let taken = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
            joined.push_str(&escape[..taken]);
            taken
        };
        rest = &escape[taken..];
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok();
    let pair = [unit(0)?, unit(6)?];
    let mut characters = char::decode_utf16(pair);
    let first = characters.next()?.ok()?;
    characters.next().is_none().then_some(first)
}
