//! Schemas of structured output, which must be closed here: no object may have properties that are not named.

use std::ops::Range;

use bytes::Bytes;

use crate::providers::{
    canonical::Inexpressible,
    document::Json,
    json::{self, Malformed},
    splice::Edits,
};

/// Members whose values are data, not schemas.
const DATA: [&[u8]; 4] = [b"const", b"default", b"enum", b"examples"];

/// The schema with each object closed that does not say whether it is; none if there is nothing to do.
pub(super) fn closed(schema: &Json) -> Result<Option<Json>, Inexpressible> {
    let text = schema.text().as_bytes();
    let mut edits = Edits::default();
    let is_open = close(text, 0..text.len(), &mut edits)
        .map_err(|error| Inexpressible::new("response_format.json_schema.schema", format!("is {error}")))?;
    if is_open {
        return Err(Inexpressible::new(
            "response_format.json_schema.schema",
            "has an object with additionalProperties other than false, which the target does not take",
        ));
    }
    if edits == Edits::default() {
        return Ok(None);
    }
    edits.sort();
    let mut out = Vec::with_capacity(edits.edited_len(text));
    edits.write(text, &mut out);
    Ok(String::from_utf8(out).ok().and_then(Json::parse))
}

/// Adds the edits that close the objects of the value at `range`; says whether one is open on purpose.
fn close(text: &[u8], range: Range<usize>, edits: &mut Edits) -> Result<bool, Malformed> {
    let mut is_open = false;
    match text[range.start] {
        b'[' => {
            for element in json::elements(text, range.start)? {
                is_open |= close(text, element?, edits)?;
            }
        }
        b'{' => {
            let (mut is_object, mut closed) = (false, false);
            for member in json::members(text, range.start)? {
                let member = member?;
                let value = &text[member.value.clone()];
                match member.key {
                    b"type" => is_object |= is_object_type(value),
                    b"additionalProperties" => {
                        closed = true;
                        is_open |= value != b"false";
                        continue;
                    }
                    key if DATA.contains(&key) => continue,
                    _ => {}
                }
                is_open |= close(text, member.value, edits)?;
            }
            if is_object && !closed {
                edits.insert(range.end - 1, Bytes::from_static(b",\"additionalProperties\":false"));
            }
        }
        _ => {}
    }
    Ok(is_open)
}

/// `type` is a word, or a list of them.
fn is_object_type(value: &[u8]) -> bool {
    const OBJECT: &[u8] = b"\"object\"";
    value == OBJECT || value.starts_with(b"[") && memchr::memmem::find(value, OBJECT).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(schema: &str) -> Result<Option<String>, Inexpressible> {
        let closed = closed(&Json::parse(schema.to_owned()).unwrap())?;
        Ok(closed.map(|schema| schema.text().to_owned()))
    }

    #[test]
    fn objects_that_do_not_say_are_closed_and_nothing_else_changes() {
        assert_eq!(
            after(r#"{"type":"object","properties":{"type":{"type":"string"},"a":{"type":"array","items":{"type":"object"} } }, "required":["a"]}"#),
            Ok(Some(
                r#"{"type":"object","properties":{"type":{"type":"string"},"a":{"type":"array","items":{"type":"object","additionalProperties":false} } }, "required":["a"],"additionalProperties":false}"#
                    .to_owned()
            ))
        );
        for unchanged in [
            r#"{"type":"object","additionalProperties":false}"#,
            r#"{"type":"string","const":"object"}"#,
            r#"{"enum":[{"type":"object"}]}"#,
            "true",
        ] {
            assert_eq!(after(unchanged), Ok(None), "{unchanged}");
        }
    }

    #[test]
    fn an_object_that_is_open_on_purpose_is_refused() {
        for open in [
            r#"{"type":"object","additionalProperties":true}"#,
            r#"{"anyOf":[{"type":"object","additionalProperties":{"type":"string"}}]}"#,
        ] {
            assert!(after(open).is_err(), "{open}");
        }
    }
}
