//! A stream in `Anthropic`'s form, of a provider that spoke another dialect.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{UNSIGNED, stop_reason};
use crate::{
    capture::record::Usage,
    providers::{
        canonical::{
            answer::{Finish, FinishReason},
            event::Event,
        },
        dialect::anthropic::usage::UsageObject,
        fault::Fault,
        stamp::Stamp,
    },
};

/// Most that is held back of calls whose pieces come in turns with another's, in bytes.
const MAX_HELD_BYTES: usize = 16 * 1024 * 1024;

/// Writes events one after another. Blocks are opened and closed as what comes demands: here, unlike elsewhere, one is complete
/// before the next begins.
#[derive(Debug)]
pub struct EventWriter {
    stamp: Stamp,
    begun: bool,
    /// Blocks so far.
    blocks: u64,
    open: Option<Open>,
    /// Calls that began before the one under way had all of its arguments.
    held: Vec<Held>,
    held_bytes: usize,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking { signed: bool },
    Call { index: u64, arguments: Nesting },
}

#[derive(Debug)]
struct Held {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventObject<'a> {
    MessageStart { message: MessageObject<'a> },
    ContentBlockStart { index: u64, content_block: BlockObject<'a> },
    ContentBlockDelta { index: u64, delta: DeltaObject<'a> },
    ContentBlockStop { index: u64 },
    MessageDelta { delta: StopObject<'a>, usage: UsageObject },
    MessageStop,
}

#[derive(Serialize)]
struct MessageObject<'a> {
    id: &'a RawValue,
    r#type: &'static str,
    role: &'static str,
    model: &'a RawValue,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    usage: UsageObject,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockObject<'a> {
    Text {
        text: &'static str,
    },
    Thinking {
        thinking: &'static str,
        signature: &'static str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Empty,
    },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DeltaObject<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

#[derive(Serialize)]
struct StopObject<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

impl EventWriter {
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            begun: false,
            blocks: 0,
            open: None,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Appends what the client gets for an event now.
    pub fn write(&mut self, event: &Event, out: &mut BytesMut) -> Result<(), Fault> {
        self.begin(out);
        match event {
            Event::Text(text) => self.text(text, out),
            Event::Reasoning(text) => self.thinking(text, out),
            Event::Signature(signature) => self.signature(signature, out),
            Event::RedactedReasoning(data) => {
                self.close(out);
                self.start(BlockObject::RedactedThinking { data }, None, out);
                self.stop(out);
            }
            Event::ToolCall { index, id, name } => self.call(*index, id, name, out),
            Event::Arguments { index, text } => self.arguments(*index, text, out)?,
            Event::Finish(_) => {
                self.close(out);
                self.release_held(out);
                self.close(out);
            }
            Event::Begin { .. } | Event::Usage(_) | Event::Done => {}
        }
        Ok(())
    }

    /// Appends the end: how the answer ended, and its tokens.
    pub fn end(&mut self, finish: Option<&Finish>, usage: &Usage, out: &mut BytesMut) {
        self.begin(out);
        self.close(out);
        let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason);
        let stop_sequence = finish.and_then(|finish| finish.stop_sequence.as_deref());
        let delta = StopObject {
            stop_reason: stop_reason(reason, stop_sequence),
            stop_sequence,
        };
        let usage = usage.into();
        put("message_delta", &EventObject::MessageDelta { delta, usage }, out);
        put("message_stop", &EventObject::MessageStop, out);
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let Stamp { id, model, .. } = &self.stamp;
        let (Ok(id), Ok(model)) = (serde_json::from_slice(id), serde_json::from_slice(model)) else {
            return;
        };
        let message = MessageObject {
            id,
            r#type: "message",
            role: "assistant",
            model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            // Other dialects tell the tokens at the end: the last event has them.
            usage: (&Usage::default()).into(),
        };
        put("message_start", &EventObject::MessageStart { message }, out);
    }

    fn text(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some(Open::Text)) {
            self.close(out);
            self.start(BlockObject::Text { text: "" }, Some(Open::Text), out);
        }
        self.delta(DeltaObject::Text { text }, out);
    }

    fn thinking(&mut self, thinking: &str, out: &mut BytesMut) {
        if thinking.is_empty() {
            return;
        }
        if !matches!(self.open, Some(Open::Thinking { signed: false })) {
            self.start_thinking(out);
        }
        self.delta(DeltaObject::Thinking { thinking }, out);
    }

    fn signature(&mut self, signature: &str, out: &mut BytesMut) {
        if !matches!(self.open, Some(Open::Thinking { signed: false })) {
            self.start_thinking(out);
        }
        self.delta(DeltaObject::Signature { signature }, out);
        self.open = Some(Open::Thinking { signed: true });
    }

    fn start_thinking(&mut self, out: &mut BytesMut) {
        self.close(out);
        let block = BlockObject::Thinking {
            thinking: "",
            signature: "",
        };
        self.start(block, Some(Open::Thinking { signed: false }), out);
    }

    fn call(&mut self, index: u64, id: &str, name: &str, out: &mut BytesMut) {
        let is_under_way = match &self.open {
            Some(Open::Call { arguments, .. }) => !arguments.is_complete(),
            _ => false,
        };
        if is_under_way || !self.held.is_empty() {
            self.held.push(Held {
                index,
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            });
        } else {
            self.close(out);
            self.start_call(index, id, name, out);
        }
    }

    fn start_call(&mut self, index: u64, id: &str, name: &str, out: &mut BytesMut) {
        let block = BlockObject::ToolUse {
            id,
            name,
            input: Empty {},
        };
        let arguments = Nesting::default();
        self.start(block, Some(Open::Call { index, arguments }), out);
    }

    fn arguments(&mut self, index: u64, text: &str, out: &mut BytesMut) -> Result<(), Fault> {
        match &mut self.open {
            Some(Open::Call { index: open, arguments }) if *open == index => {
                arguments.read(text);
                let is_complete = arguments.is_complete();
                self.delta(DeltaObject::InputJson { partial_json: text }, out);
                if is_complete && !self.held.is_empty() {
                    self.close(out);
                    self.release_complete(out);
                }
            }
            _ => {
                self.held_bytes += text.len();
                if self.held_bytes > MAX_HELD_BYTES {
                    return Err(Fault::Shape("choices[].delta.tool_calls"));
                }
                if let Some(held) = self.held.iter_mut().find(|held| held.index == index) {
                    held.arguments.push_str(text);
                }
            }
        }
        Ok(())
    }

    /// Writes calls that were held back, up to one whose arguments are still coming.
    fn release_complete(&mut self, out: &mut BytesMut) {
        while self.open.is_none() && !self.held.is_empty() {
            let held = self.held.remove(0);
            self.write_held(&held, out);
            if matches!(&self.open, Some(Open::Call { arguments, .. }) if arguments.is_complete())
                && !self.held.is_empty()
            {
                self.close(out);
            }
        }
    }

    fn release_held(&mut self, out: &mut BytesMut) {
        for held in std::mem::take(&mut self.held) {
            self.close(out);
            self.write_held(&held, out);
        }
    }

    fn write_held(&mut self, held: &Held, out: &mut BytesMut) {
        self.held_bytes -= held.arguments.len();
        self.start_call(held.index, &held.id, &held.name, out);
        if held.arguments.is_empty() {
            return;
        }
        if let Some(Open::Call { arguments, .. }) = &mut self.open {
            arguments.read(&held.arguments);
        }
        let partial_json = &held.arguments;
        self.delta(DeltaObject::InputJson { partial_json }, out);
    }

    fn start(&mut self, content_block: BlockObject<'_>, open: Option<Open>, out: &mut BytesMut) {
        let index = self.blocks;
        put(
            "content_block_start",
            &EventObject::ContentBlockStart { index, content_block },
            out,
        );
        self.open = open;
    }

    fn delta(&self, delta: DeltaObject<'_>, out: &mut BytesMut) {
        let index = self.blocks;
        put(
            "content_block_delta",
            &EventObject::ContentBlockDelta { index, delta },
            out,
        );
    }

    /// Ends the block under way.
    fn close(&mut self, out: &mut BytesMut) {
        match self.open.take() {
            None => return,
            Some(Open::Thinking { signed: false }) => self.delta(DeltaObject::Signature { signature: UNSIGNED }, out),
            Some(_) => {}
        }
        self.stop(out);
    }

    fn stop(&mut self, out: &mut BytesMut) {
        let index = self.blocks;
        put("content_block_stop", &EventObject::ContentBlockStop { index }, out);
        self.blocks += 1;
    }
}

fn put(name: &str, event: &EventObject<'_>, out: &mut BytesMut) {
    let Ok(data) = serde_json::to_vec(event) else { return };
    put_event(name, &data, out);
}

/// Appends one event.
pub fn put_event(name: &str, data: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + data.len() + 16);
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    // A line cannot hold a line's end; between the members of an object it means nothing.
    for (index, line) in data.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
        if index > 0 {
            out.put_u8(b' ');
        }
        out.put_slice(line);
    }
    out.put_slice(b"\n\n");
}

/// How deep a JSON text that comes in pieces is, to know its end.
#[derive(Debug, Default)]
struct Nesting {
    depth: u64,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// What has not begun is not complete: it may still come.
    fn is_complete(&self) -> bool {
        self.depth == 0 && !self.in_string && self.begun
    }
}
