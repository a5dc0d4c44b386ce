//! Reads a request, refusing what the vendor refuses.

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::thinking::{self, Thinking};
use super::{blocks, fields, tools, turns};
use crate::simulator::answer::{self, Ask};
use crate::simulator::endpoint::Fields;

/// A request that the vendor would answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub model: String,
    pub stream: bool,
    /// Thinking comes back as its signature alone.
    pub omit_thinking: bool,
    pub ask: Ask,
}

/// The model asked for.
pub(super) fn model(fields: &Fields) -> Result<&str, Refusal> {
    match fields.get("model") {
        Some(Value::String(model)) if !model.is_empty() => Ok(model),
        Some(Value::String(_)) => Err(Refusal::at("model", "String should have at least 1 character")),
        Some(_) => Err(Refusal::wrong_type("model", "string")),
        None => Err(Refusal::missing("model")),
    }
}

/// Reads a request for a message. `lenient` lets pass what is unknown or not imitated.
pub(super) fn read(fields: &Fields, version: &str, lenient: bool) -> Result<Request, Refusal> {
    if !fields.contains_key("max_tokens") {
        return Err(Refusal::missing("max_tokens"));
    }
    fields::check(fields, version, lenient)?;
    let mut request = conversation(fields, lenient)?;
    let stops = fields.get("stop_sequences").and_then(Value::as_array);
    for (number, stop) in stops.into_iter().flatten().filter_map(Value::as_str).enumerate() {
        if stop.trim().is_empty() {
            let place = format!("stop_sequences.{number}");
            return Err(Refusal::at(&place, "each stop sequence must contain non-whitespace"));
        }
        request.ask.stop.push(stop.to_owned());
    }
    request.ask.limit = max_tokens(fields).map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    request.stream = fields.get("stream") == Some(&Value::Bool(true));
    Ok(request)
}

/// Reads a request to count tokens.
pub(super) fn read_counted(fields: &Fields, lenient: bool) -> Result<Request, Refusal> {
    fields::check_counted(fields, lenient)?;
    conversation(fields, lenient)
}

/// What both have: the system's text, the messages, the tools, thinking and the form of the output.
fn conversation(fields: &Fields, lenient: bool) -> Result<Request, Refusal> {
    let mut ask = Ask {
        choices: 1,
        ..Ask::default()
    };
    let thinking = thinking::read(fields, max_tokens(fields), lenient)?;
    let Thinking {
        wished,
        enabled,
        omitted,
    } = thinking;
    ask.reasoning = wished;
    if let Some(system) = fields.get("system") {
        let text = blocks::system(system, lenient)?;
        ask.count(&text);
    }
    turns::read(fields, enabled, lenient, &mut ask)?;
    tools::read(fields, lenient, &mut ask)?;
    thinking.allows(fields, &ask.tool_choice)?;
    ask.format = tools::format(fields, lenient)?;
    ask.conversation = answer::conversation(&json!([fields.get("system"), fields.get("messages")]), None);
    Ok(Request {
        model: model(fields)?.to_owned(),
        stream: false,
        omit_thinking: omitted,
        ask,
    })
}

fn max_tokens(fields: &Fields) -> Option<u64> {
    fields.get("max_tokens").and_then(Value::as_u64)
}

#[cfg(test)]
mod tests;
