//! The blocks that a message consists of, each checked for itself.

use serde_json::{Map, Value};

use super::refusal::{Refusal, only, text_of};
use super::{signature, tools};
use crate::simulator::image;

/// What the vendor knows, of which not all is imitated.
const TAGS: [&str; 10] = [
    "document",
    "image",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
    "text",
    "thinking",
    "tool_result",
    "tool_use",
    "web_search_tool_result",
];

/// What an answer needs to know of a block.
pub(super) enum Block {
    Text(String),
    /// What the image is.
    Image(String),
    Thinking(String),
    /// A call of this identifier.
    Call(String),
    Result {
        id: String,
        text: String,
        images: Vec<String>,
    },
    /// Let pass.
    Other,
}

/// Reads a block of a message.
pub(super) fn read(at: &str, value: &Value, assistant: bool, lenient: bool) -> Result<Block, Refusal> {
    let block = value.as_object().ok_or_else(|| Refusal::wrong_type(at, "dictionary"))?;
    let kind = text_of(block, "type", at)?;
    if !TAGS.contains(&kind) {
        return Err(Refusal::wrong_tag(at, kind, &TAGS));
    }
    let place = format!("{at}.{kind}");
    match (kind, assistant) {
        ("text", _) => text(&place, block, lenient).map(Block::Text),
        ("image", false) => image(&place, block, lenient).map(Block::Image),
        ("tool_result", false) => result(&place, block, lenient),
        ("tool_use", true) => call(&place, block, lenient),
        ("thinking", true) => thinking(at, &place, block, lenient),
        ("redacted_thinking", true) => {
            only(&place, block, &["type", "data"], lenient)?;
            text_of(block, "data", &place)?;
            Ok(Block::Thinking(String::new()))
        }
        ("image" | "tool_result" | "tool_use" | "thinking" | "redacted_thinking", _) => {
            let role = if assistant { "assistant" } else { "user" };
            Err(Refusal::at(
                at,
                &format!("`{kind}` blocks are not allowed in `{role}` messages"),
            ))
        }
        _ if lenient => Ok(Block::Other),
        _ => Err(Refusal::unsupported(&place)),
    }
}

/// The text of a system prompt.
pub(super) fn system(value: &Value, lenient: bool) -> Result<String, Refusal> {
    let blocks = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(blocks) => blocks,
        _ => return Err(Refusal::wrong_type("system", "list")),
    };
    let texts = blocks.iter().enumerate().map(|(number, value)| {
        let at = format!("system.{number}");
        let block = value
            .as_object()
            .ok_or_else(|| Refusal::wrong_type(&at, "dictionary"))?;
        match text_of(block, "type", &at)? {
            "text" => text(&at, block, lenient),
            other => Err(Refusal::wrong_tag(&at, other, &["text"])),
        }
    });
    texts.collect()
}

fn text(at: &str, block: &Map<String, Value>, lenient: bool) -> Result<String, Refusal> {
    only(at, block, &["type", "text", "cache_control", "citations"], lenient)?;
    let text = text_of(block, "text", at)?;
    if text.is_empty() {
        return Err(Refusal::invalid("messages: text content blocks must be non-empty"));
    }
    Ok(text.to_owned())
}

/// What the image is.
fn image(at: &str, block: &Map<String, Value>, lenient: bool) -> Result<String, Refusal> {
    only(
        at,
        block,
        &["type", "source", "cache_control", "transformations"],
        lenient,
    )?;
    let at = format!("{at}.source");
    let source = block.get("source").ok_or_else(|| Refusal::missing(&at))?;
    let source = source
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(&at, "dictionary"))?;
    match text_of(source, "type", &at)? {
        "url" => {
            let at = format!("{at}.url");
            only(&at, source, &["type", "url"], lenient)?;
            let url = text_of(source, "url", &at)?;
            let found = url.starts_with("https://").then(|| image::at(url)).flatten();
            found.ok_or_else(|| Refusal::at(&format!("{at}.url"), "Only HTTPS URLs are supported."))
        }
        "base64" => {
            let at = format!("{at}.base64");
            only(&at, source, &["type", "media_type", "data"], lenient)?;
            let (kind, data) = (text_of(source, "media_type", &at)?, text_of(source, "data", &at)?);
            let kinds = ["image/jpeg", "image/png", "image/gif", "image/webp"];
            if !kinds.contains(&kind) {
                return Err(Refusal::wrong_value(&format!("{at}.media_type"), &kinds));
            }
            let found = image::inline(&kind["image/".len()..], data);
            found.ok_or_else(|| Refusal::at(&format!("{at}.data"), "invalid base64 data"))
        }
        "file" => Err(Refusal::unsupported(&format!("{at}.file"))),
        other => Err(Refusal::wrong_tag(&at, other, &["base64", "file", "url"])),
    }
}

fn call(at: &str, block: &Map<String, Value>, lenient: bool) -> Result<Block, Refusal> {
    let known = ["type", "id", "name", "input", "cache_control", "caller", "toolset_name"];
    only(at, block, &known, lenient)?;
    let id = text_of(block, "id", at)?;
    if !tools::is_name(id) {
        let message = "String should match pattern '^[a-zA-Z0-9_-]+$'";
        return Err(Refusal::at(&format!("{at}.id"), message));
    }
    text_of(block, "name", at)?;
    match block.get("input") {
        Some(Value::Object(_)) => Ok(Block::Call(id.to_owned())),
        Some(_) => Err(Refusal::wrong_type(&format!("{at}.input"), "dictionary")),
        None => Err(Refusal::missing(&format!("{at}.input"))),
    }
}

fn result(at: &str, block: &Map<String, Value>, lenient: bool) -> Result<Block, Refusal> {
    let known = [
        "type",
        "tool_use_id",
        "content",
        "is_error",
        "cache_control",
        "toolset_name",
    ];
    only(at, block, &known, lenient)?;
    let id = text_of(block, "tool_use_id", at)?.to_owned();
    if block.get("is_error").is_some_and(|error| !error.is_boolean()) {
        return Err(Refusal::wrong_type(&format!("{at}.is_error"), "boolean"));
    }
    let (mut text, mut images) = (String::new(), Vec::new());
    let at = format!("{at}.content");
    match block.get("content") {
        None => {}
        Some(Value::String(content)) => text.clone_from(content),
        Some(Value::Array(parts)) => {
            for (number, part) in parts.iter().enumerate() {
                let at = format!("{at}.{number}");
                match read(&at, part, false, lenient)? {
                    Block::Text(part) => text += &part,
                    Block::Image(image) => images.push(image),
                    Block::Other => {}
                    _ => return Err(Refusal::unsupported(&at)),
                }
            }
        }
        Some(_) => return Err(Refusal::wrong_type(&at, "list")),
    }
    Ok(Block::Result { id, text, images })
}

/// Thinking that an answer brought comes back as it was.
fn thinking(at: &str, place: &str, block: &Map<String, Value>, lenient: bool) -> Result<Block, Refusal> {
    only(place, block, &["type", "thinking", "signature"], lenient)?;
    let text = text_of(block, "thinking", place)?;
    if text_of(block, "signature", place)? != signature::of(text) {
        return Err(Refusal::at(at, "Invalid `signature` in `thinking` block"));
    }
    Ok(Block::Thinking(text.to_owned()))
}
