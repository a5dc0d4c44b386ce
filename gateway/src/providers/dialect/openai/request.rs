//! A client's chat request: one scan of the body finds what the gateway must know and what it must change for a target.

use std::ops::Range;

use bytes::Bytes;

use super::{prompted, text_of};
use crate::{
    config::resolved::Target,
    prompts::{
        parameters::Parameter,
        prompt,
        request::{Asked, Twice},
        selection::Choice,
    },
    providers::{
        json::{self, Malformed, Member},
        splice::Edits,
    },
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
    #[error("'{}' and '{}' contradict each other: send only one of them.", .0.field, .0.other)]
    Twice(Twice),
}

impl From<Twice> for Error {
    fn from(twice: Twice) -> Self {
        Self::Twice(twice)
    }
}

impl Error {
    /// The field at fault.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::Missing(field) | Self::Type { field, .. } | Self::Empty(field) | Self::NotBuilt(field) => Some(field),
            Self::Twice(twice) => Some(twice.field),
        }
    }
}

/// Fields of our own, and of `OpenRouter`, whose behaviour this version does not have. `null` counts as absent and is taken out.
const NOT_BUILT: [&str; 5] = ["provider", "models", "route", "transforms", "plugins"];

/// Longest `session_id`.
const MAX_SESSION_BYTES: usize = 256;

const INCLUDE_USAGE: &[u8] = b"\"include_usage\":true";

/// A request, scanned. The body stays as it came.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub body: Bytes,
    /// Without a preset; empty when there is none, and something else says which Route is meant.
    pub model: String,
    pub stream: bool,
    /// The client itself asked for usage in the stream.
    pub include_usage: bool,
    pub user: Option<Box<str>>,
    /// What it says of prompts; most requests say nothing.
    pub asked: Option<Box<Asked>>,
    /// What was made of that.
    pub choice: Choice,
    /// What the client says makes requests one session: a field of our own.
    pub session: Option<Box<str>>,
    /// Length of `messages` in bytes, for estimates.
    pub messages_bytes: usize,
    pub(super) place: Place,
    /// All that must change but the model and what prompts add.
    pub(super) edits: Edits,
}

/// Where things stand in the body that are different for each target.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) model: Option<Range<usize>>,
    pub(super) messages: Option<Range<usize>>,
    pub(super) has_messages: bool,
    /// Behind the brace that opens the body.
    pub(super) inside: usize,
    /// Whether anything is left in the body once our own fields are out.
    pub(super) is_bare: bool,
    /// Parameters that the client set, one bit each.
    pub(super) set: u8,
    /// Parameters that are there as `null`, which is as good as not set.
    pub(super) nulls: Vec<(&'static str, Range<usize>)>,
}

/// Where the fields stand that the gateway knows.
#[derive(Default)]
struct Fields {
    stream: Option<Range<usize>>,
    stream_options: Option<Range<usize>>,
    user: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
    session_id: Option<Range<usize>>,
    variables: Option<Range<usize>>,
    prompt: Option<Range<usize>>,
    place: Place,
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

    /// The body for a target.
    pub fn body_for(&self, target: &Target) -> Result<Vec<Bytes>, prompt::Error> {
        let mut edits = self.edits.clone();
        match (&self.place.model, self.choice.prompt_at(target)) {
            (Some(at), None) if target.defaults.is_empty() => edits.replace(at.clone(), target.model_json.clone()),
            (_, prompt) => prompted::edit(self, target, prompt, &mut edits)?,
        }
        edits.sort();
        Ok(edits.pieces(&self.body))
    }

    /// Whether the client itself sets a parameter.
    pub fn sets(&self, parameter: Parameter) -> bool {
        self.place.set & (1 << parameter as u8) != 0
    }

    pub fn has_messages(&self) -> bool {
        self.place.has_messages
    }

    /// What is wrong with a request whose prompt gives no messages.
    pub fn check_messages(&self) -> Result<(), Error> {
        match &self.place.messages {
            None => Err(Error::Missing("messages")),
            Some(_) if !self.place.has_messages => Err(Error::Empty("messages")),
            Some(_) => Ok(()),
        }
    }

