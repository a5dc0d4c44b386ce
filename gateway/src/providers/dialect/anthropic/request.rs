//! A client's request in `Anthropic`'s form: one scan of the body finds what the gateway must know and change.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use memchr::memmem;

use super::{BETA_HEADER, VERSION_HEADER, translate::UNSIGNED};
use crate::{
    prompts::selection::Choice,
    providers::{
        dialect::openai::{
            request::{Error, unambiguous},
            text_of,
        },
        json::{self, Malformed, Member},
        splice::Edits,
    },
};

/// Fields of our own, and of `OpenRouter`, whose behaviour this version does not have here.
const NOT_BUILT: [&str; 10] = [
    "fallbacks",
    "models",
    "plugins",
    "prompt",
    "provider",
    "route",
    "session_id",
    "transforms",
    "usage",
    "variables",
];
/// Headers that say how the body is to be read.
const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static(VERSION_HEADER),
    HeaderName::from_static(BETA_HEADER),
];

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Answer,
    /// Only its tokens are to be counted; it needs no `max_tokens`.
    Count,
}

/// A request, scanned. The body stays as it came.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    pub body: Bytes,
    pub model: String,
    pub stream: bool,
    pub user: Option<Box<str>>,
    /// Length of what the model reads, in bytes, for estimates.
    pub prompt_bytes: usize,
    /// What the request wants other than what its Route says.
    pub choice: Choice,
    model_at: Range<usize>,
    /// What must change but the model.
    edits: Edits,
    /// Of the client, for targets of this dialect.
    headers: HeaderMap,
}

/// Where the fields stand that the gateway knows.
#[derive(Default)]
struct Fields {
    model: Option<Range<usize>>,
    messages: Option<Range<usize>>,
    system: Option<Range<usize>>,
    tools: Option<Range<usize>>,
    max_tokens: Option<Range<usize>>,
    stream: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
    /// A key is written with escapes, or one that the gateway acts on stands twice.
    ambiguous: bool,
}

impl MessagesRequest {
    pub fn scan(body: Bytes, headers: &HeaderMap, purpose: Purpose) -> Result<Self, Error> {
        let mut fields = Fields::find(&body)?;
        let mut body = body;
        if fields.ambiguous {
            body = unambiguous(&body)?;
            fields = Fields::find(&body)?;
        }
        let mut request = Self::read(body, fields, purpose)?;
        for name in FORWARDED {
            if let Some(value) = headers.get(&name) {
                request.headers.insert(name, value.clone());
            }
        }
        Ok(request)
    }

    /// The body for a target of the same dialect: `model` is the provider's name of the model, as a JSON string.
    pub fn body_for(&self, model: &Bytes) -> Vec<Bytes> {
        let mut edits = self.edits.clone();
        edits.replace(self.model_at.clone(), model.clone());
        edits.sort();
        edits.pieces(&self.body)
    }

    /// The client's headers that a target of the same dialect is sent.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn read(body: Bytes, fields: Fields, purpose: Purpose) -> Result<Self, Error> {
        let model_at = fields.model.ok_or(Error::Missing("model"))?;
        let model = text_of(&body[model_at.clone()]).ok_or(Error::Type {
            field: "model",
            expected: "a string",
        })?;
        let messages = fields.messages.ok_or(Error::Missing("messages"))?;
        if body[messages.start] != b'[' {
            return Err(Error::Type {
                field: "messages",
                expected: "an array of objects",
            });
        }
        if json::elements(&body, messages.start)?.next().is_none() {
            return Err(Error::Empty("messages"));
        }
        let has_limit = fields.max_tokens.is_some_and(|at| &body[at] != b"null");
        if purpose == Purpose::Answer && !has_limit {
            return Err(Error::Missing("max_tokens"));
        }
        let stream = match fields.stream.as_ref().map(|at| &body[at.clone()]) {
            Some(b"true") => true,
            None | Some(b"false") => false,
            Some(_) => {
                return Err(Error::Type {
                    field: "stream",
                    expected: "a boolean",
                });
            }
        };
        let length = |at: &Option<Range<usize>>| at.as_ref().map_or(0, Range::len);
        Ok(Self {
            model,
            stream,
            user: fields.metadata.and_then(|at| user(&body, at.start)),
            prompt_bytes: messages.len() + length(&fields.system) + length(&fields.tools),
            edits: without_unsigned(&body, messages.start)?,
            model_at,
            headers: HeaderMap::new(),
            choice: Choice::default(),
            body,
        })
    }
}

impl Fields {
    fn find(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        let mut members = json::members(body, 0)?;
        for member in members.by_ref() {
            fields.note(&member?)?;
        }
        let end = members.end().ok_or(Malformed(body.len()))?;
        json::ends(body, end)?;
        Ok(fields)
    }

    fn note(&mut self, member: &Member<'_>) -> Result<(), Error> {
        if member.is_escaped() {
            self.ambiguous = true;
            return Ok(());
        }
        let slot = match member.key {
            b"model" => &mut self.model,
            b"messages" => &mut self.messages,
            b"system" => &mut self.system,
            b"tools" => &mut self.tools,
            b"max_tokens" => &mut self.max_tokens,
            b"stream" => &mut self.stream,
            b"metadata" => &mut self.metadata,
            key => {
                return match NOT_BUILT.iter().find(|name| name.as_bytes() == key) {
                    Some(name) => Err(Error::NotBuilt(name)),
                    None => Ok(()),
                };
            }
        };
        self.ambiguous |= slot.replace(member.value.clone()).is_some();
        Ok(())
    }
}

