//! The response format of a chat request, and what the vendor demands of a schema.

use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::tools;
use crate::simulator::answer::Format;

/// Checks the response format and reads it.
pub(super) fn read(fields: &Map<String, Value>) -> Result<Format, Refusal> {
    let Some(format) = fields.get("response_format") else {
        return Ok(Format::Text);
    };
    let format = format
        .as_object()
        .ok_or_else(|| Refusal::wrong_type("response_format", "an object", format))?;
    match super::messages::text_of(format, "type", "response_format")? {
        "text" => Ok(Format::Text),
        "json_object" => json_object(fields),
        "json_schema" => json_schema(format),
        other => Err(Refusal::wrong_value(
            "response_format.type",
            other,
            &["json_object", "json_schema", "text"],
        )),
    }
}

fn json_object(fields: &Map<String, Value>) -> Result<Format, Refusal> {
    let messages = fields.get("messages").map(Value::to_string).unwrap_or_default();
    if messages.to_lowercase().contains("json") {
        return Ok(Format::Object);
    }
    let message =
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
    Err(Refusal::invalid(message.to_owned(), "messages"))
}

fn json_schema(format: &Map<String, Value>) -> Result<Format, Refusal> {
    let at = "response_format.json_schema";
    let described = format.get("json_schema").ok_or_else(|| Refusal::missing(at))?;
    let described = described
        .as_object()
        .ok_or_else(|| Refusal::wrong_type(at, "an object", described))?;
    let name = tools::name(described, at)?;
    let strict = described.get("strict") == Some(&Value::Bool(true));
    let schema = match described.get("schema") {
        None if strict => return Err(Refusal::missing(&format!("{at}.schema"))),
        None => json!({"type": "object"}),
        Some(schema @ Value::Object(_)) => schema.clone(),
        Some(other) => return Err(Refusal::wrong_type(&format!("{at}.schema"), "an object", other)),
    };
    let wrong =
        |reason: String| Refusal::wrong_schema(&format!("response_format '{name}'"), &reason, "response_format", None);
    check(&schema, strict).map_err(wrong)?;
    Ok(Format::Schema(schema))
}

/// What the vendor demands of a schema: an object at its root and, if it is strict, every object closed and all of its properties
/// required. The error is the vendor's sentence.
pub(super) fn check(schema: &Value, strict: bool) -> Result<(), String> {
    let root = schema.get("type");
    if root.is_some_and(|kind| kind != "object") || (root.is_none() && strict && schema.get("$ref").is_none()) {
        let found = root.map_or("None".to_owned(), |kind| kind.as_str().unwrap_or("None").to_owned());
        return Err(format!(
            r#"schema must be a JSON Schema of 'type: "object"', got 'type: "{found}"'."#
        ));
    }
    if strict {
        closed(schema, &mut Vec::new())
    } else {
        Ok(())
    }
}

fn closed(schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let context = path
            .iter()
            .map(|part| format!("'{part}'"))
            .collect::<Vec<_>>()
            .join(", ");
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(format!(
                "In context=({context}), 'additionalProperties' is required to be supplied and to be false."
            ));
        }
        let required = schema.get("required").and_then(Value::as_array);
        let missing = properties
            .keys()
            .find(|name| !required.is_some_and(|required| required.contains(&json!(name))));
        if let Some(missing) = missing {
            return Err(format!(
                "In context=({context}), 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."
            ));
        }
    }
    let inner: Vec<(String, &Value)> = match schema {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(number, value)| (number.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner
        .into_iter()
        .filter(|(name, _)| !["enum", "const", "default", "examples"].contains(&name.as_str()))
    {
        path.push(name);
        closed(value, path)?;
        path.pop();
    }
    Ok(())
}
