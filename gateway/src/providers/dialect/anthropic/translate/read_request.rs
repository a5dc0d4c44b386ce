//! A client's request in `Anthropic`'s form, read for a target that speaks another dialect.

use super::UNSIGNED;
use crate::providers::{
    canonical::{
        Block, Format, Inexpressible, Media, Message, Reasoning, ReasoningMode, Request, Role, Tool, ToolChoice,
    },
    document::{Json, Node, Wrong},
};

/// Members that change nothing of an answer's meaning: they are left out for targets that do not know them.
const HINTS: [&str; 7] = [
    "model",
    "cache_control",
    "context_management",
    "diagnostics",
    "service_tier",
    "speed",
    "user_profile_id",
];
const OTHER_TARGET: &str =
    "cannot be asked of this Route's target, which does not speak Anthropic's dialect: leave it out";

/// Reads the whole body.
pub fn read_request(body: &[u8]) -> Result<Request, Inexpressible> {
    let root = Node::root(body).map_err(|error| Inexpressible::new("body", format!("is {error}")))?;
    let mut request = Request::default();
    let mut system = None;
    for (key, node) in root.members()? {
        match key.as_str() {
            "messages" => request.messages = messages(&node)?,
            "system" => {
                system = Some(Message {
                    role: Role::System,
                    content: content(&node)?,
                });
            }
            "max_tokens" => request.max_tokens = Some(node.count()?),
            "stop_sequences" => {
                request.stop = node.elements()?.iter().map(Node::string).collect::<Result<_, _>>()?;
            }
            "stream" => request.stream = node.boolean()?,
            "temperature" => request.temperature = Some(node.json()?),
            "top_p" => request.top_p = Some(node.json()?),
            "top_k" => request.top_k = Some(node.json()?),
            "metadata" => request.user = node.member("user_id")?.as_ref().map(Node::string).transpose()?,
            "tools" => request.tools = node.elements()?.iter().map(tool).collect::<Result<_, _>>()?,
            "tool_choice" => tool_choice(&node, &mut request)?,
            "thinking" => request.reasoning.mode = Some(thinking(&node)?),
            "output_config" => output_config(&node, &mut request)?,
            key if HINTS.contains(&key) => {}
            _ => return Err(Inexpressible::new(key, OTHER_TARGET)),
        }
    }
    request.messages.splice(0..0, system);
    Ok(request)
}

fn messages(node: &Node<'_>) -> Result<Vec<Message>, Inexpressible> {
    node.elements()?.iter().map(message).collect()
}

fn message(node: &Node<'_>) -> Result<Message, Inexpressible> {
    let role = node.needed("role", "user, assistant or system")?;
    let role = match role.string()?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(role.wrong("user, assistant or system").into()),
    };
    let content = content(&node.needed("content", "a string or an array of blocks")?)?;
    Ok(Message { role, content })
}

fn content(node: &Node<'_>) -> Result<Vec<Block>, Inexpressible> {
    if node.is_string() {
        return Ok(vec![Block::text(node.string()?)]);
    }
    if !node.is_array() {
        return Err(node.wrong("a string or an array of blocks").into());
    }
    let mut blocks = Vec::new();
    for element in node.elements()? {
        blocks.push(block(&element)?);
    }
    Ok(blocks)
}

fn block(node: &Node<'_>) -> Result<Block, Inexpressible> {
    let kind = node.needed("type", "a string")?;
    let cache_control = || node.member("cache_control")?.as_ref().map(Node::json).transpose();
    Ok(match kind.string()?.as_str() {
        "text" => Block::Text {
            text: text_of(node, "text")?,
            cache_control: cache_control()?,
        },
        "image" => Block::Image {
            source: media(&node.needed("source", "an object")?)?,
            cache_control: cache_control()?,
        },
        "document" => Block::Document {
            source: media(&node.needed("source", "an object")?)?,
            name: node.member("title")?.as_ref().map(Node::string).transpose()?,
        },
        "thinking" => Block::Reasoning {
            text: text_of(node, "thinking")?,
            signature: node
                .member("signature")?
                .as_ref()
                .map(Node::string)
                .transpose()?
                .filter(|signature| signature != UNSIGNED),
        },
        "redacted_thinking" => Block::RedactedReasoning {
            data: text_of(node, "data")?,
        },
        "tool_use" => Block::ToolCall {
            id: text_of(node, "id")?,
            name: text_of(node, "name")?,
            arguments: node.needed("input", "an object")?.text().to_owned(),
        },
        "tool_result" => tool_result(node)?,
        _ => return Err(Inexpressible::new(kind.path(), OTHER_TARGET)),
    })
}

