//! The tools of a chat request and the choice among them.

use serde_json::{Map, Value, json};

use super::messages::text_of;
use super::refusal::Refusal;
use super::structured;
use crate::simulator::answer::{Ask, Tool, ToolChoice};

const MOST_TOOLS: usize = 128;
const MOST_NAME_BYTES: usize = 64;

/// Checks tools and choice, and notes them in `ask`.
pub(super) fn read(fields: &Map<String, Value>, ask: &mut Ask) -> Result<(), Refusal> {
    match fields.get("tools") {
        None => {}
        Some(Value::Array(tools)) if tools.is_empty() => return Err(Refusal::empty_array("tools")),
        Some(Value::Array(tools)) if tools.len() > MOST_TOOLS => {
            return Err(Refusal::long_array("tools", MOST_TOOLS, tools.len()));
        }
        Some(Value::Array(tools)) => {
            ask.tools = tools
                .iter()
                .enumerate()
                .map(|(number, value)| tool(&format!("tools[{number}]"), value))
                .collect::<Result<_, _>>()?;
        }
        Some(other) => return Err(Refusal::wrong_type("tools", "an array of objects", other)),
    }
    ask.parallel = fields.get("parallel_tool_calls") != Some(&Value::Bool(false));
    if let Some(value) = fields.get("tool_choice") {
        choice(value, ask)?;
    } else if fields.contains_key("parallel_tool_calls") && ask.tools.is_empty() {
        return Err(not_without_tools("parallel_tool_calls"));
    }
    Ok(())
}

fn tool(at: &str, tool: &Value) -> Result<Tool, Refusal> {
    let tool = tool
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "an object", tool))?;
    let kind = text_of(tool, "type", at)?;
    if kind != "function" {
        return Err(Refusal::wrong_value(&format!("{at}.type"), kind, &["function"]));
    }
    let at = format!("{at}.function");
    let function = tool.get("function").ok_or_else(|| Refusal::missing(&at))?;
    let function = function
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(&at, "an object", function))?;
    let name = name(function, &at)?;
    let parameters = match function.get("parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(other) => return Err(Refusal::wrong_type(&format!("{at}.parameters"), "an object", other)),
    };
    let wrong = |reason: String| {
        let code = Some("invalid_function_parameters");
        Refusal::wrong_schema(
            &format!("function '{name}'"),
            &reason,
            &format!("{at}.parameters"),
            code,
        )
    };
    structured::check(&parameters, function.get("strict") == Some(&Value::Bool(true))).map_err(wrong)?;
    Ok(Tool {
        name: name.to_owned(),
        parameters,
    })
}

/// A name as functions and schemas have it.
pub(super) fn name<'a>(object: &'a Map<String, Value>, at: &str) -> Result<&'a str, Refusal> {
    let name = text_of(object, "name", at)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let fits = !name.is_empty() && name.len() <= MOST_NAME_BYTES && name.bytes().all(allowed);
    if fits {
        Ok(name)
    } else {
        Err(Refusal::wrong_name(&format!("{at}.name")))
    }
}

fn choice(value: &Value, ask: &mut Ask) -> Result<(), Refusal> {
    if ask.tools.is_empty() {
        return Err(not_without_tools("tool_choice"));
    }
    ask.tool_choice = match value {
        Value::String(mode) => mode_of("tool_choice", mode, &["none", "auto", "required"])?,
        Value::Object(choice) => match text_of(choice, "type", "tool_choice")? {
            "function" => ToolChoice::Named(function_of(choice, "tool_choice", ask)?.to_owned()),
            "allowed_tools" => allowed(choice, ask)?,
            other => {
                return Err(Refusal::wrong_value(
                    "tool_choice.type",
                    other,
                    &["function", "allowed_tools"],
                ));
            }
        },
        other => return Err(Refusal::wrong_type("tool_choice", "one of a string or object", other)),
    };
    Ok(())
}

/// Leaves only the tools that are allowed.
fn allowed(choice: &Map<String, Value>, ask: &mut Ask) -> Result<ToolChoice, Refusal> {
    let at = "tool_choice.allowed_tools";
    let allowed = choice.get("allowed_tools").ok_or_else(|| Refusal::missing(at))?;
    let allowed = allowed
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "an object", allowed))?;
    let mode = mode_of(
        &format!("{at}.mode"),
        text_of(allowed, "mode", at)?,
        &["auto", "required"],
    )?;
    let at = format!("{at}.tools");
    let tools = allowed.get("tools").ok_or_else(|| Refusal::missing(&at))?;
    let tools = tools
        .as_array()
        .ok_or_else(|| Refusal::wrong_type(&at, "an array of objects", tools))?;
    let mut names = Vec::new();
    for (number, tool) in tools.iter().enumerate() {
        let at = format!("{at}[{number}]");
        let tool = tool
            .as_object()
            .ok_or_else(|| Refusal::wrong_type(&at, "an object", tool))?;
        names.push(function_of(tool, &at, ask)?.to_owned());
    }
    ask.tools.retain(|tool| names.contains(&tool.name));
    Ok(mode)
}

/// The name of a function that the tools hold.
fn function_of<'a>(object: &'a Map<String, Value>, at: &str, ask: &Ask) -> Result<&'a str, Refusal> {
    let at_function = format!("{at}.function");
    let function = object.get("function").ok_or_else(|| Refusal::missing(&at_function))?;
    let function = function
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(&at_function, "an object", function))?;
    let name = text_of(function, "name", &at_function)?;
    if ask.tools.iter().any(|tool| tool.name == name) {
        return Ok(name);
    }
    Err(Refusal::invalid(
        format!("Tool choice '{name}' not found in 'tools' parameter."),
        "tool_choice",
    ))
}

fn mode_of(at: &str, mode: &str, supported: &[&str]) -> Result<ToolChoice, Refusal> {
    match mode {
        mode if !supported.contains(&mode) => Err(Refusal::wrong_value(at, mode, supported)),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Ok(ToolChoice::Auto),
    }
}

fn not_without_tools(param: &str) -> Refusal {
    Refusal::invalid(
        format!("Invalid value for '{param}': '{param}' is only allowed when 'tools' are specified."),
        param,
    )
}
