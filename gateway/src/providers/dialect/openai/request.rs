//! A client's chat request: one scan of the body finds what the gateway must know and what it must change for a target.

use std::ops::Range;

use bytes::Bytes;

use super::text_of;
use crate::providers::{
    json::{self, Malformed, Member},
    splice::Edits,
};

/// What is wrong with a request, and with which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("We could not parse the JSON body of your request: {0}")]
    Json(#[from] Malformed),
    #[error("Missing required parameter: '{0}'.")]
    Missing(&'static str),
    #[error("Invalid type for '{field}': expected {expected}.")]
    Type {
        field: &'static str,
        expected: &'static str,
    },
    #[error("Invalid '{0}': empty array. Expected an array with minimum length 1.")]
    Empty(&'static str),
    #[error(
        "Unsupported parameter: '{0}' is not supported by this version of Route-Switch. Remove it from the request."
    )]
    NotBuilt(&'static str),
}

impl Error {
    /// The field at fault.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::Missing(field) | Self::Type { field, .. } | Self::Empty(field) | Self::NotBuilt(field) => Some(field),
        }
    }
}

/// Fields of our own, and of `OpenRouter`, whose behaviour this version does not have. `null` counts as absent and is taken out.
const NOT_BUILT: [&str; 6] = ["provider", "models", "route", "transforms", "plugins", "variables"];
/// Members of `metadata` that are ours, not built either.
const NOT_BUILT_METADATA: [(&str, &str); 2] = [
    ("template_id", "metadata.template_id"),
    ("combination_id", "metadata.combination_id"),
];

/// Longest `session_id`.
const MAX_SESSION_BYTES: usize = 256;

const INCLUDE_USAGE: &[u8] = b"\"include_usage\":true";

/// A request, scanned. The body stays as it came.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub body: Bytes,
    pub model: String,
    pub stream: bool,
    /// The client itself asked for usage in the stream.
    pub include_usage: bool,
    pub user: Option<Box<str>>,
    /// What the client says makes requests one session: a field of our own.
    pub session: Option<Box<str>>,
    /// Length of `messages` in bytes, for estimates.
    pub messages_bytes: usize,
    model_at: Range<usize>,
    /// All that must change but the model.
    edits: Edits,
}

/// Where the fields stand that the gateway knows.
#[derive(Default)]
struct Fields {
    model: Option<Range<usize>>,
    messages: Option<Range<usize>>,
    stream: Option<Range<usize>>,
    stream_options: Option<Range<usize>>,
    user: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
    session_id: Option<Range<usize>>,
    /// What is taken out of the body.
    removed: Vec<Range<usize>>,
    /// A key is written with escapes, or one that the gateway acts on stands twice.
    ambiguous: bool,
}

impl ChatRequest {
    pub fn scan(body: Bytes) -> Result<Self, Error> {
        let fields = Fields::find(&body)?;
        if fields.ambiguous {
            let body = unambiguous(&body)?;
            let fields = Fields::find(&body)?;
            return Self::read(body, fields);
        }
        Self::read(body, fields)
    }

    /// The body for a target: `model` is the provider's name of the model, as a JSON string.
    pub fn body_for(&self, model: &Bytes) -> Vec<Bytes> {
        let mut edits = self.edits.clone();
        edits.replace(self.model_at.clone(), model.clone());
        edits.sort();
        edits.pieces(&self.body)
    }

    fn read(body: Bytes, fields: Fields) -> Result<Self, Error> {
        let model_at = fields.model.ok_or(Error::Missing("model"))?;
        let model = text_of(&body[model_at.clone()]).ok_or(Error::Type {
            field: "model",
            expected: "a string",
        })?;
        let messages_at = fields.messages.ok_or(Error::Missing("messages"))?;
        if body[messages_at.start] != b'[' {
            return Err(Error::Type {
                field: "messages",
                expected: "an array of objects",
            });
        }
        if json::elements(&body, messages_at.start)?.next().is_none() {
            return Err(Error::Empty("messages"));
        }
        let stream = match fields.stream.as_ref().map(|at| &body[at.clone()]) {
            Some(b"true") => true,
            None | Some(b"false" | b"null") => false,
            Some(_) => {
                return Err(Error::Type {
                    field: "stream",
                    expected: "a boolean",
                });
            }
        };
        if let Some(metadata) = fields.metadata.filter(|at| body[at.start] == b'{') {
            refuse_metadata(&body, metadata.start)?;
        }
        let session = fields.session_id.map_or(Ok(None), |at| session(&body[at]))?;
        let mut edits = Edits::with_capacity(2 + fields.removed.len());
        for at in fields.removed {
            edits.replace(at, Bytes::new());
        }
        let stream_end = fields.stream.map_or(model_at.end, |at| at.end);
        let include_usage = stream && ask_for_usage(&body, fields.stream_options, stream_end, &mut edits)?;
        Ok(Self {
            model,
            stream,
            include_usage,
            user: fields
                .user
                .and_then(|at| text_of(&body[at]))
                .map(String::into_boxed_str),
            session,
            messages_bytes: messages_at.len(),
            model_at,
            edits,
            body,
        })
    }
}

