//! A request in `OpenAI`'s form, for a client that spoke another dialect.

use serde::Serialize;
use serde_json::Value;

use crate::providers::{
    canonical::{Block, Format, Inexpressible, Message, ReasoningMode, Request, Role, Tool, ToolChoice},
    document::Json,
};

/// Texts to stop at, at most.
const MAX_STOPS: usize = 4;

/// What the target adds to a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub model: &'a str,
    /// What the vendor calls the limit of an answer.
    pub output_limit_field: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<MessageObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: Vec<ToolObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<FormatObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Json>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct MessageObject<'a> {
    role: &'static str,
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    file_data: String,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) function: CalledFunction<'a>,
}

#[derive(Serialize)]
pub(super) struct CalledFunction<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

#[derive(Serialize)]
struct ToolObject<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChoiceObject<'a> {
    Word(&'static str),
    Named { r#type: &'static str, function: Named<'a> },
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct FormatObject<'a> {
    r#type: &'static str,
    json_schema: NamedSchema<'a>,
}

#[derive(Serialize)]
struct NamedSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Writes the whole body.
pub fn write_request(request: &Request, asked: Asked<'_>) -> Result<Vec<u8>, Inexpressible> {
    if request.top_k.is_some() {
        return Err(Inexpressible::new(
            "top_k",
            "is not known to this Route's target, which speaks OpenAI's dialect: leave it out",
        ));
    }
    if request.stop.len() > MAX_STOPS {
        return Err(Inexpressible::new(
            "stop_sequences",
            "are more than 4, which is all that this Route's target takes",
        ));
    }
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    for message in &request.messages {
        write_message(message, &mut messages);
    }
    let is_old = asked.output_limit_field == "max_tokens";
    let body = Body {
        model: asked.model,
        messages,
        max_tokens: request.max_tokens.filter(|_| is_old),
        max_completion_tokens: request.max_tokens.filter(|_| !is_old),
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: request.tool_choice.as_ref().map(tool_choice),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !request.tools.is_empty()),
        response_format: request.format.as_ref().map(format),
        reasoning_effort: effort(request),
        temperature: request.temperature.as_ref(),
        top_p: request.top_p.as_ref(),
        seed: request.seed.as_ref(),
        stop: &request.stop,
        user: request.user.as_deref(),
        stream: request.stream.then_some(true),
        stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
    };
    serde_json::to_vec(&body).map_err(|error| Inexpressible::new("body", format!("could not be written: {error}")))
}

fn write_message<'a>(message: &'a Message, messages: &mut Vec<MessageObject<'a>>) {
    match message.role {
        Role::System => messages.push(plain("system", &message.content)),
        Role::Developer => messages.push(plain("developer", &message.content)),
        Role::User => write_user(&message.content, messages),
        Role::Assistant => {
            let calls: Vec<Call<'_>> = message.content.iter().filter_map(call).collect();
            let said = plain("assistant", &message.content);
            // Reasoning alone, which is not sent back here, says nothing.
            if said.content.is_some() || !calls.is_empty() {
                messages.push(MessageObject {
                    tool_calls: calls,
                    ..said
                });
            }
        }
    }
}

/// Results of tools are messages of their own, and hold text only: their images follow in what the user says.
fn write_user<'a>(content: &'a [Block], messages: &mut Vec<MessageObject<'a>>) {
    let mut said: Vec<&'a Block> = Vec::new();
    for block in content {
        match block {
            Block::ToolResult { call_id, content, .. } => {
                let (text, shown): (Vec<&Block>, Vec<&Block>) =
                    content.iter().partition(|block| matches!(block, Block::Text { .. }));
                said.extend(shown);
                messages.push(MessageObject {
                    role: "tool",
                    content: Some(self::content(&text).unwrap_or(Content::Text(""))),
                    tool_calls: Vec::new(),
                    tool_call_id: Some(call_id),
                });
            }
            block => said.push(block),
        }
    }
    if let Some(content) = self::content(&said) {
        messages.push(MessageObject {
            role: "user",
            content: Some(content),
            tool_calls: Vec::new(),
            tool_call_id: None,
        });
    }
}

