//! What prompts change in a request of this dialect: what the client says of them is taken out, what they are is put in.
//!
//! Instructions of the prompt go before those of the client, its other messages before the client's.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use crds::prompt_template::Role as PromptRole;

use super::{
    request::{MessagesRequest, Purpose},
    translate::write_request,
};
use crate::{
    config::resolved::Target,
    prompts::{
        parameters::Parameter,
        prompt::{Prompt, Rendered, RenderedMessage},
    },
    providers::{
        canonical::{Block, Format, Inexpressible, Message, Request, Role},
        dialect::openai::{json_string, translate::read_request::format as read_format},
        document::{Json, Node},
        failure::Failure,
        splice::Edits,
    },
};

/// Where things stand in the body that prompts change.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) model: Option<Range<usize>>,
    pub(super) messages: Option<Range<usize>>,
    pub(super) has_messages: bool,
    pub(super) system: Option<Range<usize>>,
    pub(super) output_config: Option<Range<usize>>,
    /// Behind the brace that opens the body.
    pub(super) inside: usize,
    /// Parameters that the client set, one bit each.
    pub(super) set: u8,
    /// Parameters that are there as `null`, which is as good as not set.
    pub(super) nulls: Vec<(&'static str, Range<usize>)>,
}

/// The parameter that a member of the body sets, and the member's name.
pub(super) fn parameter(key: &[u8]) -> Option<(Parameter, &'static str)> {
    Some(match key {
        b"temperature" => (Parameter::Temperature, "temperature"),
        b"top_p" => (Parameter::TopP, "top_p"),
        b"max_tokens" => (Parameter::MaxTokens, "max_tokens"),
        b"stop_sequences" => (Parameter::Stop, "stop_sequences"),
        _ => return None,
    })
}

/// The default of a parameter that the client has not set.
fn default<'a>(
    set: u8,
    parameter: Parameter,
    target: &'a Target,
    prompt: Option<&'a Arc<Prompt>>,
) -> Option<&'a Bytes> {
    let of_prompt = || prompt.and_then(|prompt| prompt.defaults.get(parameter));
    let default = target.defaults.get(parameter).or_else(of_prompt);
    default.filter(|_| set & (1 << parameter as u8) == 0)
}

/// Whether a parameter goes in that only the older version of the API knows, whatever version the client speaks.
pub(super) fn samples(place: &Place, target: &Target, prompt: Option<&Arc<Prompt>>) -> bool {
    [Parameter::Temperature, Parameter::TopP]
        .into_iter()
        .any(|parameter| default(place.set, parameter, target, prompt).is_some())
}

/// Adds the edits that make of a request what a target of this dialect is sent, but for its model. What has no place of its own goes to
/// the front, a comma behind each.
pub(super) fn edit(
    request: &MessagesRequest,
    target: &Target,
    prompt: Option<&Arc<Prompt>>,
    edits: &mut Edits,
    front: &mut Vec<u8>,
) -> Result<(), Failure> {
    if let Some(prompt) = prompt {
        let rendered = request.rendered(prompt)?;
        put_system(&request.body, &request.place, &rendered, edits, front);
        put_messages(&request.place, &rendered, edits, front);
    }
    put_parameters(request, target, prompt, edits, front)
}

fn instructions(rendered: &Rendered) -> impl Iterator<Item = &RenderedMessage> {
    rendered.messages.iter().filter(|message| is_instruction(message))
}

fn is_instruction(message: &RenderedMessage) -> bool {
    matches!(message.role, PromptRole::System | PromptRole::Developer)
}

/// A text is written as one JSON string, so whatever is in it stays in it. Empty ones, which would be refused, are left out.
fn put_system(body: &Bytes, place: &Place, rendered: &Rendered, edits: &mut Edits, front: &mut Vec<u8>) {
    let mut blocks = BytesMut::new();
    for message in instructions(rendered).filter(|message| !message.text.is_empty()) {
        block(&mut blocks, &json_string(&message.text));
    }
    if blocks.is_empty() {
        return;
    }
    match place.system.as_ref().map(|at| (at, body[at.start])) {
        None => member(front, "system", &[b"[", &blocks[..], b"]"].concat()),
        Some((at, b'[')) => {
            let is_empty = body[at.start + 1..at.end - 1].trim_ascii().is_empty();
            if !is_empty {
                blocks.extend_from_slice(b",");
            }
            edits.insert(at.start + 1, blocks.freeze());
        }
        Some((at, first)) => {
            if first == b'"' && at.len() > 2 {
                block(&mut blocks, &body[at.clone()]);
            }
            edits.replace(at.clone(), [b"[", &blocks[..], b"]"].concat().into());
        }
    }
}

/// Appends a block of text; `text` is a JSON string.
fn block(blocks: &mut BytesMut, text: &[u8]) {
    if !blocks.is_empty() {
        blocks.extend_from_slice(b",");
    }
    blocks.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    blocks.extend_from_slice(text);
    blocks.extend_from_slice(b"}");
}

