//! The response format of a chat request, and what the vendor demands of a schema.

use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::tools;
use crate::simulator::answer::Format;
use crate::simulator::schema;

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
pub(super) fn check(described: &Value, strict: bool) -> Result<(), String> {
    let root = described.get("type");
    if root.is_some_and(|kind| kind != "object") || (root.is_none() && strict && described.get("$ref").is_none()) {
        let found = root.map_or("None".to_owned(), |kind| kind.as_str().unwrap_or("None").to_owned());
        return Err(format!(
            r#"schema must be a JSON Schema of 'type: "object"', got 'type: "{found}"'."#
        ));
    }
    if strict {
        schema::each_object(described, &mut closed)
    } else {
        Ok(())
    }
}

fn closed(schema: &Map<String, Value>, path: &[String]) -> Result<(), String> {
    let path: Vec<_> = path.iter().map(|part| format!("'{part}'")).collect();
    let context = path.join(", ");
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(format!(
            "In context=({context}), 'additionalProperties' is required to be supplied and to be false."
        ));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let missing = properties.find(|(name, _)| !required.is_some_and(|required| required.contains(&json!(name))));
    match missing {
        None => Ok(()),
        Some((missing, _)) => Err(format!(
            "In context=({context}), 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."
        )),
    }
}