/// `metadata.user_id`.
fn user(body: &[u8], metadata: usize) -> Option<Box<str>> {
    let mut members = json::members(body, metadata).ok()?.filter_map(Result::ok);
    let member = members.find(|member| member.key == b"user_id")?;
    text_of(&body[member.value]).map(String::into_boxed_str)
}

/// Takes out reasoning that another vendor's answer held: a provider of this dialect would refuse its signature.
fn without_unsigned(body: &[u8], messages: usize) -> Result<Edits, Malformed> {
    let mut edits = Edits::default();
    if memmem::find(body, UNSIGNED.as_bytes()).is_none() {
        return Ok(edits);
    }
    for message in json::elements(body, messages)? {
        let message = message?;
        if body[message.start] != b'{' {
            continue;
        }
        for member in json::members(body, message.start)? {
            let member = member?;
            if member.key == b"content" && body[member.value.start] == b'[' {
                remove_unsigned(body, member.value.start, &mut edits)?;
            }
        }
    }
    Ok(edits)
}

fn remove_unsigned(body: &[u8], content: usize, edits: &mut Edits) -> Result<(), Malformed> {
    let mut kept_end = None;
    let mut open_removal: Option<usize> = None;
    for block in json::elements(body, content)? {
        let block = block?;
        if let Some(start) = open_removal.take() {
            edits.replace(start..block.start, Bytes::new());
        }
        if !is_unsigned(body, block.start)? {
            kept_end = Some(block.end);
            continue;
        }
        match kept_end {
            // Take the comma in front along.
            Some(end) => edits.replace(end..block.end, Bytes::new()),
            // Nothing is kept in front: take along what lies before the next block.
            None => open_removal = Some(block.start),
        }
        kept_end = kept_end.map(|_| block.end);
    }
    if let Some(start) = open_removal {
        let end = json::value(body, start)?;
        edits.replace(start..end, Bytes::new());
    }
    Ok(())
}

fn is_unsigned(body: &[u8], block: usize) -> Result<bool, Malformed> {
    if body[block] != b'{' {
        return Ok(false);
    }
    for member in json::members(body, block)? {
        let member = member?;
        if member.key == b"signature" {
            return Ok(text_of(&body[member.value]).as_deref() == Some(UNSIGNED));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Result<MessagesRequest, Error> {
        MessagesRequest::scan(
            Bytes::copy_from_slice(body.as_bytes()),
            &HeaderMap::new(),
            Purpose::Answer,
        )
    }

    fn sent(body: &str) -> String {
        let pieces = scan(body).unwrap().body_for(&Bytes::from_static(b"\"claude\""));
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn only_the_model_of_a_request_changes() {
        let body = r#"{"max_tokens":1, "model" : "triage", "messages":[{"role":"user","content":"hi"}], "x_new":{"a":[1.50]}}"#;
        assert_eq!(sent(body), body.replace("\"triage\"", "\"claude\""));
    }

    #[test]
    fn what_is_missing_or_not_built_is_named() {
        for (body, field) in [
            (r#"{"messages":[1],"max_tokens":1}"#, "model"),
            (r#"{"model":"m","max_tokens":1}"#, "messages"),
            (r#"{"model":"m","messages":[],"max_tokens":1}"#, "messages"),
            (r#"{"model":"m","messages":[1]}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":null}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":1,"stream":1}"#, "stream"),
            (
                r#"{"model":"m","messages":[1],"max_tokens":1,"variables":{}}"#,
                "variables",
            ),
        ] {
            assert_eq!(scan(body).unwrap_err().field(), Some(field), "{body}");
        }
        assert!(matches!(scan("{"), Err(Error::Json(_))));
    }

    #[test]
    fn the_users_name_and_the_clients_version_are_found() {
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", "2026-10-21".parse().unwrap());
        headers.insert("x-other", "1".parse().unwrap());
        let body = r#"{"model":"m","messages":[1],"metadata":{"user_id":"u-1"}}"#;
        let request = MessagesRequest::scan(body.into(), &headers, Purpose::Count).unwrap();
        assert_eq!(request.user.as_deref(), Some("u-1"));
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()["anthropic-version"], "2026-10-21");
    }

    #[test]
    fn a_key_that_stands_twice_counts_as_parsers_have_it() {
        let body = r#"{"model":"a","messages":[1],"max_tokens":1,"m\u006fdel":"b"}"#;
        assert_eq!(scan(body).unwrap().model, "b");
        assert_eq!(sent(body), r#"{"model":"claude","messages":[1],"max_tokens":1}"#);
    }

    #[test]
    fn reasoning_of_other_vendors_does_not_come_back_to_this_one() {
        let foreign = format!(r#"{{"type":"thinking","thinking":"x","signature":"{UNSIGNED}"}}"#);
        let own = r#"{"type":"thinking","thinking":"y","signature":"s"}"#;
        for (content, left) in [
            (format!("[{foreign}, {own}]"), format!("[{own}]")),
            (format!("[{own}, {foreign}]"), format!("[{own}]")),
            (
                format!("[{foreign},{foreign},{own},{foreign},{own}]"),
                format!("[{own},{own}]"),
            ),
            (format!("[{foreign}]"), "[]".to_owned()),
        ] {
            let body = |content: &str| {
                format!(
                    r#"{{"model":"claude","max_tokens":1,"messages":[{{"role":"assistant","content":{content}}}]}}"#
                )
            };
            assert_eq!(sent(&body(&content)), body(&left));
        }
    }
}
