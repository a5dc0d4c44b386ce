//! Readable text out of a captured answer: what the first choice said, and the tools that it called.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::escaped::unescape;
use super::record::Answer;
use super::tool_calls::{self, inside};

/// What the store of examples keeps of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub output: Option<String>,
    /// A JSON array.
    pub tool_calls: Option<String>,
}

/// What an answer says; none of one that calls tools, or says nothing.
pub fn said(answer: &Answer) -> Option<String> {
    let Reading { output, tool_calls } = Reading::of(answer);
    output.filter(|_| tool_calls.is_none())
}

impl Reading {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::None => Self::default(),
            Answer::Message(message) => Self::of_message(message),
            Answer::Deltas(deltas) => Self {
                output: (!deltas.content.is_empty()).then(|| unescape(&deltas.content)),
                tool_calls: tool_calls::merge(&deltas.tool_calls),
            },
        }
    }

    fn of_message(message: &[u8]) -> Self {
        let Ok(Message { content, tool_calls }) = serde_json::from_slice(message) else {
            return Self::default();
        };
        Self {
            output: content.and_then(text),
            tool_calls: tool_calls.map(RawValue::get).map(str::to_owned),
        }
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// `content` is a string, or a list of parts, of which some are text.
fn text(content: &RawValue) -> Option<String> {
    if let Some(escaped) = inside(content) {
        return Some(unescape(escaped));
    }
    let parts: Vec<Part> = serde_json::from_str(content.get()).ok()?;
    Some(
        parts
            .iter()
            .filter_map(|part| part.text)
            .filter_map(inside)
            .map(unescape)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Reading;
    use crate::capture::record::{Answer, Deltas};

    fn message(text: &'static str) -> (Option<String>, Option<String>) {
        let Reading { output, tool_calls } = Reading::of(&Answer::Message(Bytes::from_static(text.as_bytes())));
        (output, tool_calls)
    }

    #[test]
    fn a_message_is_read_whatever_shape_its_content_has() {
        let said = |text: &str| (Some(text.to_owned()), None);
        assert_eq!(
            message(r#"{"role":"assistant","content":"a\n\ud83d\ude00"}"#),
            said("a\n😀")
        );
        assert_eq!(
            message(r#"{"content":[{"type":"text","text":"a"},{"type":"x"},{"text":"b"}]}"#),
            said("ab")
        );
        assert_eq!(message(r#"{"content":""}"#), said(""));
        assert_eq!(message(r#"{"content":null,"tool_calls":null}"#), (None, None));
        assert_eq!(
            message(r#"{"content":null,"tool_calls":[{"id":"a"}]}"#),
            (None, Some(r#"[{"id":"a"}]"#.to_owned()))
        );
        assert_eq!(message("{"), (None, None));
    }

    #[test]
    fn a_surrogate_pair_split_between_two_chunks_is_one_character() {
        let content = [br"so \ud83d".as_slice(), br"\ude00!".as_slice()].concat();
        let reading = Reading::of(&Answer::Deltas(Deltas {
            content,
            tool_calls: Vec::new(),
        }));
        assert_eq!(
            reading,
            Reading {
                output: Some("so 😀!".to_owned()),
                tool_calls: None
            }
        );
    }
}