fn put_messages(place: &Place, rendered: &Rendered, edits: &mut Edits, front: &mut Vec<u8>) {
    let mut messages = BytesMut::new();
    let said = rendered.messages.iter().filter(|message| !is_instruction(message));
    for message in said.filter(|message| !message.text.is_empty()) {
        if !messages.is_empty() {
            messages.extend_from_slice(b",");
        }
        messages.extend_from_slice(b"{\"role\":\"");
        messages.extend_from_slice(message.role.as_str().as_bytes());
        messages.extend_from_slice(b"\",\"content\":");
        messages.extend_from_slice(&json_string(&message.text));
        messages.extend_from_slice(b"}");
    }
    if messages.is_empty() {
        return;
    }
    let Some(at) = &place.messages else {
        return member(front, "messages", &[b"[", &messages[..], b"]"].concat());
    };
    if place.has_messages {
        messages.extend_from_slice(b",");
    }
    edits.insert(at.start + 1, messages.freeze());
}

fn put_parameters(
    request: &MessagesRequest,
    target: &Target,
    prompt: Option<&Arc<Prompt>>,
    edits: &mut Edits,
    front: &mut Vec<u8>,
) -> Result<(), Failure> {
    let MessagesRequest { body, place, .. } = request;
    for parameter in Parameter::ALL {
        // A counter reads what the model would read, and refuses what says how it is to answer.
        if request.purpose == Purpose::Count && parameter != Parameter::ResponseFormat {
            continue;
        }
        let Some(value) = default(place.set, parameter, target, prompt) else {
            continue;
        };
        let name = match parameter {
            Parameter::Temperature => "temperature",
            Parameter::TopP => "top_p",
            Parameter::MaxTokens => "max_tokens",
            Parameter::Stop => "stop_sequences",
            Parameter::ResponseFormat => {
                put_format(body, place, value, edits, front)?;
                continue;
            }
            // There is none here, and elsewhere it is a hint.
            Parameter::Seed => continue,
        };
        if parameter == Parameter::Temperature {
            write_request::check_temperature(&String::from_utf8_lossy(value))?;
        }
        match place.nulls.iter().find(|(known, _)| *known == name) {
            Some((_, at)) => edits.replace(at.clone(), value.clone()),
            None => member(front, name, value),
        }
    }
    Ok(())
}

/// The format of the answer stands in an object with what else is said of the answer.
fn put_format(
    body: &Bytes,
    place: &Place,
    value: &Bytes,
    edits: &mut Edits,
    front: &mut Vec<u8>,
) -> Result<(), Failure> {
    let Some(format) = format(value)? else { return Ok(()) };
    let format = write_request::write_format(&format)?;
    let text = [b"\"format\":", &format[..]].concat();
    match place.output_config.as_ref().filter(|at| body[at.start] == b'{') {
        Some(at) => {
            let is_empty = body[at.start + 1..at.end - 1].trim_ascii().is_empty();
            let comma: &[u8] = if is_empty { b"" } else { b"," };
            edits.insert(at.start + 1, [&text[..], comma].concat().into());
        }
        None => member(front, "output_config", &[b"{", &text[..], b"}"].concat()),
    }
    Ok(())
}

fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
    out.extend_from_slice(b",");
}

/// A default format, which is written as `OpenAI` has it.
fn format(value: &Bytes) -> Result<Option<Format>, Inexpressible> {
    let node = Node::root(value).map_err(|error| Inexpressible::new("response_format", error.to_string()))?;
    read_format(&node)
}

/// Puts a prompt and the defaults of a target into a request that was read for a target of another dialect.
pub(in crate::providers) fn put(
    request: &MessagesRequest,
    target: &Target,
    prompt: Option<&Arc<Prompt>>,
    read: &mut Request,
) -> Result<(), Failure> {
    if let Some(prompt) = prompt {
        let rendered = request.rendered(prompt)?;
        let said = rendered.messages.iter().filter(|message| !is_instruction(message));
        let at = read
            .messages
            .iter()
            .take_while(|message| message.role == Role::System)
            .count();
        read.messages.splice(at..at, said.map(message));
        read.messages.splice(0..0, instructions(&rendered).map(message));
    }
    let default = |parameter| default(0, parameter, target, prompt);
    let json = |parameter| {
        let text = String::from_utf8_lossy(default(parameter)?).into_owned();
        Json::parse(text)
    };
    read.temperature = read.temperature.take().or_else(|| json(Parameter::Temperature));
    read.top_p = read.top_p.take().or_else(|| json(Parameter::TopP));
    read.seed = json(Parameter::Seed);
    if read.stop.is_empty()
        && let Some(stop) = default(Parameter::Stop)
    {
        read.stop = serde_json::from_slice(stop).unwrap_or_default();
    }
    if read.format.is_none()
        && let Some(value) = default(Parameter::ResponseFormat)
    {
        read.format = format(value)?;
    }
    Ok(())
}

fn message(rendered: &RenderedMessage) -> Message {
    Message {
        role: match rendered.role {
            PromptRole::System => Role::System,
            PromptRole::Developer => Role::Developer,
            PromptRole::User => Role::User,
            PromptRole::Assistant => Role::Assistant,
        },
        content: vec![Block::text(&*rendered.text)],
    }
}
