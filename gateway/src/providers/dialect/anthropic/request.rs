//! A client's request in `Anthropic`'s form: one scan of the body finds what the gateway must know and change.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use memchr::memmem;

use super::{
    BETA_HEADER, VERSION_HEADER,
    prompted::{self, Place},
    translate::UNSIGNED,
};
use crate::{
    config::resolved::Target,
    prompts::{
        parameters::Parameter,
        prompt::{self, Prompt, Rendered},
        request::Asked,
        selection::Choice,
    },
    providers::{
        dialect::openai::{
            prompted::{metadata, prompt as read_prompt, variables},
            request::{Error, session, unambiguous},
            text_of,
        },
        failure::Failure,
        json::{self, Malformed, Member},
        splice::{Edits, Removals},
    },
};

/// Fields of our own, and of `OpenRouter`, whose behaviour this version does not have here.
const NOT_BUILT: [&str; 7] = [
    "fallbacks",
    "models",
    "plugins",
    "provider",
    "route",
    "transforms",
    "usage",
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
    /// Without a preset; empty when there is none, and something else says which Route is meant.
    pub model: String,
    pub stream: bool,
    pub user: Option<Box<str>>,
    /// What the client says makes requests one session: a field of our own.
    pub session: Option<Box<str>>,
    /// What it says of prompts; most requests say nothing.
    pub asked: Option<Box<Asked>>,
    /// What was made of that.
    pub choice: Choice,
    /// Length of what the model reads, in bytes, for estimates.
    pub prompt_bytes: usize,
    pub(super) purpose: Purpose,
    pub(super) place: Place,
    /// What must change but the model and what prompts add.
    edits: Edits,
    /// Of the client, for targets of this dialect.
    headers: HeaderMap,
}

/// Where the fields stand that the gateway knows.
#[derive(Default)]
struct Fields {
    tools: Option<Range<usize>>,
    stream: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
    session_id: Option<Range<usize>>,
    variables: Option<Range<usize>>,
    prompt: Option<Range<usize>>,
    place: Place,
    /// What is taken out of the body.
    edits: Edits,
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

    /// The body for a target of the same dialect.
    pub fn body_for(&self, target: &Target) -> Result<Vec<Bytes>, Failure> {
        let prompt = self.choice.prompt_at(target);
        let mut edits = self.edits.clone();
        let mut front = self.edit_model(target, &mut edits);
        if prompt.is_some() || !target.defaults.is_empty() {
            prompted::edit(self, target, prompt, &mut edits, &mut front)?;
        }
        if !front.is_empty() {
            edits.insert(self.place.inside, front.into());
        }
        edits.sort();
        Ok(edits.pieces(&self.body))
    }

    /// The body for a target with nothing of a prompt in it, to be translated.
    pub fn bare_body_for(&self, target: &Target) -> Vec<u8> {
        let mut edits = self.edits.clone();
        let front = self.edit_model(target, &mut edits);
        if !front.is_empty() {
            edits.insert(self.place.inside, front.into());
        }
        edits.sort();
        edits.pieces(&self.body).concat()
    }

    /// The client's headers that a target of the same dialect is sent.
    pub fn headers_for<'a>(&'a self, target: &Target) -> impl Iterator<Item = (&'a HeaderName, &'a http::HeaderValue)> {
        let samples = prompted::samples(&self.place, target, self.choice.prompt_at(target));
        self.headers
            .iter()
            .filter(move |(name, _)| !(samples && *name == VERSION_HEADER))
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

    /// The messages of a prompt with the variables of this request.
    pub(super) fn rendered(&self, prompt: &Arc<Prompt>) -> Result<Rendered, prompt::Error> {
        prompt.render(self.asked.as_ref().and_then(|asked| asked.variables.as_ref()))
    }

    /// Puts the model in; gives what goes to the front of the body, where the client named none.
    fn edit_model(&self, target: &Target, edits: &mut Edits) -> Vec<u8> {
        match &self.place.model {
            Some(at) => {
                edits.replace(at.clone(), target.model_json.clone());
                Vec::new()
            }
            None => [b"\"model\":", &target.model_json[..], b","].concat(),
        }
    }

    fn read(body: Bytes, fields: Fields, purpose: Purpose) -> Result<Self, Error> {
        let Fields {
            tools,
            stream,
            metadata: metadata_at,
            session_id,
            variables: variables_at,
            prompt: prompt_at,
            mut place,
            mut edits,
            ambiguous: _,
        } = fields;
        let mut asked = Asked::default();
        if let Some(at) = variables_at {
            variables(&mut asked, &body, at, "variables")?;
        }
        if let Some(at) = prompt_at {
            read_prompt(&mut asked, &body, at)?;
        }
        if let Some(at) = metadata_at.clone().filter(|at| body[at.start] == b'{') {
            metadata(&mut asked, &body, at, &mut edits)?;
        }
        let model = model(&body, &place, &mut asked)?;
        if let Some(at) = &place.messages {
            if body[at.start] != b'[' {
                return Err(Error::Type {
                    field: "messages",
                    expected: "an array of objects",
                });
            }
            place.has_messages = json::has_elements(&body, at.start)?;
            without_unsigned(&body, at.start, &mut edits)?;
        }
        if purpose == Purpose::Answer && place.set & (1 << Parameter::MaxTokens as u8) == 0 {
            return Err(Error::Missing("max_tokens"));
        }
        let length = |at: &Option<Range<usize>>| at.as_ref().map_or(0, Range::len);
        Ok(Self {
            model,
            stream: is_stream(&body, stream)?,
            session: session_id.map_or(Ok(None), |at| session(&body[at]))?,
            user: metadata_at.and_then(|at| user(&body, at.start)),
            prompt_bytes: length(&place.messages) + length(&place.system) + length(&tools),
            asked: (!asked.is_empty()).then(|| Box::new(asked)),
            choice: Choice::default(),
            headers: HeaderMap::new(),
            purpose,
            place,
            edits,
            body,
        })
    }
}