fn tool_result(node: &Node<'_>) -> Result<Block, Inexpressible> {
    let content = node.member("content")?.as_ref().map(content).transpose()?;
    let is_error = node.member("is_error")?.as_ref().map(Node::boolean).transpose()?;
    Ok(Block::ToolResult {
        call_id: text_of(node, "tool_use_id")?,
        content: content.unwrap_or_default(),
        is_error: is_error.unwrap_or_default(),
    })
}

fn media(source: &Node<'_>) -> Result<Media, Inexpressible> {
    let kind = source.needed("type", "a string")?;
    match kind.string()?.as_str() {
        "base64" => Ok(Media::Base64 {
            media_type: text_of(source, "media_type")?,
            data: text_of(source, "data")?,
        }),
        "url" => Ok(Media::Url(text_of(source, "url")?)),
        _ => Err(Inexpressible::new(kind.path(), OTHER_TARGET)),
    }
}

fn tool(node: &Node<'_>) -> Result<Tool, Inexpressible> {
    if let Some(kind) = node.member("type")?
        && kind.string()? != "custom"
    {
        return Err(Inexpressible::new(kind.path(), OTHER_TARGET));
    }
    Ok(Tool {
        name: text_of(node, "name")?,
        description: node.member("description")?.as_ref().map(Node::string).transpose()?,
        schema: node.member("input_schema")?.as_ref().map(Node::json).transpose()?,
        strict: node.member("strict")?.as_ref().map(Node::boolean).transpose()?,
    })
}

fn tool_choice(node: &Node<'_>, request: &mut Request) -> Result<(), Inexpressible> {
    let kind = node.needed("type", "auto, any, tool or none")?;
    request.tool_choice = Some(match kind.string()?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(text_of(node, "name")?),
        _ => return Err(kind.wrong("auto, any, tool or none").into()),
    });
    if let Some(disabled) = node.member("disable_parallel_tool_use")? {
        request.parallel_tool_calls = Some(!disabled.boolean()?);
    }
    Ok(())
}

fn thinking(node: &Node<'_>) -> Result<ReasoningMode, Inexpressible> {
    let kind = node.needed("type", "a string")?;
    Ok(match kind.string()?.as_str() {
        "enabled" => ReasoningMode::Budget(node.needed("budget_tokens", "a whole number")?.count()?),
        "adaptive" | "between_tools" => ReasoningMode::Adaptive,
        "disabled" => ReasoningMode::Off,
        _ => return Err(Inexpressible::new(kind.path(), OTHER_TARGET)),
    })
}

fn output_config(node: &Node<'_>, request: &mut Request) -> Result<(), Inexpressible> {
    for (key, node) in node.members()? {
        match key.as_str() {
            "effort" => {
                request.reasoning = Reasoning {
                    effort: Some(node.string()?),
                    ..std::mem::take(&mut request.reasoning)
                }
            }
            "format" => request.format = Some(format(&node)?),
            _ => return Err(Inexpressible::new(node.path(), OTHER_TARGET)),
        }
    }
    Ok(())
}

fn format(node: &Node<'_>) -> Result<Format, Inexpressible> {
    let kind = node.needed("type", "json_schema")?;
    if kind.string()? != "json_schema" {
        return Err(kind.wrong("json_schema").into());
    }
    Ok(Format {
        name: None,
        description: None,
        schema: schema(node)?,
        strict: None,
    })
}

fn schema(node: &Node<'_>) -> Result<Json, Wrong> {
    node.needed("schema", "an object")?.json()
}

fn text_of(node: &Node<'_>, name: &str) -> Result<String, Wrong> {
    node.needed(name, "a string")?.string()
}
