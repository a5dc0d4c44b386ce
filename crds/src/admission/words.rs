//! Faults of the schema in plain words: the field, and what is allowed there.

use jsonschema::{
    ValidationError,
    error::ValidationErrorKind,
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use super::{Fault, child};
use crate::pattern;

/// Longest part of a value that a message repeats, in characters.
const QUOTED: usize = 64;

/// What `error` says, for people.
pub(super) fn fault(error: &ValidationError<'_>) -> Fault {
    let field = path(error.instance_path());
    let instance = error.instance();
    let given = || quoted(&field, instance);
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return Fault::new(child(&field, name), "is required");
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                jsonschema::error::TypeKind::Single(expected) => article(&expected.to_string()),
                jsonschema::error::TypeKind::Multiple(_) => "of another type".to_owned(),
            };
            format!("must be {expected}, not {}", type_of(instance))
        }
        ValidationErrorKind::Enum { options } => format!("must be one of {}{}", list(options), given()),
        ValidationErrorKind::Pattern { pattern } => match pattern::words(pattern) {
            Some(words) => format!("must be {words}{}", given()),
            None => format!("must match {pattern}{}", given()),
        },
        ValidationErrorKind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters{}", given()),
        ValidationErrorKind::MaxLength { limit } => {
            let length = instance.as_str().map_or(0, |text| text.chars().count());
            format!("must have at most {limit} characters, has {length}")
        }
        ValidationErrorKind::Minimum { limit } => format!("must be at least {}, is {instance}", plain(limit)),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {}, is {instance}", plain(limit)),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} {}", items(*limit)),
        ValidationErrorKind::MaxItems { limit } => {
            let length = instance.as_array().map_or(0, Vec::len);
            format!("must have at most {limit} {}, has {length}", items(*limit))
        }
        ValidationErrorKind::MaxProperties { limit } => {
            let length = instance.as_object().map_or(0, serde_json::Map::len);
            format!("must have at most {limit} entries, has {length}")
        }
        other => format!("breaks the schema's `{}`", other.keyword()),
    };
    Fault::new(field, message)
}

/// A JSON value's type with its article.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean (quote it to make it a string)",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn article(type_name: &str) -> String {
    match type_name {
        "integer" => "a whole number".to_owned(),
        "object" => "an object".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => format!("a {other}"),
    }
}

fn items(count: u64) -> &'static str {
    if count == 1 { "item" } else { "items" }
}

fn list(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten();
    options
        .map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A bound without the fraction that its type gives it.
fn plain(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// `, not ...`, but never what a header holds: it may be a secret.
fn quoted(field: &str, value: &Value) -> String {
    match value.as_str() {
        Some(text) if !field.starts_with("spec.headers") => {
            let start: String = text.chars().take(QUOTED).collect();
            let rest = if start.len() < text.len() { "..." } else { "" };
            format!(", not `{start}{rest}`")
        }
        _ => String::new(),
    }
}

fn path(location: &Location) -> String {
    location.iter().fold(String::new(), |path, segment| match segment {
        LocationSegment::Index(index) => format!("{path}[{index}]"),
        LocationSegment::Property(name) => child(&path, &name).into_owned(),
    })
}