/// The model's name without a preset, which `asked` notes.
fn model(body: &[u8], place: &Place, asked: &mut Asked) -> Result<String, Error> {
    let model = match &place.model {
        Some(at) => text_of(&body[at.clone()]).ok_or(Error::Type {
            field: "model",
            expected: "a string",
        })?,
        None => String::new(),
    };
    let model = asked.take_preset(&model)?.to_owned();
    if model.is_empty() && asked.id.is_none() && asked.combination.is_none() && place.model.is_none() {
        return Err(Error::Missing("model"));
    }
    Ok(model)
}

fn is_stream(body: &[u8], at: Option<Range<usize>>) -> Result<bool, Error> {
    match at.map(|at| &body[at]) {
        Some(b"true") => Ok(true),
        None | Some(b"false") => Ok(false),
        Some(_) => Err(Error::Type {
            field: "stream",
            expected: "a boolean",
        }),
    }
}

impl Fields {
    fn find(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        let mut members = json::members(body, 0)?;
        fields.place.inside = members.inside();
        let mut removals = Removals::default();
        for member in members.by_ref() {
            let member = member?;
            let at = member.start..member.value.end;
            if fields.note(&member, body)? {
                removals.remove(&at, &mut fields.edits);
            } else {
                removals.keep(&at, &mut fields.edits);
            }
        }
        let end = members.end().ok_or(Malformed(body.len()))?;
        json::ends(body, end)?;
        removals.end(end - 1, &mut fields.edits);
        Ok(fields)
    }

    /// Keeps what matters of a member; says whether it is to be taken out.
    fn note(&mut self, member: &Member<'_>, body: &[u8]) -> Result<bool, Error> {
        if member.is_escaped() {
            self.ambiguous = true;
            return Ok(false);
        }
        let value = &body[member.value.clone()];
        let (slot, is_taken_out) = match member.key {
            b"model" => (&mut self.place.model, false),
            b"messages" => (&mut self.place.messages, false),
            b"system" => (&mut self.place.system, false),
            b"output_config" => {
                if has_format(body, member.value.start)? {
                    self.place.set |= 1 << Parameter::ResponseFormat as u8;
                }
                (&mut self.place.output_config, false)
            }
            b"tools" => (&mut self.tools, false),
            b"stream" => (&mut self.stream, false),
            b"metadata" => (&mut self.metadata, false),
            b"session_id" => (&mut self.session_id, true),
            b"variables" => (&mut self.variables, true),
            b"prompt" if value.starts_with(b"{") => (&mut self.prompt, true),
            key => {
                if let Some((parameter, name)) = prompted::parameter(key) {
                    if value == b"null" {
                        self.place.nulls.push((name, member.value.clone()));
                    } else {
                        self.ambiguous |= self.place.set & (1 << parameter as u8) != 0;
                        self.place.set |= 1 << parameter as u8;
                    }
                    return Ok(false);
                }
                return match NOT_BUILT.iter().find(|name| name.as_bytes() == key) {
                    Some(name) => Err(Error::NotBuilt(name)),
                    None => Ok(false),
                };
            }
        };
        self.ambiguous |= slot.replace(member.value.clone()).is_some();
        Ok(is_taken_out)
    }
}

/// Whether `output_config` has a format.
fn has_format(body: &[u8], start: usize) -> Result<bool, Malformed> {
    if body[start] != b'{' {
        return Ok(false);
    }
    for member in json::members(body, start)? {
        let member = member?;
        if member.key == b"format" {
            return Ok(&body[member.value] != b"null");
        }
    }
    Ok(false)
}

/// `metadata.user_id`.
fn user(body: &[u8], metadata: usize) -> Option<Box<str>> {
    let mut members = json::members(body, metadata).ok()?.filter_map(Result::ok);
    let member = members.find(|member| member.key == b"user_id")?;
    text_of(&body[member.value]).map(String::into_boxed_str)
}

/// Takes out reasoning that another vendor's answer held: a provider of this dialect would refuse its signature.
fn without_unsigned(body: &[u8], messages: usize, edits: &mut Edits) -> Result<(), Malformed> {
    if memmem::find(body, UNSIGNED.as_bytes()).is_none() {
        return Ok(());
    }
    for message in json::elements(body, messages)? {
        let message = message?;
        if body[message.start] != b'{' {
            continue;
        }
        for member in json::members(body, message.start)? {
            let member = member?;
            if member.key == b"content" && body[member.value.start] == b'[' {
                remove_unsigned(body, &member.value, edits)?;
            }
        }
    }
    Ok(())
}

fn remove_unsigned(body: &[u8], content: &Range<usize>, edits: &mut Edits) -> Result<(), Malformed> {
    let mut removals = Removals::default();
    for block in json::elements(body, content.start)? {
        let block = block?;
        if is_unsigned(body, block.start)? {
            removals.remove(&block, edits);
        } else {
            removals.keep(&block, edits);
        }
    }
    removals.end(content.end - 1, edits);
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
mod tests;
