//! Reads JSON where it lies: finds the members of an object and the elements of an array as ranges of bytes, so that the hot
//! path can copy what it does not change and never builds a tree.
//!
//! The structure outside of strings is checked strictly (RFC 8259); inside of strings only quotes and backslashes are looked at.

use std::ops::Range;

use memchr::memchr2;

/// Deeper nesting than this is refused.
const MAX_DEPTH: u32 = 128;
/// Strings that are looked through byte by byte.
const SHORT_BYTES: usize = 24;

/// The text is not JSON; the offset says where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at byte {0}")]
pub struct Malformed(pub usize);

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key between its quotes, as written.
    pub key: &'a [u8],
    /// Where the key's opening quote stands.
    pub start: usize,
    /// Where the value stands, without blanks around it.
    pub value: Range<usize>,
}

impl Member<'_> {
    /// Whether the key is written with escapes, so that its bytes are not its name.
    pub fn is_escaped(&self) -> bool {
        self.key.contains(&b'\\')
    }
}

/// The members of the object that begins at `start`, in order; a fault ends the iteration.
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
    /// Where the object ends, once it has.
    end: Option<usize>,
    failed: bool,
}

/// The elements of the array that begins at `start`, in order; a fault ends the iteration.
pub struct Elements<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
    done: bool,
}

/// Iterates over the object that stands at `range` (or begins at its start).
pub fn members(text: &[u8], start: usize) -> Result<Members<'_>, Malformed> {
    let at = blanks(text, start);
    if text.get(at) != Some(&b'{') {
        return Err(Malformed(at));
    }
    Ok(Members {
        text,
        at: at + 1,
        first: true,
        end: None,
        failed: false,
    })
}

/// Iterates over the array that stands at `start`.
pub fn elements(text: &[u8], start: usize) -> Result<Elements<'_>, Malformed> {
    let at = blanks(text, start);
    if text.get(at) != Some(&b'[') {
        return Err(Malformed(at));
    }
    Ok(Elements {
        text,
        at: at + 1,
        first: true,
        done: false,
    })
}

/// Whether the array that stands at `start` has any element; none is read.
pub fn has_elements(text: &[u8], start: usize) -> Result<bool, Malformed> {
    Ok(elements(text, start)?.head()?.is_some())
}

/// Checks that nothing but blanks follows `at`.
pub fn ends(text: &[u8], at: usize) -> Result<(), Malformed> {
    let at = blanks(text, at);
    if at == text.len() { Ok(()) } else { Err(Malformed(at)) }
}

impl Members<'_> {
    /// The offset behind the opening brace, before the first member was read.
    pub fn inside(&self) -> usize {
        self.at
    }

    /// The offset behind the closing brace, after the last member was read.
    pub fn end(&self) -> Option<usize> {
        self.end
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() || self.failed {
            return None;
        }
        let member = self.step();
        self.failed = member.is_err();
        member.transpose()
    }
}

impl<'a> Members<'a> {
    fn step(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        let Some(head) = self.head()? else { return Ok(None) };
        self.at = value(self.text, head.value.start)?;
        Ok(Some(Member {
            value: head.value.start..self.at,
            ..head
        }))
    }

    /// The next key; the range of its value is empty and stands where the value begins. At the end, `at` is behind the object.
    fn head(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        let mut at = blanks(self.text, self.at);
        match self.text.get(at) {
            Some(b'}') => {
                self.at = at + 1;
                self.end = Some(at + 1);
                return Ok(None);
            }
            Some(b',') if !self.first => at = blanks(self.text, at + 1),
            Some(_) if self.first => {}
            _ => return Err(Malformed(at)),
        }
        self.first = false;
        let start = at;
        let key_end = string(self.text, at)?;
        at = blanks(self.text, key_end);
        if self.text.get(at) != Some(&b':') {
            return Err(Malformed(at));
        }
        let value_start = blanks(self.text, at + 1);
        Ok(Some(Member {
            key: &self.text[start + 1..key_end - 1],
            start,
            value: value_start..value_start,
        }))
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Range<usize>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let element = self.step();
        self.done = !matches!(element, Ok(Some(_)));
        element.transpose()
    }
}

impl Elements<'_> {
    fn step(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let Some(at) = self.head()? else { return Ok(None) };
        self.at = value(self.text, at)?;
        Ok(Some(at..self.at))
    }

    /// Where the next element begins. At the end, `at` is behind the array.
    fn head(&mut self) -> Result<Option<usize>, Malformed> {
        let mut at = blanks(self.text, self.at);
        match self.text.get(at) {
            Some(b']') => {
                self.at = at + 1;
                return Ok(None);
            }
            Some(b',') if !self.first => at = blanks(self.text, at + 1),
            Some(_) if self.first => {}
            _ => return Err(Malformed(at)),
        }
        self.first = false;
        Ok(Some(at))
    }
}

/// Visits the members of the object at `start`. `visit` gets each key, as written, and where its value begins; it gives where the
/// value ends if it has read it, so that nothing is read twice. Returns the offset behind the object.
pub fn visit_members<E: From<Malformed>>(
    text: &[u8],
    start: usize,
    mut visit: impl FnMut(&[u8], usize) -> Result<Option<usize>, E>,
) -> Result<usize, E> {
    let mut members = members(text, start)?;
    while let Some(member) = members.head()? {
        members.at = match visit(member.key, member.value.start)? {
            Some(end) => end,
            None => value(text, member.value.start)?,
        };
    }
    Ok(members.at)
}