impl Fields {
    fn find(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        let mut members = json::members(body, 0)?;
        let mut kept_end = None;
        let mut open_removal: Option<usize> = None;
        for member in members.by_ref() {
            let member = member?;
            if let Some(start) = open_removal.take() {
                fields.removed.push(start..member.start);
            }
            if fields.note(&member, body)? {
                match kept_end {
                    // Take the comma in front along.
                    Some(end) => fields.removed.push(end..member.value.end),
                    // Nothing is kept in front: take along what lies before the next member.
                    None => open_removal = Some(member.start),
                }
            }
            kept_end = if open_removal.is_some() {
                None
            } else {
                Some(member.value.end)
            };
        }
        let end = members.end().ok_or(Malformed(body.len()))?;
        json::ends(body, end)?;
        if let Some(start) = open_removal {
            fields.removed.push(start..end - 1);
        }
        Ok(fields)
    }

    /// Keeps what matters of a member; says whether it is to be taken out.
    fn note(&mut self, member: &Member<'_>, body: &[u8]) -> Result<bool, Error> {
        if member.is_escaped() {
            self.ambiguous = true;
            return Ok(false);
        }
        let slot = match member.key {
            b"model" => &mut self.model,
            b"messages" => &mut self.messages,
            b"stream" => &mut self.stream,
            b"stream_options" => &mut self.stream_options,
            b"user" => &mut self.user,
            b"metadata" => &mut self.metadata,
            // OpenRouter's `usage: {include}`: usage is always included.
            b"usage" => return Ok(true),
            b"session_id" => {
                self.ambiguous |= self.session_id.replace(member.value.clone()).is_some();
                return Ok(true);
            }
            b"prompt" if body[member.value.start] == b'{' => return Err(Error::NotBuilt("prompt")),
            key => return refuse_not_built(key, &body[member.value.clone()]),
        };
        self.ambiguous |= slot.replace(member.value.clone()).is_some();
        Ok(false)
    }
}

/// Reads `session_id`.
fn session(value: &[u8]) -> Result<Option<Box<str>>, Error> {
    if value == b"null" {
        return Ok(None);
    }
    let session = text_of(value).filter(|session| session.len() <= MAX_SESSION_BYTES);
    session
        .map(|session| Some(session.into_boxed_str()))
        .ok_or(Error::Type {
            field: "session_id",
            expected: "a string of at most 256 bytes",
        })
}

/// Refuses a field that is not built; a `null` one is to be taken out.
fn refuse_not_built(key: &[u8], value: &[u8]) -> Result<bool, Error> {
    match NOT_BUILT.iter().find(|name| name.as_bytes() == key) {
        Some(_) if value == b"null" => Ok(true),
        Some(name) => Err(Error::NotBuilt(name)),
        None => Ok(false),
    }
}

fn refuse_metadata(body: &[u8], start: usize) -> Result<(), Error> {
    for member in json::members(body, start)? {
        let key = member?.key;
        if let Some((_, path)) = NOT_BUILT_METADATA.iter().find(|(name, _)| name.as_bytes() == key) {
            return Err(Error::NotBuilt(path));
        }
    }
    Ok(())
}

/// Makes the request of a stream ask for usage; says whether the client had asked itself.
fn ask_for_usage(
    body: &[u8],
    stream_options: Option<Range<usize>>,
    stream_end: usize,
    edits: &mut Edits,
) -> Result<bool, Error> {
    let Some(at) = stream_options else {
        edits.insert(
            stream_end,
            Bytes::from_static(b",\"stream_options\":{\"include_usage\":true}"),
        );
        return Ok(false);
    };
    match body[at.start] {
        b'n' => edits.replace(at, Bytes::from_static(b"{\"include_usage\":true}")),
        b'{' => {
            let mut is_empty = true;
            for member in json::members(body, at.start)? {
                let member = member?;
                is_empty = false;
                if member.key == b"include_usage" {
                    let asked = &body[member.value.clone()] == b"true";
                    if !asked {
                        edits.replace(member.value, Bytes::from_static(b"true"));
                    }
                    return Ok(asked);
                }
            }
            let comma: &[u8] = if is_empty { b"" } else { b"," };
            edits.insert(at.start + 1, [INCLUDE_USAGE, comma].concat().into());
        }
        _ => {
            return Err(Error::Type {
                field: "stream_options",
                expected: "an object",
            });
        }
    }
    Ok(false)
}

/// Writes the body anew with each top-level key once (the last one counts, as parsers have it) and without escapes.
pub(in crate::providers::dialect) fn unambiguous(body: &[u8]) -> Result<Bytes, Error> {
    let mut members: Vec<(String, Range<usize>)> = Vec::new();
    for member in json::members(body, 0)? {
        let member = member?;
        let quoted = &body[member.start..=member.start + 1 + member.key.len()];
        let key = text_of(quoted).ok_or(Malformed(member.start))?;
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, value)) => *value = member.value,
            None => members.push((key, member.value)),
        }
    }
    let mut out = Vec::with_capacity(body.len());
    for (index, (key, value)) in members.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        out.extend_from_slice(&super::json_string(key));
        out.push(b':');
        out.extend_from_slice(&body[value.clone()]);
    }
    out.push(b'}');
    Ok(out.into())
}

#[cfg(test)]
mod tests;