    fn read(body: Bytes, fields: Fields) -> Result<Self, Error> {
        let Fields {
            stream,
            stream_options,
            user,
            metadata,
            session_id,
            variables,
            prompt,
            mut place,
            removed,
            ambiguous: _,
        } = fields;
        let mut edits = Edits::with_capacity(removed.len(), 0);
        for at in removed {
            edits.replace(at, Bytes::new());
        }
        let mut asked = Asked::default();
        if let Some(at) = variables {
            prompted::variables(&mut asked, &body, at, "variables")?;
        }
        if let Some(at) = prompt {
            prompted::prompt(&mut asked, &body, at)?;
        }
        if let Some(at) = metadata.filter(|at| body[at.start] == b'{') {
            prompted::metadata(&mut asked, &body, at, &mut edits)?;
        }
        let model = match &place.model {
            Some(at) => text_of(&body[at.clone()]).ok_or(Error::Type {
                field: "model",
                expected: "a string",
            })?,
            None => String::new(),
        };
        let model = match asked.take_preset(&model)? {
            part if part.len() == model.len() => model,
            part => part.to_owned(),
        };
        if model.is_empty() && asked.id.is_none() && asked.combination.is_none() && place.model.is_none() {
            return Err(Error::Missing("model"));
        }
        if let Some(at) = &place.messages {
            if body[at.start] != b'[' {
                return Err(Error::Type {
                    field: "messages",
                    expected: "an array of objects",
                });
            }
            place.has_messages = json::has_elements(&body, at.start)?;
        }
        let is_stream = match stream.as_ref().map(|at| &body[at.clone()]) {
            Some(b"true") => true,
            None | Some(b"false" | b"null") => false,
            Some(_) => {
                return Err(Error::Type {
                    field: "stream",
                    expected: "a boolean",
                });
            }
        };
        let session = session_id.map_or(Ok(None), |at| session(&body[at]))?;
        let stream_end = stream.map_or(place.inside, |at| at.end);
        let include_usage = is_stream && ask_for_usage(&body, stream_options, stream_end, &mut edits)?;
        Ok(Self {
            model,
            stream: is_stream,
            include_usage,
            user: user.and_then(|at| text_of(&body[at])).map(String::into_boxed_str),
            session,
            messages_bytes: place.messages.as_ref().map_or(0, ExactSizeIterator::len),
            place,
            edits,
            asked: (!asked.is_empty()).then(|| Box::new(asked)),
            choice: Choice::default(),
            body,
        })
    }
}

impl Fields {
    fn find(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        let mut members = json::members(body, 0)?;
        fields.place.inside = members.inside();
        fields.place.is_bare = true;
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
            } else {
                fields.place.is_bare = false;
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
        let (slot, is_taken_out) = match member.key {
            b"model" => (&mut self.place.model, false),
            b"messages" => (&mut self.place.messages, false),
            b"stream" => (&mut self.stream, false),
            b"stream_options" => (&mut self.stream_options, false),
            b"user" => (&mut self.user, false),
            b"metadata" => (&mut self.metadata, false),
            b"variables" => (&mut self.variables, true),
            // The prompt of a completion is a text, and none of ours.
            b"prompt" if body[member.value.start] == b'{' => (&mut self.prompt, true),
            // OpenRouter's `usage: {include}`: usage is always included.
            b"usage" => return Ok(true),
            b"session_id" => (&mut self.session_id, true),
            key => {
                if let Some((parameter, name)) = prompted::parameter(key) {
                    if &body[member.value.clone()] == b"null" {
                        self.place.nulls.push((name, member.value.clone()));
                    } else {
                        self.place.set |= 1 << parameter as u8;
                    }
                    return Ok(false);
                }
                return refuse_not_built(key, &body[member.value.clone()]);
            }
        };
        self.ambiguous |= slot.replace(member.value.clone()).is_some();
        Ok(is_taken_out)
    }
}

/// Reads `session_id`.
pub(in crate::providers::dialect) fn session(value: &[u8]) -> Result<Option<Box<str>>, Error> {
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
            edits.insert_all(at.start + 1, &[INCLUDE_USAGE, comma]);
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
