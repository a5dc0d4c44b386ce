//! A request in `Anthropic`'s form, for a client that spoke another dialect.

use std::borrow::Cow;

use serde::Serialize;

use super::schema;
use crate::providers::{
    canonical::{Block, Format, Inexpressible, Media, Message, ReasoningMode, Request, Role, Tool, ToolChoice},
    document::Json,
};

/// Answers must have a limit here; this is it when neither the client nor the model's entry names one.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// What the target adds to a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub model: &'a str,
    /// The longest answer of the model, if it is known.
    pub max_output_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<BlockObject<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: Vec<ToolObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Json>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<BlockObject<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockObject<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Json>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Json>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Json,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<BlockObject<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Url { url: &'a str },
    Base64 { media_type: &'a str, data: &'a str },
}

#[derive(Serialize)]
struct ToolObject<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct ChoiceObject<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thinking {
    Enabled { budget_tokens: u64 },
    Adaptive,
    Disabled,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatObject<'a>>,
}

#[derive(Serialize)]
struct FormatObject<'a> {
    r#type: &'static str,
    schema: Cow<'a, Json>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes the whole body.
pub fn write_request(request: &Request, asked: Asked<'_>) -> Result<Vec<u8>, Inexpressible> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (index, message) in request.messages.iter().enumerate() {
        let content = blocks(&message.content, index)?;
        match role(message) {
            // Wherever they stand: most models take them in front only.
            None => system.extend(content),
            // It would be refused, and says nothing.
            Some(_) if content.is_empty() => {}
            Some(role) => turns.push(Turn { role, content }),
        }
    }
    check(request, &turns)?;
    trim_end(&mut turns);
    let body = Body {
        model: asked.model,
        max_tokens: request
            .max_tokens
            .or(asked.max_output_tokens)
            .unwrap_or(DEFAULT_MAX_TOKENS),
        system,
        messages: turns,
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: tool_choice(request),
        thinking: request.reasoning.mode.map(thinking),
        output_config: output_config(request)?,
        temperature: temperature(request)?,
        top_p: request.top_p.as_ref(),
        top_k: request.top_k.as_ref(),
        stop_sequences: &request.stop,
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        stream: request.stream,
    };
    serde_json::to_vec(&body).map_err(|error| Inexpressible::new("body", format!("could not be written: {error}")))
}

/// What the target would refuse in its own words, which the client's fields are not in.
fn check(request: &Request, turns: &[Turn<'_>]) -> Result<(), Inexpressible> {
    if turns.first().is_none_or(|turn| turn.role != "user") {
        return Err(Inexpressible::new(
            "messages",
            "must begin with something that a user says: the target's dialect answers nothing else",
        ));
    }
    if request.stop.iter().any(|stop| stop.trim().is_empty()) {
        return Err(Inexpressible::new(
            "stop",
            "must hold more than blanks for the target, which speaks Anthropic's dialect",
        ));
    }
    Ok(())
}

/// Blanks at the end of what the assistant is to go on with are refused, and mean nothing.
fn trim_end(turns: &mut [Turn<'_>]) {
    if let Some(Turn {
        role: "assistant",
        content,
    }) = turns.last_mut()
        && let Some(BlockObject::Text { text, .. }) = content.last_mut()
    {
        *text = text.trim_end();
    }
}

/// None for instructions.
fn role(message: &Message) -> Option<&'static str> {
    match message.role {
        Role::System | Role::Developer => None,
        Role::User => Some("user"),
        Role::Assistant => Some("assistant"),
    }
}

fn blocks(content: &[Block], message: usize) -> Result<Vec<BlockObject<'_>>, Inexpressible> {
    let mut blocks = Vec::with_capacity(content.len());
    for block in content {
        blocks.extend(self::block(block, message)?);
    }
    Ok(blocks)
}

/// None for what says nothing, or cannot be proved to be the model's own.
fn block(block: &Block, message: usize) -> Result<Option<BlockObject<'_>>, Inexpressible> {
    Ok(Some(match block {
        Block::Text { text, .. } if text.is_empty() => return Ok(None),
        Block::Text { text, cache_control } => BlockObject::Text {
            text,
            cache_control: cache_control.as_ref(),
        },
        Block::Image { source, cache_control } => BlockObject::Image {
            source: self::source(source, message)?,
            cache_control: cache_control.as_ref(),
        },
        Block::Document { source, name } => BlockObject::Document {
            source: self::source(source, message)?,
            title: name.as_deref(),
        },
        Block::Reasoning { signature: None, .. } => return Ok(None),
        Block::Reasoning {
            text,
            signature: Some(signature),
        } => BlockObject::Thinking {
            thinking: text,
            signature,
        },
        Block::RedactedReasoning { data } => BlockObject::RedactedThinking { data },
        Block::ToolCall { id, name, arguments } => BlockObject::ToolUse {
            id: tool_id(id),
            name,
            input: input(arguments).ok_or_else(|| {
                Inexpressible::new(
                    format!("messages[{message}].tool_calls"),
                    format!("holds arguments of `{name}` that are no JSON object, which the target's dialect needs"),
                )
            })?,
        },
        Block::ToolResult {
            call_id,
            content,
            is_error,
        } => BlockObject::ToolResult {
            tool_use_id: tool_id(call_id),
            content: blocks(content, message)?,
            is_error: *is_error,
        },
    }))
}

