//! Parser events to values, without recursion, so that no depth of nesting costs stack.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::{
    Document, Flaw, Lines, Unparsable,
    frame::{self, Frame, Holder, Key, Weight},
};
use crate::config::manifests::scalar::{self, Plain};

/// Nested mappings and lists. The API server's own objects stay far below.
const DEEPEST: usize = 100;
/// Values in one file, copies by aliases included.
const MOST_NODES: usize = 250_000;
/// Bytes of text that anchors and aliases of one file may copy.
const MOST_COPIED_BYTES: usize = 32 << 20;

/// Takes the events of one file, one document after the other.
#[derive(Default)]
pub(super) struct Builder {
    frames: Vec<Frame>,
    /// Path of the value that comes next.
    path: String,
    anchors: HashMap<usize, Anchored>,
    lines: Lines,
    flaws: Vec<Flaw>,
    warnings: Vec<Flaw>,
    /// The document, when its last value is complete.
    done: Option<(Value, u32)>,
    nodes: usize,
    copied_bytes: usize,
}

struct Anchored {
    value: Value,
    weight: Weight,
}

impl Builder {
    /// Takes one event that is not the end of a document.
    pub(super) fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), Unparsable> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(Weight { nodes: 1, bytes: 0 }, line)?;
                if self.expects_key() {
                    self.take_key(&text, style, tag.as_deref(), line);
                    return Ok(());
                }
                let weight = Weight {
                    nodes: 1,
                    bytes: text.len(),
                };
                let value = self.scalar(text, style, tag.as_deref(), line);
                self.complete(value, weight, anchor, line)
            }
            Event::SequenceStart(anchor, tag) => self.open(Holder::List(Vec::new()), anchor, tag.as_deref(), line),
            Event::MappingStart(anchor, tag) => {
                let holder = Holder::Mapping {
                    entries: Map::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.open(holder, anchor, tag.as_deref(), line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(line),
            Event::Alias(anchor) => self.take_alias(anchor, line),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    /// The document whose events were taken, unless it is empty.
    pub(super) fn finish(&mut self) -> Option<Document> {
        let (value, line) = self.done.take()?;
        self.anchors.clear();
        self.path.clear();
        let mut lines = std::mem::take(&mut self.lines);
        lines.insert("", line);
        let flaws = std::mem::take(&mut self.flaws);
        let warnings = std::mem::take(&mut self.warnings);
        (!value.is_null()).then_some(Document {
            value,
            line,
            lines,
            flaws,
            warnings,
        })
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                holder: Holder::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn open(&mut self, holder: Holder, anchor: usize, tag: Option<&Tag>, line: u32) -> Result<(), Unparsable> {
        if self.expects_key() {
            let message = "a mapping or a list cannot be a key (is this a template that was not rendered?)".to_owned();
            return Err(Unparsable { line, message });
        }
        if self.frames.len() == DEEPEST {
            return Err(Unparsable {
                line,
                message: format!("nested more than {DEEPEST} deep"),
            });
        }
        self.count(Weight { nodes: 1, bytes: 0 }, line)?;
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq"))) {
            self.flaw(line, "a tag that is not supported".to_owned());
        }
        let line = self.enter(line);
        let weight = Weight { nodes: 1, bytes: 0 };
        self.frames.push(Frame {
            holder,
            line,
            anchor,
            weight,
            path: self.path.len(),
        });
        Ok(())
    }

    /// Notes where the value that begins now stands: at its key, or where it begins itself.
    fn enter(&mut self, line: u32) -> u32 {
        if let Some(Frame {
            holder: Holder::List(items),
            ..
        }) = self.frames.last()
        {
            frame::step_into_item(&mut self.path, items.len());
            self.lines.insert(&self.path, line);
        }
        line
    }

    fn close(&mut self, line: u32) -> Result<(), Unparsable> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        self.path.truncate(frame.path);
        let value = match frame.holder {
            Holder::List(items) => Value::Array(items),
            Holder::Mapping {
                mut entries,
                key: _,
                merged,
            } => {
                for (key, value) in merged.into_iter().flatten() {
                    entries.entry(key).or_insert(value);
                }
                Value::Object(entries)
            }
        };
        self.keep_anchor(frame.anchor, &value, frame.weight, line)?;
        self.place(value, frame.weight, frame.line);
        Ok(())
    }

    /// Takes a value that is whole as it comes.
    fn complete(&mut self, value: Value, weight: Weight, anchor: usize, line: u32) -> Result<(), Unparsable> {
        self.enter(line);
        self.keep_anchor(anchor, &value, weight, line)?;
        self.place(value, weight, line);
        Ok(())
    }

    fn keep_anchor(&mut self, anchor: usize, value: &Value, weight: Weight, line: u32) -> Result<(), Unparsable> {
        if anchor != 0 {
            self.count(weight, line)?;
            self.anchors.insert(
                anchor,
                Anchored {
                    value: value.clone(),
                    weight,
                },
            );
        }
        Ok(())
    }

    fn take_alias(&mut self, anchor: usize, line: u32) -> Result<(), Unparsable> {
        let Some(weight) = self.anchors.get(&anchor).map(|anchored| anchored.weight) else {
            return Err(Unparsable {
                line,
                message: "an alias stands inside of what it names".to_owned(),
            });
        };
        if self.expects_key() {
            return Err(Unparsable {
                line,
                message: "an alias cannot be a key".to_owned(),
            });
        }
        self.count(weight, line)?;
        let value = self
            .anchors
            .get(&anchor)
            .map(|anchored| anchored.value.clone())
            .unwrap_or_default();
        self.complete(value, weight, 0, line)
    }

    /// Puts a complete value into what holds it, and steps back to the path of the holder.
    fn place(&mut self, value: Value, weight: Weight, line: u32) {
        let Some(frame) = self.frames.last_mut() else {
            self.done = Some((value, line));
            return;
        };
        frame.weight.nodes += weight.nodes;
        frame.weight.bytes += weight.bytes;
        let mut merge_failed = false;
        match &mut frame.holder {
            Holder::List(items) => items.push(value),
            Holder::Mapping { entries, key, merged } => match key.take() {
                Some(Key::Field(key)) => {
                    entries.insert(key, value);
                }
                Some(Key::Merge) => merge_failed = !frame::merge(merged, value),
                Some(Key::Repeated) | None => {}
            },
        }
        self.path.truncate(frame.path);
        if merge_failed {
            self.flaw(line, "`<<` needs a mapping or a list of mappings".to_owned());
        }
    }

    fn take_key(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, line: u32) {
        let plain = style == ScalarStyle::Plain && tag.is_none();
        let resolved = if plain {
            scalar::resolve(text)
        } else {
            Plain::Value(Value::String(text.to_owned()))
        };
        let key = match resolved {
            Plain::Merge => Key::Merge,
            Plain::Word(value) => {
                self.warn_word(line);
                Key::Field(value.to_string())
            }
            Plain::Value(Value::Null) => {
                self.flaw(line, "a key is missing".to_owned());
                Key::Repeated
            }
            Plain::Value(Value::Bool(value)) => Key::Field(value.to_string()),
            Plain::Value(_) | Plain::NotJson => Key::Field(text.to_owned()),
        };
        self.place_key(key, line);
    }

    fn place_key(&mut self, mut key: Key, line: u32) {
        if let Key::Field(name) = &key {
            if let Some(frame) = self.frames.last_mut() {
                frame.weight.bytes += name.len();
            }
            frame::step_into(&mut self.path, name);
            self.lines.insert(&self.path, line);
        }
        let Some(Frame {
            holder: Holder::Mapping { entries, key: slot, .. },
            ..
        }) = self.frames.last_mut()
        else {
            return;
        };
        let repeated = matches!(&key, Key::Field(name) if entries.contains_key(name));
        if repeated {
            key = Key::Repeated;
        }
        *slot = Some(key);
        if repeated {
            let first = self.lines.find(&self.path).unwrap_or(line);
            self.flaw(line, format!("the key is already given on line {first}"));
        }
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, line: u32) -> Value {
        let suffix = match tag {
            None if style == ScalarStyle::Plain => "",
            None => return Value::String(text.into_owned()),
            Some(tag) if tag.to_string().trim_end_matches('!').is_empty() => "str",
            Some(tag) if tag.is_yaml_core_schema() => tag.suffix.as_str(),
            Some(_) => "unknown",
        };
        if suffix == "str" {
            return Value::String(text.into_owned());
        }
        let value = match scalar::resolve(&text) {
            Plain::Value(value) => value,
            Plain::Word(value) => {
                self.warn_word(line);
                Value::Bool(value)
            }
            Plain::Merge => Value::String(text.into_owned()),
            Plain::NotJson => {
                self.flaw(line, "infinite or not a number, which JSON cannot say".to_owned());
                Value::Null
            }
        };
        let fits = match suffix {
            "" => true,
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_number(),
            "bool" => value.is_boolean(),
            "null" => value.is_null(),
            _ => false,
        };
        if !fits {
            self.flaw(
                line,
                "a tag that is not supported, or that the value does not fit".to_owned(),
            );
        }
        value
    }

    /// The word itself is left out: it may be a secret.
    fn warn_word(&mut self, line: u32) {
        let message =
            "y, n, yes, no, on and off without quotes are booleans, as kubectl reads them; quote it if it is text";
        self.warnings.push(Flaw {
            field: self.path.clone(),
            line,
            message: message.to_owned(),
        });
    }

    fn flaw(&mut self, line: u32, message: String) {
        self.flaws.push(Flaw {
            field: self.path.clone(),
            line,
            message,
        });
    }

    fn count(&mut self, weight: Weight, line: u32) -> Result<(), Unparsable> {
        self.nodes += weight.nodes;
        self.copied_bytes += weight.bytes;
        if self.nodes > MOST_NODES {
            return Err(Unparsable {
                line,
                message: format!("more than {MOST_NODES} values, those that aliases copy included"),
            });
        }
        if self.copied_bytes > MOST_COPIED_BYTES {
            return Err(Unparsable {
                line,
                message: format!("aliases copy more than {MOST_COPIED_BYTES} bytes"),
            });
        }
        Ok(())
    }
}
