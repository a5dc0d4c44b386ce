//! A JSON document that is read member by member, each with its path, so that what is wrong with it can be named.
//!
//! For translations between dialects, which are not the hot path. Values stay where they lie: a schema or the input of a tool is
//! carried over byte for byte, since a model sees the order of its keys.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::json::{self, Malformed};
use crate::capture::unescape;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    text: &'a str,
    path: String,
}

/// A member that is missing, or not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` must be {expected}")]
pub struct Wrong {
    pub field: String,
    pub expected: &'static str,
}

/// A value that is passed on as it is written.
#[derive(Clone, Debug)]
pub struct Json(Box<RawValue>);

impl<'a> Node<'a> {
    /// The whole text.
    pub fn root(text: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(text).map_err(|error| Malformed(error.valid_up_to()))?;
        let text = text.trim_matches([' ', '\n', '\r', '\t']);
        let end = json::value(text.as_bytes(), 0)?;
        json::ends(text.as_bytes(), end)?;
        Ok(Self {
            text,
            path: String::new(),
        })
    }

    /// Where it stands, for instance `messages[1].content`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As it is written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    pub fn is_null(&self) -> bool {
        self.text == "null"
    }

    pub fn is_string(&self) -> bool {
        self.text.starts_with('"')
    }

    pub fn is_array(&self) -> bool {
        self.text.starts_with('[')
    }

    /// That it is not `expected`.
    pub fn wrong(&self, expected: &'static str) -> Wrong {
        Wrong {
            field: self.path.clone(),
            expected,
        }
    }

    /// That `name`, which must be `expected`, is not in it.
    pub fn lacks(&self, name: &str, expected: &'static str) -> Wrong {
        Wrong {
            field: self.below(name),
            expected,
        }
    }

    /// An object's members that are not null, in order. Of a key that stands twice, both are given.
    pub fn members(&self) -> Result<Vec<(String, Self)>, Wrong> {
        let object = || self.wrong("an object");
        let mut found = Vec::new();
        for member in json::members(self.text.as_bytes(), 0).map_err(|_| object())? {
            let member = member.map_err(|_| object())?;
            let quoted = &self.text[member.start..member.start + member.key.len() + 2];
            let key = string(quoted).ok_or_else(object)?;
            let node = self.node(&member.value, self.below(&key));
            if !node.is_null() {
                found.push((key, node));
            }
        }
        Ok(found)
    }

    /// The member of this name that is not null; the last one counts, as parsers have it.
    pub fn member(&self, name: &str) -> Result<Option<Self>, Wrong> {
        let found = self.members()?.into_iter().rev().find(|(key, _)| key == name);
        Ok(found.map(|(_, node)| node))
    }

    /// A member that must be there.
    pub fn needed(&self, name: &str, expected: &'static str) -> Result<Self, Wrong> {
        self.member(name)?.ok_or_else(|| self.lacks(name, expected))
    }

    pub fn elements(&self) -> Result<Vec<Self>, Wrong> {
        let array = || self.wrong("an array");
        let mut found = Vec::new();
        for element in json::elements(self.text.as_bytes(), 0).map_err(|_| array())? {
            let range = element.map_err(|_| array())?;
            let path = format!("{}[{}]", self.path, found.len());
            found.push(self.node(&range, path));
        }
        Ok(found)
    }

    pub fn string(&self) -> Result<String, Wrong> {
        string(self.text).ok_or_else(|| self.wrong("a string"))
    }

    pub fn boolean(&self) -> Result<bool, Wrong> {
        self.text.parse().map_err(|_| self.wrong("true or false"))
    }

    /// A whole number that is not negative; writers of JSON may say `10.0` for it.
    pub fn count(&self) -> Result<u64, Wrong> {
        let whole = self.text.strip_suffix(".0").unwrap_or(self.text);
        whole.parse().map_err(|_| self.wrong("a whole number of 0 or more"))
    }

    pub fn number(&self) -> Result<f64, Wrong> {
        self.text.parse().map_err(|_| self.wrong("a number"))
    }

    /// The value as it is written.
    pub fn json(&self) -> Result<Json, Wrong> {
        Json::parse(self.text.to_owned()).ok_or_else(|| self.wrong("valid JSON"))
    }

    fn below(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn node(&self, range: &std::ops::Range<usize>, path: String) -> Self {
        Self {
            text: &self.text[range.clone()],
            path,
        }
    }
}

impl Json {
    /// None if the text is not one JSON value.
    pub fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    pub fn text(&self) -> &str {
        self.0.get()
    }

    pub fn is_object(&self) -> bool {
        self.text().starts_with('{')
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A JSON string's text. Half of a surrogate pair, which a stream may cut one in, becomes U+FFFD.
fn string(quoted: &str) -> Option<String> {
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some(serde_json::from_str(quoted).unwrap_or_else(|_| unescape(inside.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        let root = Node::root(br#" {"a": [{"b": "x"}, 7], "n": null, "c": 10.0} "#).unwrap();
        let a = root.needed("a", "an array").unwrap();
        let elements = a.elements().unwrap();
        let b = elements[0].member("b").unwrap().unwrap();
        assert_eq!((b.path(), b.string().unwrap().as_str()), ("a[0].b", "x"));
        assert_eq!(
            b.count().unwrap_err().to_string(),
            "`a[0].b` must be a whole number of 0 or more"
        );
        assert_eq!(elements[1].members().unwrap_err().field, "a[1]");
        assert_eq!(elements[0].needed("z", "a string").unwrap_err().field, "a[0].z");
        assert_eq!(root.member("n").unwrap().map(|node| node.path), None);
        assert_eq!(root.member("c").unwrap().unwrap().count(), Ok(10));
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        for (text, read) in [(r#""a\ud83d""#, "a\u{FFFD}"), (r#""\ud83d\ude00""#, "😀")] {
            assert_eq!(Node::root(text.as_bytes()).unwrap().string().unwrap(), read);
        }
    }

    #[test]
    fn what_is_passed_on_keeps_its_form() {
        let root = Node::root(br#"{"schema": {"z": 1.0, "a": [ true ]}}"#).unwrap();
        let schema = root.needed("schema", "an object").unwrap().json().unwrap();
        assert_eq!(serde_json::to_string(&schema).unwrap(), r#"{"z": 1.0, "a": [ true ]}"#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [&b""[..], b"{", b"1 2", b"\xff", b"nul"] {
            assert!(Node::root(text).is_err());
        }
    }
}
