//! An answer that is not streamed: `chat.completion`.

use std::ops::Range;

use bytes::Bytes;

pub use super::envelope::{Fault, Stamp};
use super::{
    envelope::{Envelope, Part},
    text_of, usage,
};
use crate::{
    capture::record::Usage,
    providers::{json, splice::Edits},
};

/// A provider's answer, read.
#[derive(Debug)]
pub struct Answer {
    body: Bytes,
    envelope: Envelope,
    choices: Vec<Choice>,
    pub upstream_id: Option<Box<str>>,
    /// As the provider counted; none when it did not say.
    pub usage: Option<Usage>,
}

#[derive(Debug, Default)]
struct Choice {
    message: Option<Range<usize>>,
    finish_reason: Option<Range<usize>>,
    has_native: bool,
}

impl Answer {
    pub fn read(body: Bytes) -> Result<Self, Fault> {
        let mut choices = Vec::with_capacity(1);
        let mut usage = None;
        let envelope = Envelope::read(&body, |part, at| match part {
            Part::Choices => json::visit_elements(&body, at, |at| {
                let (choice, end) = read_choice(&body, at)?;
                choices.push(choice);
                Ok(end)
            }),
            Part::Usage => {
                let (read, end) = usage::read(&body, at)?;
                usage = Some(read);
                Ok(end)
            }
        })?;
        if choices.is_empty() {
            return Err(Fault::Shape("choices"));
        }
        Ok(Self {
            upstream_id: envelope.id_in(&body),
            usage,
            choices,
            envelope,
            body,
        })
    }

    /// The first choice's message, byte for byte.
    pub fn message(&self) -> Bytes {
        self.choices
            .first()
            .and_then(|choice| choice.message.clone())
            .map_or_else(Bytes::new, |at| self.body.slice(at))
    }

    /// Why the first choice ended.
    pub fn finish_reason(&self) -> Option<Box<str>> {
        let at = self.choices.first()?.finish_reason.clone()?;
        text_of(&self.body[at]).map(String::into_boxed_str)
    }

    /// The body for the client. `usage` is what was counted or estimated.
    pub fn stamped(&self, stamp: &Stamp, used: &Usage, cost_pico_usd: Option<i64>) -> Vec<Bytes> {
        let mut edits = Edits::with_capacity(6, 256);
        self.envelope.stamp(stamp, &mut edits);
        for choice in self.choices.iter().filter(|choice| !choice.has_native) {
            if let Some(at) = &choice.finish_reason {
                edits.insert_all(at.end, &[b",\"native_finish_reason\":", &self.body[at.clone()]]);
            }
        }
        match (self.envelope.usage_object(&self.body), &self.envelope.usage) {
            (Some(at), _) => {
                let inside = at.start + 1;
                let object = &self.body[at];
                edits.replace_written(inside..inside, |out| usage::write_cost(cost_pico_usd, object, out));
            }
            (None, Some(null)) => edits.replace(null.clone(), usage::object(used, cost_pico_usd).into()),
            (None, None) => {
                let object = usage::object(used, cost_pico_usd);
                edits.insert_all(self.envelope.close, &[b",\"usage\":", object.as_bytes()]);
            }
        }
        edits.sort();
        edits.pieces(&self.body)
    }
}

/// The choice at `start`, and where it ends.
fn read_choice(body: &[u8], start: usize) -> Result<(Choice, usize), Fault> {
    let mut choice = Choice::default();
    let end = json::visit_members(body, start, |key, at| {
        let slot = match key {
            b"message" => &mut choice.message,
            b"finish_reason" => &mut choice.finish_reason,
            b"native_finish_reason" => {
                choice.has_native = true;
                return Ok(None);
            }
            _ => return Ok::<_, Fault>(None),
        };
        let end = json::value(body, at)?;
        *slot = Some(at..end);
        Ok(Some(end))
    })?;
    Ok((choice, end))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            id: "\"gen-0-X\"".into(),
            model: "\"gpt\"".into(),
            provider: "\"acme\"".into(),
        }
    }

    #[test]
    fn an_answer_is_stamped_and_otherwise_unchanged() {
        let mut document = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-2025",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "a\"b"}, "finish_reason": "stop", "logprobs": null}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 2}},
            "x_unknown": [1, {"y": null}],
        });
        let answer = Answer::read(document.to_string().into()).unwrap();
        let used = answer.usage.unwrap();
        assert_eq!(
            used,
            Usage {
                prompt_tokens: 7,
                cached_tokens: 2,
                completion_tokens: 3,
                ..Usage::default()
            }
        );
        let sent: Value = serde_json::from_slice(&answer.stamped(&stamp(), &used, Some(1_500_000)).concat()).unwrap();
        document["id"] = json!("gen-0-X");
        document["model"] = json!("gpt");
        document["provider"] = json!("acme");
        document["choices"][0]["native_finish_reason"] = json!("stop");
        document["usage"]["cost"] = json!(0.000_001_5);
        assert_eq!(sent, document);
        assert_eq!(answer.message(), r#"{"content":"a\"b","role":"assistant"}"#);
        assert_eq!(answer.finish_reason().as_deref(), Some("stop"));
    }

    #[test]
    fn missing_usage_is_estimated_and_says_so() {
        for text in [
            r#"{"choices":[{"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"finish_reason":"stop"}],"usage":null}"#,
        ] {
            let answer = Answer::read(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            let used = Usage {
                prompt_tokens: 5,
                estimated: true,
                ..Usage::default()
            };
            let sent: Value = serde_json::from_slice(&answer.stamped(&stamp(), &used, None).concat()).unwrap();
            assert_eq!(
                (&sent["usage"]["estimated"], &sent["usage"]["cost"]),
                (&json!(true), &Value::Null)
            );
            assert_eq!(sent["id"], "gen-0-X");
        }
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for text in [
            "",
            "<html>",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":{}}"#,
            r#"{"choices":[1]}"#,
            r#"{"choices":[{}]"#,
        ] {
            assert!(Answer::read(Bytes::copy_from_slice(text.as_bytes())).is_err(), "{text}");
        }
        let reported = Answer::read(Bytes::from_static(br#"{"error":{"message":"overloaded"}}"#)).unwrap_err();
        assert!(matches!(reported, Fault::Reported(error) if error.message == "overloaded"));
    }
}
