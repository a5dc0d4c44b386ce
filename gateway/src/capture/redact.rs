//! What is replaced before anything is stored. Runs on the writer's thread, never on the request path.
//!
//! **Invariant**: what cannot be read cannot be redacted, and is not kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use crds::capture;
use crds::snapshot::{RedactionEntry, RedactionRule};
use regex::Regex;
use serde_json::{Value, json};
use serde_json_path::{JsonPath, NormalizedPath, PathElement};

use super::answer::Reading;
use super::batch::Entry;
use super::escaped::unescape;
use super::record::{Answer, Content, Record};
use crate::providers::json::{self, Malformed};

/// The redactions of one Route.
#[derive(Debug)]
pub struct Redactions {
    paths: Vec<(JsonPath, Box<str>)>,
    regexes: Vec<(Regex, Box<str>)>,
}

/// Where values of a document are replaced: the tree of their paths.
#[derive(Default)]
struct Places<'a> {
    replacement: Option<&'a str>,
    members: BTreeMap<String, Self>,
    elements: BTreeMap<usize, Self>,
}

/// Ranges of a text, in order, and what stands there instead.
type Edits = Vec<(std::ops::Range<usize>, String)>;

impl Redactions {
    /// None when there is nothing to redact. The compiler let only through what can be read.
    pub(super) fn new(entries: &[RedactionEntry]) -> Option<Arc<Self>> {
        let mut redactions = Self {
            paths: Vec::new(),
            regexes: Vec::new(),
        };
        for RedactionEntry { rule, replacement } in entries {
            let replacement = replacement.as_str().into();
            match rule {
                RedactionRule::Regex(text) => redactions.regexes.push((capture::regex(text).ok()?, replacement)),
                RedactionRule::JsonPath(text) => redactions.paths.push((capture::json_path(text).ok()?, replacement)),
            }
        }
        (!entries.is_empty()).then(|| Arc::new(redactions))
    }

    /// The text with every match replaced; none when there is no match.
    fn text(&self, text: &str) -> Option<String> {
        let mut changed: Option<String> = None;
        for (regex, replacement) in &self.regexes {
            let now = changed.as_deref().unwrap_or(text);
            if regex.is_match(now) {
                changed = Some(regex.replace_all(now, regex::NoExpand(replacement)).into_owned());
            }
        }
        changed
    }

    /// The document with everything replaced, and every other byte as it was; none when it is no JSON.
    fn document(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut places = Places::default();
        if !self.paths.is_empty() {
            let value: Value = serde_json::from_slice(text).ok()?;
            for (path, replacement) in &self.paths {
                for location in path.query_located(&value).locations() {
                    places.add(location, replacement);
                }
            }
        }
        let mut edits = Edits::new();
        let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let end = self.walk(text, start, Some(&places), &mut edits).ok()?;
        json::ends(text, end).ok()?;
        let mut redacted = Vec::with_capacity(text.len());
        let mut copied = 0;
        for (range, instead) in edits {
            redacted.extend_from_slice(&text[copied..range.start]);
            redacted.extend_from_slice(instead.as_bytes());
            copied = range.end;
        }
        redacted.extend_from_slice(&text[copied..]);
        Some(redacted)
    }

