//! The messages of a chat request: their checks, and what an answer needs to know of them.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::simulator::answer::Ask;
use crate::simulator::image;

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];
const PARTS: [&str; 6] = ["text", "image_url", "input_audio", "refusal", "audio", "file"];
const DETAILS: [&str; 4] = ["auto", "low", "high", "original"];

/// Checks the messages and notes in `ask` what the last ones say and how many tokens all count.
pub(super) fn read(fields: &Map<String, Value>, lenient: bool, ask: &mut Ask) -> Result<(), Refusal> {
    let messages = match fields.get("messages") {
        None => return Err(Refusal::missing("messages")),
        Some(Value::Array(messages)) if messages.is_empty() => return Err(Refusal::empty_array("messages")),
        Some(Value::Array(messages)) => messages,
        Some(other) => return Err(Refusal::wrong_type("messages", "an array of objects", other)),
    };
    let mut open_calls: Vec<String> = Vec::new();
    let mut tool_turn = false;
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages[{position}]");
        let Value::Object(message) = message else {
            return Err(Refusal::wrong_type(&at, "an object", message));
        };
        let role = role(&at, message)?;
        if role != "tool" {
            answered(&open_calls)?;
            tool_turn = false;
            ask.tool_results.clear();
        }
        ask.next_message();
        let text = content(&at, role, message, lenient, ask)?;
        ask.count(&text);
        match role {
            "assistant" => {
                open_calls = calls(&at, message)?;
                tool_turn = !open_calls.is_empty();
            }
            "tool" => {
                let id = text_of(message, "tool_call_id", &at)?;
                close(position, id, tool_turn, &mut open_calls)?;
                ask.tool_results.push(text);
            }
            "user" => ask.user_text = Some(text),
            _ => {}
        }
    }
    answered(&open_calls)
}

fn role<'a>(at: &str, message: &'a Map<String, Value>) -> Result<&'a str, Refusal> {
    let role = text_of(message, "role", at)?;
    if ROLES.contains(&role) {
        Ok(role)
    } else {
        Err(Refusal::wrong_value(&format!("{at}.role"), role, &ROLES))
    }
}

/// Every call must have had its result.
fn answered(open_calls: &[String]) -> Result<(), Refusal> {
    if open_calls.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        open_calls.join(", ")
    );
    Err(Refusal::invalid(message, "messages"))
}

/// Every result must have had its call.
fn close(position: usize, id: &str, tool_turn: bool, open_calls: &mut Vec<String>) -> Result<(), Refusal> {
    if !tool_turn {
        let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
        return Err(Refusal::invalid(
            message.to_owned(),
            &format!("messages.[{position}].role"),
        ));
    }
    let Some(call) = open_calls.iter().position(|call| call == id) else {
        let message =
            format!("Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message.");
        return Err(Refusal::invalid(
            message,
            &format!("messages.[{position}].tool_call_id"),
        ));
    };
    open_calls.remove(call);
    Ok(())
}

/// The identifiers of the calls that an assistant's message makes.
fn calls(at: &str, message: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let at = format!("{at}.tool_calls");
    let calls = match message.get("tool_calls") {
        None => return Ok(Vec::new()),
        Some(Value::Array(calls)) if calls.is_empty() => return Err(Refusal::empty_array(&at)),
        Some(Value::Array(calls)) => calls,
        Some(other) => return Err(Refusal::wrong_type(&at, "an array of objects", other)),
    };
    let identifier = |(number, call): (usize, &Value)| {
        let at = format!("{at}[{number}]");
        let call = call
            .as_object()
            .ok_or_else(|| Refusal::wrong_type(&at, "an object", call))?;
        let kind = text_of(call, "type", &at)?;
        if kind != "function" {
            return Err(Refusal::wrong_value(&format!("{at}.type"), kind, &["function"]));
        }
        let function = call
            .get("function")
            .ok_or_else(|| Refusal::missing(&format!("{at}.function")))?;
        let at_function = format!("{at}.function");
        let function = function
            .as_object()
            .ok_or_else(|| Refusal::wrong_type(&at_function, "an object", function))?;
        text_of(function, "name", &at_function)?;
        text_of(function, "arguments", &at_function)?;
        text_of(call, "id", &at).map(str::to_owned)
    };
    calls.iter().enumerate().map(identifier).collect()
}

/// The text of a message; its images go to `ask`.
fn content(
    at: &str,
    role: &str,
    message: &Map<String, Value>,
    lenient: bool,
    ask: &mut Ask,
) -> Result<String, Refusal> {
    let at = format!("{at}.content");
    let may_lack = role == "assistant"
        && ["tool_calls", "refusal", "function_call", "audio"]
            .iter()
            .any(|field| message.contains_key(*field));
    match message.get("content") {
        None | Some(Value::Null) if may_lack => Ok(String::new()),
        None => Err(Refusal::missing(&at)),
        Some(Value::Null) => Err(Refusal::invalid(
            "Invalid value for 'content': expected a string, got null.".to_owned(),
            &at.replacen('[', ".[", 1),
        )),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) if parts.is_empty() => Err(Refusal::empty_array(&at)),
        Some(Value::Array(parts)) => {
            let texts = parts
                .iter()
                .enumerate()
                .map(|(number, part)| content_part(&format!("{at}[{number}]"), role, part, lenient, ask));
            texts.collect()
        }
        Some(other) => Err(Refusal::wrong_type(&at, "one of a string or array of objects", other)),
    }
}

fn content_part(at: &str, role: &str, part: &Value, lenient: bool, ask: &mut Ask) -> Result<String, Refusal> {
    let part = part
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "an object", part))?;
    let kind = text_of(part, "type", at)?;
    let supported: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    match kind {
        kind if !PARTS.contains(&kind) => Err(Refusal::wrong_value(&format!("{at}.type"), kind, &PARTS)),
        kind if !supported.contains(&kind) => Err(Refusal::wrong_value(&format!("{at}.type"), kind, supported)),
        "text" | "refusal" => text_of(part, kind, at).map(str::to_owned),
        "image_url" => {
            ask.see(seen(&format!("{at}.image_url"), part.get("image_url"))?);
            Ok(String::new())
        }
        _ if lenient => Ok(String::new()),
        _ => Err(Refusal::unsupported(at)),
    }
}

/// What the image is.
fn seen(at: &str, part: Option<&Value>) -> Result<String, Refusal> {
    let part = part.ok_or_else(|| Refusal::missing(at))?;
    let part = part
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "an object", part))?;
    let url = text_of(part, "url", at)?;
    match part.get("detail") {
        None => {}
        Some(Value::String(detail)) if DETAILS.contains(&detail.as_str()) => {}
        Some(Value::String(detail)) => return Err(Refusal::wrong_value(&format!("{at}.detail"), detail, &DETAILS)),
        Some(other) => return Err(Refusal::wrong_type(&format!("{at}.detail"), "a string", other)),
    }
    let inline = || {
        let (kind, data) = url.strip_prefix("data:image/")?.split_once(";base64,")?;
        image::inline(kind, data)
    };
    image::at(url).or_else(inline).ok_or_else(|| Refusal::image(at))
}

/// A required text of an object.
pub(super) fn text_of<'a>(object: &'a Map<String, Value>, name: &str, at: &str) -> Result<&'a str, Refusal> {
    match object.get(name) {
        Some(Value::String(text)) => Ok(text),
        None => Err(Refusal::missing(&format!("{at}.{name}"))),
        Some(other) => Err(Refusal::wrong_type(&format!("{at}.{name}"), "a string", other)),
    }
}
