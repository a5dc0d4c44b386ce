//! The messages of a request: whose turn it is, and that every call has its result.

use serde_json::{Map, Value};

use super::blocks::{self, Block};
use super::refusal::{Refusal, only, text_of};
use crate::simulator::answer::Ask;

/// The calls whose results are due.
#[derive(Default)]
struct Open {
    /// Where the calls were made.
    position: usize,
    ids: Vec<String>,
}

/// Checks the messages and notes in `ask` what the last ones say and how many tokens all count. `thinking`: a budget is set, so an
/// answer that is gone on with begins with thinking.
pub(super) fn read(fields: &Map<String, Value>, thinking: bool, lenient: bool, ask: &mut Ask) -> Result<(), Refusal> {
    let messages = match fields.get("messages") {
        None => return Err(Refusal::missing("messages")),
        Some(Value::Array(messages)) if messages.is_empty() => {
            return Err(Refusal::at("messages", "at least one message is required"));
        }
        Some(Value::Array(messages)) => messages,
        Some(_) => return Err(Refusal::wrong_type("messages", "list")),
    };
    let mut open = Open::default();
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages.{position}");
        let message = message
            .as_object()
            .ok_or_else(|| Refusal::wrong_type(&at, "dictionary"))?;
        let assistant = match text_of(message, "role", &at)? {
            "user" => false,
            "assistant" => true,
            "system" if lenient => continue,
            "system" => return Err(system_turn()),
            _ => return Err(Refusal::wrong_value(&format!("{at}.role"), &["user", "assistant"])),
        };
        if position == 0 && assistant {
            return Err(Refusal::at("messages", r#"first message must use the "user" role"#));
        }
        only(&at, message, &["role", "content"], lenient)?;
        let last = position + 1 == messages.len();
        let content = content(&at, message, assistant, last, lenient)?;
        ask.next_message();
        if assistant {
            said(&at, position, &content, thinking, &mut open, ask)?;
        } else {
            heard(&at, content, &mut open, ask)?;
        }
    }
    open.closed()
}

fn system_turn() -> Refusal {
    Refusal::invalid(
        "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input \
         message role.",
    )
}

/// The blocks of a message; none only in a last one of the assistant's.
fn content(
    at: &str,
    message: &Map<String, Value>,
    assistant: bool,
    last: bool,
    lenient: bool,
) -> Result<Vec<Block>, Refusal> {
    let place = format!("{at}.content");
    let blocks = match message.get("content") {
        None => return Err(Refusal::missing(&place)),
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(Value::String(text)) => vec![Block::Text(text.clone())],
        Some(Value::Array(blocks)) => blocks
            .iter()
            .enumerate()
            .map(|(number, block)| blocks::read(&format!("{place}.{number}"), block, assistant, lenient))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Refusal::wrong_type(&place, "list")),
    };
    if blocks.is_empty() && !(assistant && last) {
        let message = "all messages must have non-empty content except for the optional final assistant message";
        return Err(Refusal::at(at, message));
    }
    if let (true, true, Some(Block::Text(text))) = (assistant, last, blocks.last())
        && text.ends_with(char::is_whitespace)
    {
        let message = "final assistant content cannot end with trailing whitespace";
        return Err(Refusal::at("messages", message));
    }
    Ok(blocks)
}

/// A message of the assistant's: its calls are open from here on.
fn said(
    at: &str,
    position: usize,
    content: &[Block],
    thinking: bool,
    open: &mut Open,
    ask: &mut Ask,
) -> Result<(), Refusal> {
    open.closed()?;
    ask.tool_results.clear();
    let mut texts = String::new();
    for block in content {
        match block {
            Block::Call(id) if open.ids.contains(id) => {
                return Err(Refusal::at("messages", "`tool_use` ids must be unique"));
            }
            Block::Call(id) => open.ids.push(id.clone()),
            Block::Text(text) | Block::Thinking(text) => texts += text,
            _ => {}
        }
    }
    open.position = position;
    ask.count(&texts);
    let thoughtless = thinking && !open.ids.is_empty() && !matches!(content.first(), Some(Block::Thinking(_)));
    if thoughtless {
        let message = "Expected `thinking` or `redacted_thinking`, but found another block. When `thinking` is enabled, a final \
                       `assistant` message must start with a thinking block.";
        return Err(Refusal::at(&format!("{at}.content.0.type"), message));
    }
    Ok(())
}

/// A message of the user's: the results of all open calls come first.
fn heard(at: &str, content: Vec<Block>, open: &mut Open, ask: &mut Ask) -> Result<(), Refusal> {
    ask.tool_results.clear();
    let mut texts: Option<String> = None;
    for (number, block) in content.into_iter().enumerate() {
        match block {
            Block::Result { id, text, images } => {
                open.close(&format!("{at}.content.{number}"), &id)?;
                ask.count(&text);
                ask.tool_results.push(text);
                for image in images {
                    ask.see(image);
                }
            }
            Block::Text(text) => {
                open.closed()?;
                texts.get_or_insert_default().push_str(&text);
            }
            Block::Image(image) => {
                open.closed()?;
                ask.see(image);
            }
            Block::Thinking(_) | Block::Call(_) | Block::Other => {}
        }
    }
    open.closed()?;
    if let Some(text) = texts {
        // Who speaks after the results wants an answer to that.
        ask.tool_results.clear();
        ask.count(&text);
        ask.user_text = Some(text);
    }
    Ok(())
}

impl Open {
    /// Every call must have its result.
    fn closed(&self) -> Result<(), Refusal> {
        if self.ids.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must \
             have a corresponding `tool_result` block in the next message.",
            self.position,
            self.ids.join(", ")
        )))
    }

    /// Every result must have its call.
    fn close(&mut self, at: &str, id: &str) -> Result<(), Refusal> {
        let Some(call) = self.ids.iter().position(|open| open == id) else {
            return Err(Refusal::at(
                at,
                &format!(
                    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding \
                     `tool_use` block in the previous message."
                ),
            ));
        };
        self.ids.remove(call);
        Ok(())
    }
}
