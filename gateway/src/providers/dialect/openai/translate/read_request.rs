//! A client's request in `OpenAI`'s form, read for a target that speaks another dialect.

use crate::providers::{
    canonical::{
        Block, Format, Inexpressible, Media, Message, Reasoning, ReasoningMode, Request, Role, Tool, ToolChoice,
    },
    document::{Json, Node, Wrong},
};

/// Members that change nothing of an answer's meaning: they are left out for targets that do not know them.
const HINTS: [&str; 14] = [
    "include_reasoning",
    "metadata",
    "model",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "top_logprobs",
    "verbosity",
];
/// Members that ask for nothing with this value.
const IDLE: [(&str, &[&str]); 6] = [
    ("n", &["1"]),
    ("logprobs", &["false"]),
    ("logit_bias", &["{}"]),
    ("frequency_penalty", &["0", "0.0"]),
    ("presence_penalty", &["0", "0.0"]),
    ("modalities", &[r#"["text"]"#]),
];
const OTHER_TARGET: &str =
    "cannot be asked of this Route's target, which does not speak OpenAI's dialect: leave it out";

/// Reads the whole body.
pub fn read_request(body: &[u8]) -> Result<Request, Inexpressible> {
    let root = Node::root(body).map_err(|error| Inexpressible::new("body", format!("is {error}")))?;
    let mut request = Request::default();
    let mut old_max_tokens = None;
    for (key, node) in root.members()? {
        match key.as_str() {
            "messages" => request.messages = messages(&node)?,
            "max_completion_tokens" => request.max_tokens = Some(node.count()?),
            "max_tokens" => old_max_tokens = Some(node.count()?),
            "stop" => request.stop = stop(&node)?,
            "stream" => request.stream = node.boolean()?,
            "temperature" => request.temperature = Some(node.json()?),
            "top_p" => request.top_p = Some(node.json()?),
            "top_k" => request.top_k = Some(node.json()?),
            "seed" => request.seed = Some(node.json()?),
            "user" => request.user = Some(node.string()?),
            "tools" => request.tools = node.elements()?.iter().map(tool).collect::<Result<_, _>>()?,
            "tool_choice" => request.tool_choice = Some(tool_choice(&node)?),
            "parallel_tool_calls" => request.parallel_tool_calls = Some(node.boolean()?),
            "response_format" => request.format = format(&node)?,
            "reasoning_effort" => request.reasoning = effort(node.string()?),
            "reasoning" => request.reasoning = reasoning(&node)?,
            key if HINTS.contains(&key) || is_idle(key, node.text()) => {}
            _ => return Err(Inexpressible::new(key, OTHER_TARGET)),
        }
    }
    request.max_tokens = request.max_tokens.or(old_max_tokens);
    Ok(request)
}

fn is_idle(key: &str, text: &str) -> bool {
    IDLE.iter().any(|(name, values)| *name == key && values.contains(&text))
}

fn messages(node: &Node<'_>) -> Result<Vec<Message>, Inexpressible> {
    let mut messages: Vec<Message> = Vec::new();
    for element in node.elements()? {
        let message = message(&element)?;
        match messages.last_mut() {
            // The results of several calls, and what the user says to them, are one turn.
            Some(last) if message.role == Role::User && is_result(last) => last.content.extend(message.content),
            _ => messages.push(message),
        }
    }
    Ok(messages)
}

fn is_result(message: &Message) -> bool {
    message.role == Role::User && matches!(message.content.last(), Some(Block::ToolResult { .. }))
}

fn message(node: &Node<'_>) -> Result<Message, Inexpressible> {
    const ROLES: &str = "system, developer, user, assistant or tool";
    let role = node.needed("role", ROLES)?;
    let (role, content) = match role.string()?.as_str() {
        "system" => (Role::System, needed_content(node)?),
        "developer" => (Role::Developer, needed_content(node)?),
        "user" => (Role::User, needed_content(node)?),
        "assistant" => (Role::Assistant, assistant(node)?),
        "tool" => {
            let result = Block::ToolResult {
                call_id: text_of(node, "tool_call_id")?,
                content: needed_content(node)?,
                is_error: false,
            };
            (Role::User, vec![result])
        }
        "function" => return Err(Inexpressible::new(role.path(), OTHER_TARGET)),
        _ => return Err(role.wrong(ROLES).into()),
    };
    Ok(Message { role, content })
}

fn needed_content(node: &Node<'_>) -> Result<Vec<Block>, Inexpressible> {
    content(&node.needed("content", "a string or an array of parts")?)
}

fn content(node: &Node<'_>) -> Result<Vec<Block>, Inexpressible> {
    if node.is_string() {
        return Ok(vec![Block::text(node.string()?)]);
    }
    if !node.is_array() {
        return Err(node.wrong("a string or an array of parts").into());
    }
    let mut blocks = Vec::new();
    for part in node.elements()? {
        blocks.push(self::part(&part)?);
    }
    Ok(blocks)
}

fn part(node: &Node<'_>) -> Result<Block, Inexpressible> {
    let kind = node.needed("type", "a string")?;
    let cache_control = || node.member("cache_control")?.as_ref().map(Node::json).transpose();
    Ok(match kind.string()?.as_str() {
        "text" => Block::Text {
            text: text_of(node, "text")?,
            cache_control: cache_control()?,
        },
        "refusal" => Block::text(text_of(node, "refusal")?),
        "image_url" => Block::Image {
            source: Media::of_url(text_of(&node.needed("image_url", "an object")?, "url")?),
            cache_control: cache_control()?,
        },
        "file" => document(&node.needed("file", "an object")?)?,
        _ => return Err(Inexpressible::new(kind.path(), OTHER_TARGET)),
    })
}

fn document(file: &Node<'_>) -> Result<Block, Inexpressible> {
    if let Some(id) = file.member("file_id")? {
        return Err(Inexpressible::new(id.path(), OTHER_TARGET));
    }
    Ok(Block::Document {
        source: Media::of_url(text_of(file, "file_data")?),
        name: file.member("filename")?.as_ref().map(Node::string).transpose()?,
    })
}

fn assistant(node: &Node<'_>) -> Result<Vec<Block>, Inexpressible> {
    let mut blocks = reasoning_of(node)?;
    if let Some(said) = node.member("content")? {
        blocks.extend(content(&said)?);
    }
    if let Some(refusal) = node.member("refusal")? {
        blocks.push(Block::text(refusal.string()?));
    }
    if let Some(call) = node.member("function_call")? {
        return Err(Inexpressible::new(call.path(), OTHER_TARGET));
    }
    if let Some(calls) = node.member("tool_calls")? {
        for call in calls.elements()? {
            blocks.push(tool_call(&call)?);
        }
    }
    Ok(blocks)
}

/// What an answer of ours, or of `OpenRouter`, said that the model thought; it comes back as it was sent.
pub(super) fn reasoning_of(node: &Node<'_>) -> Result<Vec<Block>, Wrong> {
    let mut blocks = Vec::new();
    if let Some(details) = node.member("reasoning_details")? {
        for detail in details.elements()? {
            let text = |name: &str| detail.member(name)?.as_ref().map(Node::string).transpose();
            match text("type")?.as_deref() {
                Some("reasoning.text") => blocks.push(Block::Reasoning {
                    text: text("text")?.unwrap_or_default(),
                    signature: text("signature")?,
                }),
                Some("reasoning.encrypted") => blocks.push(Block::RedactedReasoning {
                    data: text("data")?.unwrap_or_default(),
                }),
                _ => {}
            }
        }
    }
    if blocks.is_empty() {
        for name in ["reasoning_content", "reasoning"] {
            if let Some(thought) = node.member(name)?.filter(Node::is_string) {
                let text = thought.string()?;
                if !text.is_empty() {
                    blocks.push(Block::Reasoning { text, signature: None });
                }
                break;
            }
        }
    }
    Ok(blocks)
}

pub(super) fn tool_call(node: &Node<'_>) -> Result<Block, Inexpressible> {
    if let Some(kind) = node.member("type")?
        && kind.string()? != "function"
    {
        return Err(Inexpressible::new(kind.path(), OTHER_TARGET));
    }
    let function = node.needed("function", "an object")?;
    Ok(Block::ToolCall {
        id: text_of(node, "id")?,
        name: text_of(&function, "name")?,
        arguments: text_of(&function, "arguments")?,
    })
}

fn stop(node: &Node<'_>) -> Result<Vec<String>, Inexpressible> {
    if node.is_string() {
        return Ok(vec![node.string()?]);
    }
    Ok(node.elements()?.iter().map(Node::string).collect::<Result<_, _>>()?)
}

fn tool(node: &Node<'_>) -> Result<Tool, Inexpressible> {
    let kind = node.needed("type", "function")?;
    if kind.string()? != "function" {
        return Err(Inexpressible::new(kind.path(), OTHER_TARGET));
    }
    let function = node.needed("function", "an object")?;
    let text = |name: &str| function.member(name)?.as_ref().map(Node::string).transpose();
    Ok(Tool {
        name: text_of(&function, "name")?,
        description: text("description")?,
        schema: function.member("parameters")?.as_ref().map(Node::json).transpose()?,
        strict: function.member("strict")?.as_ref().map(Node::boolean).transpose()?,
    })
}

fn tool_choice(node: &Node<'_>) -> Result<ToolChoice, Inexpressible> {
    const CHOICES: &str = "auto, none, required or a function";
    if node.is_string() {
        return match node.string()?.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Any),
            _ => Err(node.wrong(CHOICES).into()),
        };
    }
    let kind = node.needed("type", CHOICES)?;
    if kind.string()? != "function" {
        return Err(Inexpressible::new(kind.path(), OTHER_TARGET));
    }
    let function = node.needed("function", "an object")?;
    Ok(ToolChoice::Named(text_of(&function, "name")?))
}

