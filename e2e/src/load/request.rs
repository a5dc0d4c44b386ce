//! A chat request, rendered once; only its mark changes from one sending to the next.

use serde_json::json;

use super::Expect;
use crate::mock::{MARK_DIGITS, MARK_OPEN};

/// What to ask for.
#[derive(Clone, Debug)]
pub struct ChatRequest<'a> {
    /// For the Host header.
    pub host: &'a str,
    pub path: &'a str,
    pub key: Option<&'a str>,
    pub model: &'a str,
    /// Length of the user's message in bytes.
    pub prompt_bytes: usize,
    /// Of the Route's prompt; none are sent if there are none.
    pub variables: &'a [(&'a str, &'a str)],
    /// Decides also whether the request asks for a stream.
    pub expect: Expect,
}

/// The bytes of a request, with the place of its mark.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    bytes: Vec<u8>,
    mark_at: usize,
    pub expect: Expect,
}

impl RequestTemplate {
    pub fn chat(chat: &ChatRequest<'_>) -> Self {
        let filler = "The quick brown fox jumps over the lazy dog. ";
        let prompt: String = filler.chars().cycle().take(chat.prompt_bytes).collect();
        let mark = "0".repeat(MARK_DIGITS);
        let mut body = json!({
            "model": chat.model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. Answer briefly, and in the language of the question."},
                {"role": "user", "content": format!("{prompt}{MARK_OPEN}{mark}]]")},
            ],
            "temperature": 0.2,
            "max_tokens": 256,
            "user": "bench",
        });
        for (name, value) in chat.variables {
            body["variables"][name] = json!(value);
        }
        if matches!(chat.expect, Expect::Stream { .. }) {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        let body = body.to_string();
        let authorization = chat
            .key
            .map(|key| format!("authorization: Bearer {key}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: application/json\r\naccept: */*\r\nuser-agent: e2e-load\r\ncontent-length: {}\r\n\r\n",
            chat.path,
            chat.host,
            body.len()
        );
        let opening = body.rfind(MARK_OPEN).expect("the body was just given a mark");
        let mark_at = head.len() + opening + MARK_OPEN.len();
        Self {
            bytes: [head, body].concat().into_bytes(),
            mark_at,
            expect: chat.expect,
        }
    }

    /// The request with this number's mark.
    pub fn marked(&mut self, number: u64) -> &[u8] {
        let mark = format!("{number:0MARK_DIGITS$}");
        self.bytes[self.mark_at..self.mark_at + MARK_DIGITS].copy_from_slice(&mark.as_bytes()[..MARK_DIGITS]);
        &self.bytes
    }

    /// Bytes on the wire, head included.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_request_is_whole_json_of_its_declared_length() {
        let expect = Expect::Stream { echoed_chunks: Some(3) };
        let chat = ChatRequest {
            host: "h",
            path: "/v1/x",
            key: Some("k"),
            model: "m",
            prompt_bytes: 300,
            variables: &[("a", "b")],
            expect,
        };
        let mut template = RequestTemplate::chat(&chat);
        let text = String::from_utf8(template.marked(42).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("authorization: Bearer k\r\n"));
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["stream"], true);
        assert_eq!(body["variables"]["a"], "b");
        assert!(
            body["messages"][1]["content"]
                .as_str()
                .unwrap()
                .ends_with("[[0000000000000042]]")
        );
    }
}
