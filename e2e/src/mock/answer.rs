//! What the stand-in provider reads in a request and writes in an answer: byte scans and templates, no JSON parser.

use bytes::Bytes;
use memchr::memmem;

/// What stands before the mark of a request, in the content of its last message.
pub const MARK_OPEN: &str = "[[";
/// Decimal digits of a mark.
pub const MARK_DIGITS: usize = 16;

/// The digits that tell one request from another.
pub(super) type Mark = [u8; MARK_DIGITS];

const COMPLETION: [&str; 3] = [
    r#"{"id":"chatcmpl-mock"#,
    r#"","object":"chat.completion","created":1700000000,"model":"mock-model","choices":[{"index":0,"message":{"role":"assistant","content":"[["#,
    r#"]] The answer of the stand-in provider is always this one, and as long as a short answer of a model is.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":58,"completion_tokens":24,"total_tokens":82,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default","system_fingerprint":"fp_mock"}"#,
];

/// What the mock needs to know of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) mark: Mark,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

/// None if the request carries no mark.
pub(super) fn read_request(body: &[u8]) -> Option<Asked> {
    let mark_at = memmem::rfind(body, MARK_OPEN.as_bytes())? + MARK_OPEN.len();
    let mark: Mark = body.get(mark_at..mark_at + MARK_DIGITS)?.try_into().ok()?;
    let stream = is_true(body, br#""stream":"#);
    let include_usage = stream && is_true(body, br#""include_usage":"#);
    mark.iter().all(u8::is_ascii_digit).then_some(Asked {
        mark,
        stream,
        include_usage,
    })
}

/// A quote inside a JSON string is escaped, so the quoted name can only be a field's.
fn is_true(body: &[u8], field: &[u8]) -> bool {
    memmem::find(body, field).is_some_and(|at| body[at + field.len()..].trim_ascii_start().starts_with(b"true"))
}

pub(super) fn completion(mark: Mark) -> Bytes {
    let length = COMPLETION.iter().map(|part| part.len()).sum::<usize>() + 2 * MARK_DIGITS;
    let mut text = Vec::with_capacity(length);
    text.extend_from_slice(COMPLETION[0].as_bytes());
    text.extend_from_slice(&mark);
    text.extend_from_slice(COMPLETION[1].as_bytes());
    text.extend_from_slice(&mark);
    text.extend_from_slice(COMPLETION[2].as_bytes());
    Bytes::from(text)
}

/// One event of a streamed answer. `rest` is everything after the model.
pub(super) fn event(mark: Mark, rest: &str) -> Bytes {
    const HEAD: &str = r#"data: {"id":"chatcmpl-mock"#;
    const MODEL: &str = r#"","object":"chat.completion.chunk","created":1700000000,"model":"mock-model","system_fingerprint":"fp_mock","#;
    let mut text = Vec::with_capacity(HEAD.len() + MARK_DIGITS + MODEL.len() + rest.len() + 3);
    text.extend_from_slice(HEAD.as_bytes());
    text.extend_from_slice(&mark);
    text.extend_from_slice(MODEL.as_bytes());
    text.extend_from_slice(rest.as_bytes());
    text.extend_from_slice(b"}\n\n");
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_of_a_request_is_the_one_that_is_echoed() {
        let body =
            br#"{"messages":[{"content":"[[1111111111111111]]"},{"content":"x [[0000000000000042]]"}],"stream": true}"#;
        let asked = read_request(body).unwrap();
        assert_eq!(&asked.mark, b"0000000000000042");
        assert!(asked.stream && !asked.include_usage);
    }

    #[test]
    fn a_field_name_inside_a_message_is_not_a_field() {
        let asked = read_request(br#"{"messages":[{"content":"\"stream\":true [[0000000000000042]]"}]}"#).unwrap();
        assert!(!asked.stream);
    }

    #[test]
    fn a_request_without_a_whole_mark_is_not_answered() {
        assert_eq!(read_request(br#"{"messages":[{"content":"[[12]]"}]}"#), None);
        assert_eq!(read_request(b"[[12"), None);
    }

    #[test]
    fn a_completion_is_json_of_about_six_hundred_bytes() {
        let text = completion(*b"0000000000000042");
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["usage"]["total_tokens"], 82);
        assert!((550..750).contains(&text.len()), "{} bytes", text.len());
    }
}