fn plain<'a>(role: &'static str, content: &'a [Block]) -> MessageObject<'a> {
    let blocks: Vec<&Block> = content.iter().collect();
    MessageObject {
        role,
        content: self::content(&blocks),
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

/// One text is a string: more servers know that than know parts.
fn content<'a>(blocks: &[&'a Block]) -> Option<Content<'a>> {
    if let [Block::Text { text, .. }] = blocks {
        return Some(Content::Text(text));
    }
    let mut parts: Vec<Part<'a>> = blocks.iter().filter_map(|block| part(block)).collect();
    match (parts.len(), parts.pop()) {
        (1, Some(Part::Text { text })) => Some(Content::Text(text)),
        (_, Some(last)) => {
            parts.push(last);
            Some(Content::Parts(parts))
        }
        (_, None) => None,
    }
}

fn part(block: &Block) -> Option<Part<'_>> {
    match block {
        Block::Text { text, .. } => Some(Part::Text { text }),
        Block::Image { source, .. } => Some(Part::ImageUrl {
            image_url: ImageUrl { url: source.to_url() },
        }),
        Block::Document { source, name } => Some(Part::File {
            file: File {
                filename: name.as_deref(),
                file_data: source.to_url(),
            },
        }),
        Block::Reasoning { .. }
        | Block::RedactedReasoning { .. }
        | Block::ToolCall { .. }
        | Block::ToolResult { .. } => None,
    }
}

pub(super) fn call(block: &Block) -> Option<Call<'_>> {
    match block {
        Block::ToolCall { id, name, arguments } => Some(Call {
            id,
            r#type: "function",
            function: CalledFunction { name, arguments },
        }),
        _ => None,
    }
}

fn tool(tool: &Tool) -> ToolObject<'_> {
    ToolObject {
        r#type: "function",
        function: Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_ref(),
            strict: tool.strict,
        },
    }
}

fn tool_choice(choice: &ToolChoice) -> ChoiceObject<'_> {
    match choice {
        ToolChoice::Auto => ChoiceObject::Word("auto"),
        ToolChoice::Any => ChoiceObject::Word("required"),
        ToolChoice::None => ChoiceObject::Word("none"),
        ToolChoice::Named(name) => ChoiceObject::Named {
            r#type: "function",
            function: Named { name },
        },
    }
}

fn format(format: &Format) -> FormatObject<'_> {
    FormatObject {
        r#type: "json_schema",
        json_schema: NamedSchema {
            name: format.name.as_deref().unwrap_or("answer"),
            description: format.description.as_deref(),
            schema: &format.schema,
            strict: format.strict.or_else(|| Some(is_strict(&format.schema))),
        },
    }
}

/// Whether `OpenAI` takes the schema as a strict one: each object is closed, and needs all of its properties.
fn is_strict(schema: &Json) -> bool {
    serde_json::from_str(schema.text()).is_ok_and(|schema: Value| is_closed(&schema))
}

fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            let required = members.get("required").and_then(Value::as_array);
            let needs = |name: &String| {
                required.is_some_and(|required| required.iter().any(|needed| needed.as_str() == Some(name)))
            };
            let closed = members.get("type").and_then(Value::as_str) != Some("object")
                || members.get("additionalProperties") == Some(&Value::Bool(false))
                    && properties.is_none_or(|properties| properties.keys().all(needs));
            closed && members.values().all(is_closed)
        }
        Value::Array(elements) => elements.iter().all(is_closed),
        _ => true,
    }
}

/// Budgets become words by their share of the answer, as `OpenRouter` makes budgets of words.
fn effort(request: &Request) -> Option<&str> {
    if let Some(effort) = &request.reasoning.effort {
        return Some(effort);
    }
    match request.reasoning.mode? {
        // Models that do not think refuse any word; those that do go by their own default.
        ReasoningMode::Off | ReasoningMode::Adaptive => None,
        ReasoningMode::Budget(tokens) => {
            let percent = tokens.saturating_mul(100) / request.max_tokens.unwrap_or(tokens).max(1);
            Some(match percent {
                0..=34 => "low",
                35..=64 => "medium",
                _ => "high",
            })
        }
    }
}