pub(in crate::providers::dialect) fn format(node: &Node<'_>) -> Result<Option<Format>, Inexpressible> {
    let kind = node.needed("type", "text, json_object or json_schema")?;
    match kind.string()?.as_str() {
        "text" => Ok(None),
        "json_schema" => {
            let format = node.needed("json_schema", "an object")?;
            let text = |name: &str| format.member(name)?.as_ref().map(Node::string).transpose();
            Ok(Some(Format {
                name: text("name")?,
                description: text("description")?,
                schema: schema(&format)?,
                strict: format.member("strict")?.as_ref().map(Node::boolean).transpose()?,
            }))
        }
        "json_object" => Err(Inexpressible::new(
            kind.path(),
            "json_object is not known to this Route's target: give a json_schema",
        )),
        _ => Err(Inexpressible::new(kind.path(), OTHER_TARGET)),
    }
}

fn schema(format: &Node<'_>) -> Result<Json, Wrong> {
    format.needed("schema", "an object")?.json()
}

fn effort(word: String) -> Reasoning {
    if word == "none" {
        return Reasoning {
            mode: Some(ReasoningMode::Off),
            effort: None,
        };
    }
    Reasoning {
        mode: Some(ReasoningMode::Adaptive),
        effort: Some(word),
    }
}

/// `OpenRouter`'s object.
fn reasoning(node: &Node<'_>) -> Result<Reasoning, Inexpressible> {
    let mut reasoning = Reasoning::default();
    for (key, node) in node.members()? {
        match key.as_str() {
            "effort" => reasoning = effort(node.string()?),
            "max_tokens" => reasoning.mode = Some(ReasoningMode::Budget(node.count()?)),
            "enabled" if node.boolean()? => {
                reasoning.mode.get_or_insert(ReasoningMode::Adaptive);
            }
            "enabled" => reasoning.mode = Some(ReasoningMode::Off),
            _ => return Err(Inexpressible::new(node.path(), OTHER_TARGET)),
        }
    }
    Ok(reasoning)
}

fn text_of(node: &Node<'_>, name: &str) -> Result<String, Wrong> {
    node.needed(name, "a string")?.string()
}