/// Visits the elements of the array at `start`; `visit` gets where each begins and gives where it ends. Returns the offset behind
/// the array.
pub fn visit_elements<E: From<Malformed>>(
    text: &[u8],
    start: usize,
    mut visit: impl FnMut(usize) -> Result<usize, E>,
) -> Result<usize, E> {
    let mut elements = elements(text, start)?;
    while let Some(at) = elements.head()? {
        elements.at = visit(at)?;
    }
    Ok(elements.at)
}

/// Skips the value at `at`; returns the offset behind it.
pub fn value(text: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut depth = 0_u32;
    let mut objects = 0_u128; // one bit a level, the lowest is the innermost: 1 = object, 0 = array
    loop {
        match text.get(at) {
            Some(&open @ (b'{' | b'[')) => {
                if depth == MAX_DEPTH {
                    return Err(Malformed(at));
                }
                let is_object = open == b'{';
                let inner = blanks(text, at + 1);
                if text.get(inner) == Some(if is_object { &b'}' } else { &b']' }) {
                    at = inner + 1;
                } else {
                    depth += 1;
                    objects = objects << 1 | u128::from(is_object);
                    at = if is_object { key(text, inner)? } else { inner };
                    continue;
                }
            }
            Some(b'"') => at = string(text, at)?,
            _ => at = scalar(text, at)?,
        }
        loop {
            if depth == 0 {
                return Ok(at);
            }
            at = blanks(text, at);
            match (text.get(at), objects & 1 == 1) {
                (Some(b','), is_object) => {
                    let inner = blanks(text, at + 1);
                    at = if is_object { key(text, inner)? } else { inner };
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    depth -= 1;
                    objects >>= 1;
                    at += 1;
                }
                _ => return Err(Malformed(at)),
            }
        }
    }
}

/// Skips a key, its colon and the blanks around; returns where the value begins.
fn key(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let at = blanks(text, string(text, at)?);
    if text.get(at) == Some(&b':') {
        Ok(blanks(text, at + 1))
    } else {
        Err(Malformed(at))
    }
}

/// Skips the string at `at`; returns the offset behind its closing quote.
fn string(text: &[u8], at: usize) -> Result<usize, Malformed> {
    if text.get(at) != Some(&b'"') {
        return Err(Malformed(at));
    }
    let mut at = at + 1;
    // Most strings are short: calling the vectorized search costs more than looking at their bytes.
    for byte in text.get(at..).unwrap_or_default().iter().take(SHORT_BYTES) {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => break,
            _ => at += 1,
        }
    }
    loop {
        match text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            Some(found) if text[at + found] == b'"' => return Ok(at + found + 1),
            Some(found) => at += found + 2,
            None => return Err(Malformed(text.len())),
        }
    }
}

/// Skips a number or a literal.
fn scalar(text: &[u8], at: usize) -> Result<usize, Malformed> {
    for literal in [&b"true"[..], b"false", b"null"] {
        if text[at.min(text.len())..].starts_with(literal) {
            return Ok(at + literal.len());
        }
    }
    number(text, at)
}

fn number(text: &[u8], start: usize) -> Result<usize, Malformed> {
    let digits = |from: usize| {
        let count = text[from.min(text.len())..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            Err(Malformed(from))
        } else {
            Ok(from + count)
        }
    };
    let mut at = start + usize::from(text.get(start) == Some(&b'-'));
    at = if text.get(at) == Some(&b'0') {
        at + 1
    } else {
        digits(at)?
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Ok(at)
}

fn blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Result<(), Malformed> {
        let bytes = text.as_bytes();
        value(bytes, blanks(bytes, 0)).and_then(|end| ends(bytes, end))
    }

    #[test]
    fn members_are_found_with_their_places() {
        let text = br#" { "model" : "a\"b" , "messages":[{"x":[1,2]}], "n":-1.5e3 } "#;
        let mut found = members(text, 0).unwrap();
        let pairs: Vec<_> = found
            .by_ref()
            .map(|member| {
                let member = member.unwrap();
                (
                    std::str::from_utf8(member.key).unwrap(),
                    std::str::from_utf8(&text[member.value]).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            pairs,
            [
                ("model", r#""a\"b""#),
                ("messages", r#"[{"x":[1,2]}]"#),
                ("n", "-1.5e3")
            ]
        );
        assert_eq!(ends(text, found.end().unwrap()), Ok(()));
    }

    #[test]
    fn an_array_is_empty_or_has_elements() {
        assert_eq!(has_elements(b"[ ]", 0), Ok(false));
        assert_eq!(has_elements(br#"x[ "a"]"#, 1), Ok(true));
        assert_eq!(has_elements(b"{}", 0), Err(Malformed(0)));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":}"#,
            "[1 2]",
            "01",
            "1.",
            "-",
            "1e",
            "tru",
            r#""a"#,
            r#""a\"#,
            "[}",
            "{]",
            r#"{"a":[1}"#,
            "nul",
            "+1",
            "{1:2}",
            "1 1",
        ] {
            assert!(whole(text).is_err(), "{text}");
        }
        assert!(whole(&"[".repeat(200)).is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(|number| serde_json::json!(number)),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                proptest::collection::btree_map(".*", inner, 0..8)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_json_text_is_skipped_whole(document in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { document.to_string() };
            prop_assert_eq!(whole(&text), Ok(()));
        }

        #[test]
        fn a_broken_text_is_refused_where_serde_refuses_its_structure(document in json(), cut in any::<prop::sample::Index>()) {
            let text = document.to_string();
            let end = cut.index(text.len());
            if let Some(part) = text.get(..end) && serde_json::from_str::<serde::de::IgnoredAny>(part).is_err() {
                prop_assert!(whole(part).is_err(), "{}", part);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = value(&bytes, 0);
            if let Ok(found) = members(&bytes, 0) { found.for_each(drop); }
        }
    }
}
