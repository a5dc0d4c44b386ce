//! What prompts change in a request: what the client says of them is taken out, what they are is put in.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{
    request::{ChatRequest, Error, Place},
    text_of,
};
use crate::{
    config::resolved::Target,
    prompts::{
        parameters::Parameter,
        prompt::{self, Prompt, Rendered},
        request::Asked,
    },
    providers::{json, splice::Edits},
};

/// The members of a prompt's object.
const MEMBERS: &str = "an object of id, version and variables";

/// The parameter that a field sets, and the field's name.
pub(super) fn parameter(key: &[u8]) -> Option<(Parameter, &'static str)> {
    Some(match key {
        b"temperature" => (Parameter::Temperature, "temperature"),
        b"top_p" => (Parameter::TopP, "top_p"),
        b"max_tokens" => (Parameter::MaxTokens, "max_tokens"),
        b"max_completion_tokens" => (Parameter::MaxTokens, "max_completion_tokens"),
        b"seed" => (Parameter::Seed, "seed"),
        b"stop" => (Parameter::Stop, "stop"),
        b"response_format" => (Parameter::ResponseFormat, "response_format"),
        _ => return None,
    })
}

/// The field that sets a parameter at a target.
fn field(parameter: Parameter, target: &Target) -> &'static str {
    match parameter {
        Parameter::Temperature => "temperature",
        Parameter::TopP => "top_p",
        Parameter::MaxTokens => target.output_limit_field,
        Parameter::Seed => "seed",
        Parameter::Stop => "stop",
        Parameter::ResponseFormat => "response_format",
    }
}

/// Reads the values of variables, wherever they stand.
pub(in crate::providers::dialect) fn variables(
    asked: &mut Asked,
    body: &Bytes,
    at: Range<usize>,
    place: &'static str,
) -> Result<(), Error> {
    match body[at.start] {
        b'n' => Ok(()),
        b'{' => Ok(asked.values(body.slice(at), place)?),
        _ => Err(Error::Type {
            field: place,
            expected: "an object of names and values",
        }),
    }
}

/// Reads `prompt: {id, version, variables}`.
pub(in crate::providers::dialect) fn prompt(asked: &mut Asked, body: &Bytes, at: Range<usize>) -> Result<(), Error> {
    for member in json::members(body, at.start)? {
        let member = member?;
        let value = &body[member.value.clone()];
        let field = match member.key {
            b"id" => "prompt.id",
            b"version" => "prompt.version",
            b"variables" => {
                variables(asked, body, member.value, "prompt.variables")?;
                continue;
            }
            _ if value == b"null" => continue,
            _ => {
                return Err(Error::Type {
                    field: "prompt",
                    expected: MEMBERS,
                });
            }
        };
        if value == b"null" {
            continue;
        }
        let text = text_of(value).ok_or(Error::Type {
            field,
            expected: "a string",
        })?;
        if field == "prompt.id" {
            asked.name(&text, field)?;
        } else {
            asked.version = Some(text.into());
        }
    }
    Ok(())
}

/// Reads `metadata.template_id` and `metadata.combination_id`, and takes them out; the rest stays.
pub(in crate::providers::dialect) fn metadata(
    asked: &mut Asked,
    body: &Bytes,
    at: Range<usize>,
    edits: &mut Edits,
) -> Result<(), Error> {
    let mut kept_end = None;
    let mut open_removal: Option<usize> = None;
    for member in json::members(body, at.start)? {
        let member = member?;
        if let Some(start) = open_removal.take() {
            edits.replace(start..member.start, Bytes::new());
        }
        if own_metadata(asked, member.key, &body[member.value.clone()])? {
            match kept_end {
                Some(end) => edits.replace(end..member.value.end, Bytes::new()),
                None => open_removal = Some(member.start),
            }
        }
        kept_end = open_removal.is_none().then_some(member.value.end);
    }
    if let Some(start) = open_removal {
        edits.replace(start..at.end - 1, Bytes::new());
    }
    Ok(())
}

fn own_metadata(asked: &mut Asked, key: &[u8], value: &[u8]) -> Result<bool, Error> {
    let field = match key {
        b"template_id" => "metadata.template_id",
        b"combination_id" => "metadata.combination_id",
        _ => return Ok(false),
    };
    if value == b"null" {
        return Ok(true);
    }
    let text = text_of(value).ok_or(Error::Type {
        field,
        expected: "a string",
    })?;
    if field == "metadata.template_id" {
        asked.name(&text, field)?;
    } else {
        asked.combination = Some(text.into());
    }
    Ok(true)
}

/// Adds the edits that make of a request what a target is sent: its model, the prompt's messages in front, and parameters where the
/// client set none.
pub(super) fn edit(
    request: &ChatRequest,
    target: &Target,
    prompt: Option<&Arc<Prompt>>,
    edits: &mut Edits,
) -> Result<(), prompt::Error> {
    let place = &request.place;
    // What has no place of its own goes to the front, a comma behind each.
    let mut front = BytesMut::new();
    match &place.model {
        Some(at) => edits.replace(at.clone(), target.model_json.clone()),
        None => member(&mut front, "model", &target.model_json),
    }
    if let Some(prompt) = prompt {
        let given = request.asked.as_ref().and_then(|asked| asked.variables.as_ref());
        put_messages(place, &prompt.render(given)?, edits, &mut front);
    }
    put_parameters(place, target, prompt, edits, &mut front);
    if place.is_bare {
        front.truncate(front.len().saturating_sub(1));
    }
    if !front.is_empty() {
        edits.insert(place.inside, front.freeze());
    }
    Ok(())
}

fn put_messages(place: &Place, rendered: &Rendered, edits: &mut Edits, front: &mut BytesMut) {
    if rendered.messages.is_empty() {
        return;
    }
    let texts: usize = rendered.messages.iter().map(|message| message.text.len() + 64).sum();
    let mut messages = BytesMut::with_capacity(texts);
    write_messages(rendered, &mut messages);
    let Some(at) = &place.messages else {
        front.extend_from_slice(b"\"messages\":[");
        front.unsplit(messages);
        front.extend_from_slice(b"],");
        return;
    };
    if place.has_messages {
        messages.extend_from_slice(b",");
    }
    edits.insert(at.start + 1, messages.freeze());
}

fn put_parameters(
    place: &Place,
    target: &Target,
    prompt: Option<&Arc<Prompt>>,
    edits: &mut Edits,
    front: &mut BytesMut,
) {
    for parameter in Parameter::ALL {
        let of_prompt = || prompt.and_then(|prompt| prompt.defaults.get(parameter));
        let default = target.defaults.get(parameter).or_else(of_prompt);
        let Some(default) = default.filter(|_| place.set & (1 << parameter as u8) == 0) else {
            continue;
        };
        let field = field(parameter, target);
        match place.nulls.iter().find(|(known, _)| *known == field) {
            Some((_, at)) => edits.replace(at.clone(), default.clone()),
            None => member(front, field, default),
        }
    }
}

fn member(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
    out.extend_from_slice(b",");
}

/// The messages as elements of an array. A text is written as one JSON string, so whatever is in it stays in it.
fn write_messages(rendered: &Rendered, out: &mut BytesMut) {
    for (index, message) in rendered.messages.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",");
        }
        out.extend_from_slice(b"{\"role\":\"");
        out.extend_from_slice(message.role.as_str().as_bytes());
        out.extend_from_slice(b"\",\"content\":");
        super::write_json_string(&message.text, out);
        out.extend_from_slice(b"}");
    }
}