fn source(media: &Media, message: usize) -> Result<Source<'_>, Inexpressible> {
    match media {
        Media::Url(url) if !url.starts_with("https://") => Err(Inexpressible::new(
            format!("messages[{message}].content"),
            "holds an address that is not https, which is all that the target fetches",
        )),
        Media::Url(url) => Ok(Source::Url { url }),
        Media::Base64 { media_type, data } => Ok(Source::Base64 { media_type, data }),
    }
}

/// Ids may hold letters, digits, `_` and `-` here; other vendors' hold more.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(fits) {
        Cow::Borrowed(id)
    } else {
        id.chars()
            .map(|character| if fits(character) { character } else { '_' })
            .collect()
    }
}

/// The arguments of a call as an object; a call without any has none.
pub(super) fn input(arguments: &str) -> Option<Json> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    Json::parse(arguments.to_owned()).filter(Json::is_object)
}

fn tool(tool: &Tool) -> ToolObject<'_> {
    let nothing = || Json::parse(r#"{"type":"object","properties":{}}"#.to_owned());
    ToolObject {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: match &tool.schema {
            Some(schema) => Cow::Borrowed(schema),
            None => Cow::Owned(nothing().expect("a constant is JSON")),
        },
        strict: tool.strict,
    }
}

fn tool_choice(request: &Request) -> Option<ChoiceObject<'_>> {
    let disable_parallel_tool_use = request.parallel_tool_calls.map(|parallel| !parallel);
    let choice = match (&request.tool_choice, disable_parallel_tool_use) {
        // Nothing to choose from, and the choice would be refused.
        _ if request.tools.is_empty() => return None,
        (None, None | Some(false)) => return None,
        (Some(choice), _) => choice,
        (None, Some(true)) => &ToolChoice::Auto,
    };
    let (r#type, name) = match choice {
        ToolChoice::Auto => ("auto", None),
        ToolChoice::Any => ("any", None),
        ToolChoice::None => ("none", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_str())),
    };
    Some(ChoiceObject {
        r#type,
        name,
        disable_parallel_tool_use: disable_parallel_tool_use.filter(|_| *choice != ToolChoice::None),
    })
}

fn thinking(mode: ReasoningMode) -> Thinking {
    match mode {
        ReasoningMode::Off => Thinking::Disabled,
        ReasoningMode::Adaptive => Thinking::Adaptive,
        ReasoningMode::Budget(budget_tokens) => Thinking::Enabled { budget_tokens },
    }
}

fn output_config(request: &Request) -> Result<Option<OutputConfig<'_>>, Inexpressible> {
    let effort = request.reasoning.effort.as_deref().map(|effort| match effort {
        "minimal" => "low",
        effort => effort,
    });
    let format = match &request.format {
        None => None,
        Some(format) => Some(closed(format)?),
    };
    Ok((effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format }))
}

fn closed(format: &Format) -> Result<FormatObject<'_>, Inexpressible> {
    let schema = &format.schema;
    Ok(FormatObject {
        r#type: "json_schema",
        schema: schema::closed(schema)?.map_or(Cow::Borrowed(schema), Cow::Owned),
    })
}

/// `output_config.format` alone.
pub fn write_format(format: &Format) -> Result<Vec<u8>, Inexpressible> {
    serde_json::to_vec(&closed(format)?)
        .map_err(|error| Inexpressible::new("response_format", format!("could not be written: {error}")))
}

fn temperature(request: &Request) -> Result<Option<&Json>, Inexpressible> {
    match &request.temperature {
        Some(temperature) => check_temperature(temperature.text()).map(|()| Some(temperature)),
        None => Ok(None),
    }
}

/// It goes from 0 to 1 here, and to 2 elsewhere.
pub fn check_temperature(text: &str) -> Result<(), Inexpressible> {
    if text.parse::<f64>().is_ok_and(|value| value > 1.0) {
        return Err(Inexpressible::new(
            "temperature",
            "must be at most 1 for the target, which speaks Anthropic's dialect",
        ));
    }
    Ok(())
}