    /// Collects the edits of the value at `at`; returns where it ends.
    fn walk(&self, text: &[u8], at: usize, places: Option<&Places>, edits: &mut Edits) -> Result<usize, Malformed> {
        if let Some(replacement) = places.and_then(|places| places.replacement) {
            let end = json::value(text, at)?;
            edits.push((at..end, quoted(replacement)));
            return Ok(end);
        }
        match text.get(at) {
            Some(b'{') => json::visit_members(text, at, |key, value| {
                let name = unescape(key);
                if let Some(redacted) = self.text(&name) {
                    let begin = key.as_ptr() as usize - text.as_ptr() as usize;
                    edits.push((begin - 1..begin + key.len() + 1, quoted(&redacted)));
                }
                let inner = places.and_then(|places| places.members.get(&name));
                self.walk(text, value, inner, edits).map(Some)
            }),
            Some(b'[') => {
                let mut index = 0;
                json::visit_elements(text, at, |value| {
                    let inner = places.and_then(|places| places.elements.get(&index));
                    index += 1;
                    self.walk(text, value, inner, edits)
                })
            }
            _ => {
                let end = json::value(text, at)?;
                let raw = &text[at..end];
                // A number may be what nobody is to see as well.
                let inside = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\""));
                if let Some(redacted) = self.text(&unescape(inside.unwrap_or(raw))) {
                    edits.push((at..end, quoted(&redacted)));
                }
                Ok(end)
            }
        }
    }

    fn reading(&self, reading: Reading) -> Option<Answer> {
        let Reading { output, tool_calls } = reading;
        if output.is_none() && tool_calls.is_none() {
            return Some(Answer::None);
        }
        let calls = tool_calls.map_or_else(String::new, |calls| format!(",\"tool_calls\":{calls}"));
        let message = format!("{{\"role\":\"assistant\",\"content\":{}{calls}}}", json!(output));
        Some(Answer::Message(Bytes::from(self.document(message.as_bytes())?)))
    }

    fn content(&self, content: &Content) -> Option<Content> {
        Some(Content {
            request: Bytes::from(self.document(&content.request)?),
            answer: self.reading(Reading::of(&content.answer))?,
        })
    }

    /// The user, who stands in the request's body under one of two names.
    fn user(&self, user: &str) -> Option<Box<str>> {
        let body = json!({ "user": user, "metadata": { "user_id": user } }).to_string();
        let redacted: Value = serde_json::from_slice(&self.document(body.as_bytes())?).ok()?;
        let found = [redacted.get("user"), redacted.pointer("/metadata/user_id")];
        let found = found.map(|user| user.and_then(Value::as_str));
        found
            .into_iter()
            .flatten()
            .find(|found| *found != user)
            .or(Some(user))
            .map(Into::into)
    }

    fn record(&self, record: &mut Record) {
        let redact = |text: &mut Box<str>| {
            if let Some(redacted) = self.text(text) {
                *text = redacted.into();
            }
        };
        redact(&mut record.requested_model);
        record.error.as_mut().map(redact);
        for attempt in &mut record.attempts {
            attempt.error.as_mut().map(redact);
        }
        record.user = record.user.take().and_then(|user| self.user(&user));
    }
}

/// Redacts an entry, if its Route asks for it. Content that cannot be redacted is left out.
pub(super) fn redact(entry: &mut Entry) {
    let Some(redactions) = entry.record.redactions.take() else {
        return;
    };
    redactions.record(&mut entry.record);
    if let Some(content) = &entry.record.content {
        entry.record.content = redactions.content(content);
        entry.content_dropped = entry.record.content.is_none();
    }
}

