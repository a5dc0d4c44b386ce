//! The tools of a request, the choice among them, and the schema of the output.

use serde_json::{Map, Value};

use super::refusal::{Refusal, only, text_of};
use crate::simulator::answer::{Ask, Format, Tool, ToolChoice};
use crate::simulator::schema;

const MOST_NAME_BYTES: usize = 128;
const MEMBERS: [&str; 10] = [
    "name",
    "description",
    "input_schema",
    "type",
    "cache_control",
    "strict",
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
];
const CHOICES: [&str; 4] = ["any", "auto", "none", "tool"];

/// Checks tools and choice, and notes them in `ask`.
pub(super) fn read(fields: &Map<String, Value>, lenient: bool, ask: &mut Ask) -> Result<(), Refusal> {
    match fields.get("tools") {
        None => {}
        Some(Value::Array(tools)) => {
            for (number, value) in tools.iter().enumerate() {
                ask.tools.extend(tool(&format!("tools.{number}"), value, lenient)?);
            }
        }
        Some(_) => return Err(Refusal::wrong_type("tools", "list")),
    }
    let mut names: Vec<_> = ask.tools.iter().map(|tool| tool.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::invalid("tools: Tool names must be unique."));
    }
    ask.parallel = true;
    match fields.get("tool_choice") {
        None => Ok(()),
        Some(value) => choice(value, lenient, ask),
    }
}

/// A tool of the client's; none where one of the vendor's own is let pass.
fn tool(at: &str, value: &Value, lenient: bool) -> Result<Option<Tool>, Refusal> {
    let tool = value.as_object().ok_or_else(|| Refusal::wrong_type(at, "dictionary"))?;
    match tool.get("type") {
        None | Some(Value::Null) => {}
        Some(kind) if kind == "custom" => {}
        Some(_) if lenient => return Ok(None),
        Some(Value::String(kind)) => return Err(Refusal::wrong_tag(at, kind, &["custom"])),
        Some(_) => return Err(Refusal::wrong_type(&format!("{at}.type"), "string")),
    }
    let at = format!("{at}.custom");
    only(&at, tool, &MEMBERS, lenient)?;
    let name = text_of(tool, "name", &at)?;
    if !is_name(name) {
        let message = format!("String should match pattern '^[a-zA-Z0-9_-]{{1,{MOST_NAME_BYTES}}}$'");
        return Err(Refusal::at(&format!("{at}.name"), &message));
    }
    if tool
        .get("description")
        .is_some_and(|description| !description.is_string())
    {
        return Err(Refusal::wrong_type(&format!("{at}.description"), "string"));
    }
    let at = format!("{at}.input_schema");
    let input = tool.get("input_schema").ok_or_else(|| Refusal::missing(&at))?;
    let described = input
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(&at, "dictionary"))?;
    if text_of(described, "type", &at)? != "object" {
        return Err(Refusal::wrong_value(&format!("{at}.type"), &["object"]));
    }
    if tool.get("strict") == Some(&Value::Bool(true)) {
        closed(&at, input)?;
    }
    Ok(Some(Tool {
        name: name.to_owned(),
        parameters: input.clone(),
    }))
}

pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= MOST_NAME_BYTES && name.bytes().all(allowed)
}

fn choice(value: &Value, lenient: bool, ask: &mut Ask) -> Result<(), Refusal> {
    let choice = value
        .as_object()
        .ok_or_else(|| Refusal::wrong_type("tool_choice", "dictionary"))?;
    if ask.tools.is_empty() && !lenient {
        return Err(Refusal::invalid(
            "tool_choice: may only be specified while providing tools.",
        ));
    }
    let kind = text_of(choice, "type", "tool_choice")?;
    if !CHOICES.contains(&kind) {
        return Err(Refusal::wrong_tag("tool_choice", kind, &CHOICES));
    }
    let at = format!("tool_choice.{kind}");
    let known: &[&str] = match kind {
        "none" => &["type"],
        "tool" => &["type", "name", "disable_parallel_tool_use"],
        _ => &["type", "disable_parallel_tool_use"],
    };
    only(&at, choice, known, lenient)?;
    ask.parallel = match choice.get("disable_parallel_tool_use") {
        None => true,
        Some(Value::Bool(disabled)) => !disabled,
        Some(_) => {
            return Err(Refusal::wrong_type(
                &format!("{at}.disable_parallel_tool_use"),
                "boolean",
            ));
        }
    };
    ask.tool_choice = match kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        _ => {
            let name = text_of(choice, "name", &at)?;
            if !ask.tools.iter().any(|tool| tool.name == name) {
                return Err(Refusal::invalid(format!("Tool '{name}' not found in provided tools")));
            }
            ToolChoice::Named(name.to_owned())
        }
    };
    Ok(())
}

/// The schema that the output must satisfy.
pub(super) fn format(fields: &Map<String, Value>, lenient: bool) -> Result<Format, Refusal> {
    let Some(value) = fields.get("output_config") else {
        return Ok(Format::Text);
    };
    let config = value
        .as_object()
        .ok_or_else(|| Refusal::wrong_type("output_config", "dictionary"))?;
    only("output_config", config, &["effort", "format"], lenient)?;
    let efforts = ["low", "medium", "high", "xhigh", "max"];
    match config.get("effort") {
        None | Some(Value::Null) => {}
        Some(Value::String(effort)) if efforts.contains(&effort.as_str()) => {}
        Some(_) => return Err(Refusal::wrong_value("output_config.effort", &efforts)),
    }
    let format = match config.get("format") {
        None | Some(Value::Null) => return Ok(Format::Text),
        Some(format) => format,
    };
    let at = "output_config.format";
    let format = format
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "dictionary"))?;
    if text_of(format, "type", at)? != "json_schema" {
        return Err(Refusal::wrong_value(&format!("{at}.type"), &["json_schema"]));
    }
    only(at, format, &["type", "schema"], lenient)?;
    let at = format!("{at}.schema");
    let schema = format.get("schema").ok_or_else(|| Refusal::missing(&at))?;
    if !schema.is_object() {
        return Err(Refusal::wrong_type(&at, "dictionary"));
    }
    closed(&at, schema)?;
    Ok(Format::Schema(schema.clone()))
}

/// Every object must be closed.
fn closed(at: &str, described: &Value) -> Result<(), Refusal> {
    schema::each_object(described, &mut |object, _| {
        if object.get("additionalProperties") == Some(&Value::Bool(false)) {
            return Ok(());
        }
        let message = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        Err(Refusal::at(at, message))
    })
}
