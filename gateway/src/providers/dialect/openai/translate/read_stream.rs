//! A provider's stream in `OpenAI`'s form, read for a client that speaks another dialect.

use super::finish_reason;
use crate::providers::{
    canonical::{
        answer::{Finish, FinishReason},
        event::Event,
    },
    dialect::openai::usage,
    document::{Node, Wrong},
    fault::Fault,
};

/// Makes events of chunks.
#[derive(Debug, Default)]
pub struct ChunkReader {
    begun: bool,
    refused: bool,
    /// The calls so far: the index that the provider gave each, and its id.
    calls: Vec<(Option<u64>, String)>,
}

impl ChunkReader {
    /// Takes the data of one event.
    pub fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Fault> {
        if data == b"[DONE]" {
            return Ok(vec![Event::Done]);
        }
        let root = Node::root(data)?;
        if root.member("error")?.is_some() {
            return Err(Fault::reported(data));
        }
        let mut events = Vec::new();
        if !self.begun {
            self.begun = true;
            let id = root.member("id")?.filter(Node::is_string);
            events.push(Event::Begin {
                upstream_id: id.map(|id| id.string().map(String::into_boxed_str)).transpose()?,
            });
        }
        for choice in root.needed("choices", "an array")?.elements()? {
            // Another dialect cannot have asked for more than one.
            if choice.member("index")?.is_none_or(|index| index.text() == "0") {
                self.choice(&choice, &mut events)?;
            }
        }
        if let Some(node) = root.member("usage")? {
            let (usage, _) = usage::read(node.text().as_bytes(), 0)?;
            events.push(Event::Usage(usage));
        }
        Ok(events)
    }

    fn choice(&mut self, choice: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        if let Some(delta) = choice.member("delta")? {
            reasoning(&delta, events)?;
            for name in ["content", "refusal"] {
                if let Some(text) = delta.member(name)? {
                    let text = text.string()?;
                    if !text.is_empty() {
                        self.refused |= name == "refusal";
                        events.push(Event::Text(text));
                    }
                }
            }
            if let Some(calls) = delta.member("tool_calls")? {
                for call in calls.elements()? {
                    self.call(&call, events)?;
                }
            }
        }
        if let Some(word) = choice.member("finish_reason")? {
            let native = word.string()?;
            let reason = match finish_reason(&native) {
                _ if self.refused => FinishReason::Refusal,
                FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
                reason => reason,
            };
            events.push(Event::Finish(Finish {
                reason,
                native: native.into(),
                stop_sequence: None,
            }));
        }
        Ok(())
    }

    fn call(&mut self, call: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let text = |node: &Node<'_>, name: &str| match node.member(name)? {
            Some(text) => text.string(),
            None => Ok(String::new()),
        };
        let wire_index = call.member("index")?.as_ref().map(Node::count).transpose()?;
        let id = text(call, "id")?;
        let function = call.member("function")?;
        let (name, arguments) = match &function {
            Some(function) => (text(function, "name")?, text(function, "arguments")?),
            None => (String::new(), String::new()),
        };
        let position = match self.position(wire_index, &id) {
            Some(position) => position,
            None if name.is_empty() => return Err(call.lacks("function.name", "a string")),
            None => {
                let position = self.calls.len();
                // Every call must have an id, or its result could not be told from another's.
                let id = if id.is_empty() { format!("call_{position}") } else { id };
                self.calls.push((wire_index, id.clone()));
                events.push(Event::ToolCall {
                    index: position as u64,
                    id,
                    name,
                });
                position
            }
        };
        if !arguments.is_empty() {
            events.push(Event::Arguments {
                index: position as u64,
                text: arguments,
            });
        }
        Ok(())
    }

    /// Which call so far a delta belongs to. Vendors leave out the index, or give the same one to calls with different ids.
    fn position(&self, wire_index: Option<u64>, id: &str) -> Option<usize> {
        let is_same = |known: &(Option<u64>, String)| match (wire_index, id) {
            (Some(_), id) => known.0 == wire_index && (id.is_empty() || known.1 == id),
            (None, "") => true,
            (None, id) => known.1 == id,
        };
        self.calls.iter().rposition(is_same)
    }
}

fn reasoning(delta: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
    if let Some(details) = delta.member("reasoning_details")? {
        let before = events.len();
        for detail in details.elements()? {
            let text = |name: &str| match detail.member(name)? {
                Some(text) => text.string(),
                None => Ok(String::new()),
            };
            match text("type")?.as_str() {
                "reasoning.text" => {
                    events.push(Event::Reasoning(text("text")?));
                    events.push(Event::Signature(text("signature")?));
                }
                "reasoning.encrypted" => events.push(Event::RedactedReasoning(text("data")?)),
                _ => {}
            }
        }
        events.retain(|event| !matches!(event, Event::Reasoning(text) | Event::Signature(text) if text.is_empty()));
        if events.len() > before {
            return Ok(());
        }
    }
    for name in ["reasoning_content", "reasoning"] {
        if let Some(text) = delta.member(name)?.filter(Node::is_string) {
            let text = text.string()?;
            if !text.is_empty() {
                events.push(Event::Reasoning(text));
            }
            break;
        }
    }
    Ok(())
}