impl<'a> Places<'a> {
    fn add(&mut self, location: &NormalizedPath, replacement: &'a str) {
        let mut place = self;
        for element in location.iter() {
            place = match element {
                PathElement::Name(name) => place.members.entry((*name).to_owned()).or_default(),
                PathElement::Index(index) => place.elements.entry(*index).or_default(),
            };
        }
        place.replacement.get_or_insert(replacement);
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::record::Deltas;
    use crate::capture::sample::Traffic;

    fn redactions(rules: &[(&str, &str, &str)]) -> Arc<Redactions> {
        let entries: Vec<RedactionEntry> = rules
            .iter()
            .map(|(kind, text, replacement)| RedactionEntry {
                rule: match *kind {
                    "regex" => RedactionRule::Regex((*text).to_owned()),
                    _ => RedactionRule::JsonPath((*text).to_owned()),
                },
                replacement: (*replacement).to_owned(),
            })
            .collect();
        Redactions::new(&entries).unwrap()
    }

    fn document(redactions: &Redactions, text: &str) -> Option<String> {
        redactions
            .document(text.as_bytes())
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn matches_are_replaced_wherever_they_stand_and_other_bytes_stay() {
        let cards = redactions(&[
            ("regex", "[0-9]{4}-?[0-9]{4}", "$1 \"card\""),
            ("regex", "card", "CARD"),
        ]);
        let text =
            "{ \"a\" : [\"x 1234-5678\", 12345678, 1.50e+1],\r\n\"1234\\u002d5678\":{\"b\":\"\\u0031234-5678\\/\"}}";
        let expected = "{ \"a\" : [\"x $1 \\\"CARD\\\"\", \"$1 \\\"CARD\\\"\", 1.50e+1],\r\n\"$1 \\\"CARD\\\"\":{\"b\":\"$1 \\\"CARD\\\"/\"}}";
        assert_eq!(document(&cards, text).unwrap(), expected);
        let untouched = "{\"a\" :1e2 , \"\\u00e9\":null}";
        assert_eq!(document(&cards, untouched).unwrap(), untouched);
    }

    #[test]
    fn values_at_a_path_are_replaced_whatever_they_are() {
        let paths = redactions(&[
            ("path", "$.messages[?@.role=='user'].content", "-"),
            ("path", "$..name", "n"),
        ]);
        let text = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"text":"t","name":"x"}]}],"a":{"n\u0061me":7}}"#;
        let expected =
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"-"}],"a":{"n\u0061me":"n"}}"#;
        assert_eq!(document(&paths, text).unwrap(), expected);
        assert_eq!(
            document(&redactions(&[("path", "$", "all")]), "{\"a\":1}").unwrap(),
            "\"all\""
        );
    }

    #[test]
    fn what_is_no_json_is_not_kept() {
        let paths = redactions(&[("path", "$.a", "-")]);
        for text in ["", "{", "{\"a\":}", "{} x"] {
            assert_eq!(document(&paths, text), None, "{text}");
        }
        let mut entry = Entry {
            record: Traffic::new(21).record(),
            content_dropped: false,
        };
        entry.record.content = Some(Content {
            request: Bytes::from_static(b"{\"a\""),
            answer: Answer::None,
        });
        entry.record.redactions = Some(paths);
        redact(&mut entry);
        assert!(entry.record.content.is_none() && entry.content_dropped);
    }

    #[test]
    fn answers_errors_and_the_user_are_redacted_too() {
        let mut entry = Entry {
            record: Traffic::new(22).record(),
            content_dropped: false,
        };
        let record = &mut entry.record;
        record.user = Some("ann@example.com".into());
        record.error = Some("refused for ann@example.com".into());
        record.content = Some(Content {
            request: Bytes::from_static(b"{\"user\":\"ann@example.com\",\"x\":\"y\"}"),
            answer: Answer::Deltas(Deltas {
                content: b"Dear ann\\u0040example.com".to_vec(),
                tool_calls: vec![(*br#"[{"index":0,"id":"a","function":{"name":"mail","arguments":"{\"to\":\"ann@example.com\"}"}}]"#).into()],
            }),
        });
        record.redactions = Some(redactions(&[
            ("path", "$.tool_calls[*].function.name", "some tool"),
            ("regex", "[a-z]+@[a-z.]+", "somebody"),
        ]));
        redact(&mut entry);
        let record = entry.record;
        assert_eq!(record.user.as_deref(), Some("somebody"));
        assert_eq!(record.error.as_deref(), Some("refused for somebody"));
        let content = record.content.unwrap();
        assert_eq!(content.request, "{\"user\":\"somebody\",\"x\":\"y\"}");
        let Reading { output, tool_calls } = Reading::of(&content.answer);
        assert_eq!(output.as_deref(), Some("Dear somebody"));
        let calls = r#"[{"id":"a","function":{"name":"some tool","arguments":"{\"to\":\"somebody\"}"}}]"#;
        assert_eq!(tool_calls.as_deref(), Some(calls));

        let by_path = redactions(&[("path", "$.user", "-")]);
        assert_eq!(by_path.user("ann").as_deref(), Some("-"));
        assert_eq!(redactions(&[("path", "$.a", "-")]).user("ann").as_deref(), Some("ann"));
    }

    proptest! {
        #[test]
        fn no_match_is_left_and_the_rest_means_the_same(
            texts in prop::collection::vec("[a-z0-9\"\\\\ é🦀]{0,12}", 1..6),
            depth in 0_usize..20,
        ) {
            let numbers = redactions(&[("regex", "[0-9]+", "#")]);
            let mut value = json!({ "texts": texts, "nothing": [null, true] });
            for _ in 0..depth {
                value = json!([value]);
            }
            let redacted: Value = serde_json::from_slice(&numbers.document(value.to_string().as_bytes()).unwrap()).unwrap();
            let digits = Regex::new("[0-9]+").unwrap();
            let expected = digits.replace_all(&value.to_string(), "#").into_owned();
            prop_assert_eq!(redacted.to_string(), expected);
        }
    }
}
