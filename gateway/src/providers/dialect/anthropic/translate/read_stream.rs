//! A provider's stream in `Anthropic`'s form.

use super::finish_reason;
use crate::{
    capture::record::Usage,
    providers::{
        canonical::{answer::Finish, event::Event},
        dialect::anthropic::usage::Counted,
        document::{Node, Wrong},
        fault::Fault,
    },
};

/// Makes canonical events of the provider's.
#[derive(Debug, Default)]
pub struct EventReader {
    counted: Counted,
    calls: u64,
    /// Calls whose blocks are open.
    open: Vec<OpenCall>,
}

#[derive(Debug)]
struct OpenCall {
    block: u64,
    index: u64,
    has_arguments: bool,
}

impl EventReader {
    /// Takes the data of one event.
    pub fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Fault> {
        let root = Node::root(data)?;
        let kind = root.needed("type", "a string")?.string()?;
        let mut events = Vec::new();
        match kind.as_str() {
            "message_start" => self.start(&root.needed("message", "an object")?, &mut events)?,
            "content_block_start" => self.block_start(&root, &mut events)?,
            "content_block_delta" => self.block_delta(&root, &mut events)?,
            "content_block_stop" => self.block_stop(&root, &mut events)?,
            "message_delta" => self.message_delta(&root, &mut events)?,
            "message_stop" => events.push(Event::Done),
            "error" => return Err(Fault::reported(data)),
            // Pings, and what later versions add.
            _ => {}
        }
        Ok(events)
    }

    fn start(&mut self, message: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let id = message.member("id")?.as_ref().map(Node::string).transpose()?;
        events.push(Event::Begin {
            upstream_id: id.map(String::into_boxed_str),
        });
        if let Some(usage) = message.member("usage")? {
            self.counted.update(&usage)?;
            events.push(Event::Usage(Usage {
                estimated: true,
                ..self.counted.usage()
            }));
        }
        Ok(())
    }

    fn block_start(&mut self, root: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let block = root.needed("content_block", "an object")?;
        let text = |name: &str| match block.member(name)? {
            Some(text) => text.string(),
            None => Ok(String::new()),
        };
        match text("type")?.as_str() {
            "text" => events.push(Event::Text(text("text")?)),
            "thinking" => events.push(Event::Reasoning(text("thinking")?)),
            "redacted_thinking" => events.push(Event::RedactedReasoning(text("data")?)),
            "tool_use" => {
                let index = self.calls;
                self.calls += 1;
                events.push(Event::ToolCall {
                    index,
                    id: block.needed("id", "a string")?.string()?,
                    name: block.needed("name", "a string")?.string()?,
                });
                let input = block.member("input")?.map_or("{}", |input| input.text());
                let has_arguments = input.starts_with('{') && input[1..].trim_start() != "}";
                if has_arguments {
                    events.push(Event::Arguments {
                        index,
                        text: input.to_owned(),
                    });
                }
                self.open.push(OpenCall {
                    block: root.needed("index", "a whole number")?.count()?,
                    index,
                    has_arguments,
                });
            }
            _ => {}
        }
        events.retain(|event| !matches!(event, Event::Text(text) | Event::Reasoning(text) if text.is_empty()));
        Ok(())
    }

    fn block_delta(&mut self, root: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let delta = root.needed("delta", "an object")?;
        let text = |name: &str| delta.needed(name, "a string")?.string();
        match text("type")?.as_str() {
            "text_delta" => events.push(Event::Text(text("text")?)),
            "thinking_delta" => events.push(Event::Reasoning(text("thinking")?)),
            "signature_delta" => events.push(Event::Signature(text("signature")?)),
            "input_json_delta" => {
                let piece = text("partial_json")?;
                let block = root.needed("index", "a whole number")?.count()?;
                if let Some(call) = self.open.iter_mut().find(|call| call.block == block)
                    && !piece.is_empty()
                {
                    call.has_arguments = true;
                    events.push(Event::Arguments {
                        index: call.index,
                        text: piece,
                    });
                }
            }
            _ => {}
        }
        events.retain(|event| !matches!(event, Event::Text(text) | Event::Reasoning(text) if text.is_empty()));
        Ok(())
    }

    fn block_stop(&mut self, root: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let block = root.needed("index", "a whole number")?.count()?;
        if let Some(at) = self.open.iter().position(|call| call.block == block) {
            let call = self.open.swap_remove(at);
            if !call.has_arguments {
                // A call without arguments has an empty object of them elsewhere.
                events.push(Event::Arguments {
                    index: call.index,
                    text: "{}".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn message_delta(&mut self, root: &Node<'_>, events: &mut Vec<Event>) -> Result<(), Wrong> {
        let delta = root.needed("delta", "an object")?;
        if let Some(reason) = delta.member("stop_reason")? {
            let native = reason.string()?;
            events.push(Event::Finish(Finish {
                reason: finish_reason(&native),
                native: native.into(),
                stop_sequence: delta.member("stop_sequence")?.as_ref().map(Node::string).transpose()?,
            }));
        }
        if let Some(usage) = root.member("usage")? {
            self.counted.update(&usage)?;
            events.push(Event::Usage(self.counted.usage()));
        }
        Ok(())
    }
}
