//! The tool calls of a stream, put together from its deltas as `OpenAI`'s own SDKs do: by index; a name or id that comes again
//! replaces the earlier one, arguments are joined. Works on escaped text, since a surrogate pair may be split between deltas.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::escaped::unescape;

/// Fields whose text arrives in pieces.
const JOINED: [&str; 2] = ["arguments", "input"];

/// The calls as one JSON array, without `index`; none when the deltas hold none.
pub(super) fn merge(deltas: &[Box<[u8]>]) -> Option<String> {
    let mut calls: Vec<Call> = Vec::new();
    for delta in deltas {
        for call in serde_json::from_slice::<Vec<Fields>>(delta).unwrap_or_default() {
            let position = position(&mut calls, &call);
            calls[position].object.merge(&call);
        }
    }
    if calls.is_empty() {
        return None;
    }
    calls.sort_by_key(|call| call.index);
    let calls: Vec<String> = calls.iter().map(|call| call.object.to_json()).collect();
    Some(format!("[{}]", calls.join(",")))
}

/// The fields of one JSON object, in the order in which they came.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

struct Call {
    index: u64,
    object: Object,
}

#[derive(Default)]
struct Object(Vec<(String, Field)>);

enum Field {
    Whole(Box<RawValue>),
    /// The inside of a JSON string, still escaped.
    Joined(Vec<u8>),
    Object(Object),
}

/// Which call a delta belongs to. Without an index (some vendors leave it out) a new id begins a call.
fn position(calls: &mut Vec<Call>, delta: &Fields) -> usize {
    let index = delta.get("index").and_then(|index| index.get().parse::<u64>().ok());
    let known = match (index, delta.get("id")) {
        (Some(index), _) => calls.iter().position(|call| call.index == index),
        (None, Some(id)) => calls.iter().position(|call| call.object.is("id", id)),
        (None, None) => calls.len().checked_sub(1),
    };
    known.unwrap_or_else(|| {
        let next = calls.iter().map(|call| call.index + 1).max().unwrap_or_default();
        calls.push(Call {
            index: index.unwrap_or(next),
            object: Object::default(),
        });
        calls.len() - 1
    })
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl Object {
    fn is(&self, name: &str, value: &RawValue) -> bool {
        self.0
            .iter()
            .any(|(key, field)| key == name && matches!(field, Field::Whole(own) if own.get() == value.get()))
    }

    fn merge(&mut self, delta: &Fields) {
        for (name, value) in &delta.0 {
            if name == "index" || value.get() == "null" {
                continue;
            }
            match self.0.iter_mut().find(|(key, _)| key == name) {
                Some((_, field)) => field.merge(value),
                None => self.0.push((name.clone(), Field::new(name, value))),
            }
        }
    }

    fn to_json(&self) -> String {
        let fields: Vec<String> = self
            .0
            .iter()
            .map(|(name, field)| format!("{}:{}", json(name), field.to_json()))
            .collect();
        format!("{{{}}}", fields.join(","))
    }
}

impl Field {
    fn new(name: &str, value: &RawValue) -> Self {
        if let Some(text) = inside(value).filter(|_| JOINED.contains(&name)) {
            return Self::Joined(text.to_vec());
        }
        serde_json::from_str::<Fields>(value.get()).map_or_else(
            |_| Self::Whole(value.to_owned()),
            |fields| {
                let mut object = Object::default();
                object.merge(&fields);
                Self::Object(object)
            },
        )
    }

    fn merge(&mut self, value: &RawValue) {
        match self {
            Self::Joined(text) => text.extend_from_slice(inside(value).unwrap_or_default()),
            Self::Object(object) => {
                if let Ok(fields) = serde_json::from_str(value.get()) {
                    object.merge(&fields);
                }
            }
            Self::Whole(own) if value.get() != "\"\"" => *own = value.to_owned(),
            Self::Whole(_) => {}
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::Whole(value) => value.get().to_owned(),
            Self::Joined(text) => json(&unescape(text)),
            Self::Object(object) => object.to_json(),
        }
    }
}

/// What stands between the quotes of a JSON string.
pub(super) fn inside(value: &RawValue) -> Option<&[u8]> {
    value.get().as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(InOrder).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    fn merged(deltas: &[&str]) -> Option<String> {
        let deltas: Vec<Box<[u8]>> = deltas.iter().map(|delta| delta.as_bytes().into()).collect();
        merge(&deltas)
    }

    #[test]
    fn calls_are_joined_by_index_in_the_order_of_the_index() {
        let calls = merged(&[
            r#"[{"index":1,"id":"b","type":"function","function":{"name":"beta","arguments":""}}]"#,
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"alpha","arguments":"{\"x\""}}]"#,
            r#"[{"index":1,"function":{"arguments":"{}"}},{"index":0,"function":{"arguments":":1}"}}]"#,
        ]);
        let alpha = r#"{"id":"a","type":"function","function":{"name":"alpha","arguments":"{\"x\":1}"}}"#;
        let beta = r#"{"id":"b","type":"function","function":{"name":"beta","arguments":"{}"}}"#;
        assert_eq!(calls.unwrap(), format!("[{alpha},{beta}]"));
    }

    #[test]
    fn a_surrogate_pair_split_between_deltas_is_one_character() {
        let calls = merged(&[
            r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"\"\ud83d"}}]"#,
            r#"[{"index":0,"function":{"arguments":"\ude00\""}}]"#,
        ]);
        assert_eq!(
            calls.unwrap(),
            r#"[{"id":"a","function":{"name":"f","arguments":"\"😀\""}}]"#
        );
    }

    #[test]
    fn a_vendor_that_repeats_id_and_name_or_sends_them_empty_changes_nothing() {
        let calls = merged(&[
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"1"}}]"#,
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"2"}}]"#,
            r#"[{"index":0,"id":"","type":null,"function":{"name":"","arguments":"3"}}]"#,
        ]);
        assert_eq!(
            calls.unwrap(),
            r#"[{"id":"a","type":"function","function":{"name":"f","arguments":"123"}}]"#
        );
    }

    #[test]
    fn without_an_index_a_new_id_begins_a_call() {
        let calls = merged(&[
            r#"[{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"b","function":{"name":"g","arguments":"2"}}]"#,
            r#"[{"function":{"arguments":"3"}}]"#,
            r#"[{"id":"a","function":{"arguments":"4"}}]"#,
        ]);
        let first = r#"{"id":"a","function":{"name":"f","arguments":"14"}}"#;
        let second = r#"{"id":"b","function":{"name":"g","arguments":"23"}}"#;
        assert_eq!(calls.unwrap(), format!("[{first},{second}]"));
    }

    #[test]
    fn custom_tools_and_fields_of_vendors_are_kept() {
        let calls = merged(&[
            r#"[{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"x"},"extra_content":{"google":{"s":"t"}}}]"#,
            r#"[{"index":0,"custom":{"input":"y"}}]"#,
        ]);
        let call =
            r#"{"id":"a","type":"custom","custom":{"name":"f","input":"xy"},"extra_content":{"google":{"s":"t"}}}"#;
        assert_eq!(calls.unwrap(), format!("[{call}]"));
    }

    #[test]
    fn what_is_no_call_is_left_out() {
        assert_eq!(merged(&[]), None);
        assert_eq!(merged(&["[]", "null", "{", "[1]"]), None);
    }
}
