//! The fields of a request for a message, and the vendor's words for what is wrong with one.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::simulator::fields::{self, Field, Shape, Wrong, nullable, required};

/// What the vendor's newer version knows no more.
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];
/// The version without them.
const WITHOUT_SAMPLING: &str = "2026-10-21";

/// After `MessageCreateParamsBase` of anthropic 2.13.0 for Python, with the sampling of the older version.
const FIELDS: &[Field] = &[
    required(
        "max_tokens",
        Shape::Integer {
            least: 0,
            most: i64::MAX,
        },
    ),
    required("messages", Shape::Elsewhere),
    required("model", Shape::Text),
    nullable("cache_control", Shape::Object),
    nullable("container", Shape::Unsupported),
    nullable("diagnostics", Shape::Unsupported),
    nullable("inference_geo", Shape::Text),
    required("metadata", Shape::Object),
    required("output_config", Shape::Elsewhere),
    required("service_tier", Shape::OneOf(&["auto", "standard_only"])),
    nullable("speed", Shape::OneOf(&["standard", "fast"])),
    required("stop_sequences", Shape::Texts),
    required("stream", Shape::Boolean),
    required("system", Shape::Elsewhere),
    required("temperature", Shape::Decimal { least: 0.0, most: 1.0 }),
    required("thinking", Shape::Elsewhere),
    required("tool_choice", Shape::Elsewhere),
    required("tools", Shape::Elsewhere),
    required(
        "top_k",
        Shape::Integer {
            least: 0,
            most: i64::MAX,
        },
    ),
    required("top_p", Shape::Decimal { least: 0.0, most: 1.0 }),
];

/// After `MessageCountTokensParams` of the same.
const COUNTED: &[Field] = &[
    required("messages", Shape::Elsewhere),
    required("model", Shape::Text),
    nullable("cache_control", Shape::Object),
    required("output_config", Shape::Elsewhere),
    nullable("speed", Shape::OneOf(&["standard", "fast"])),
    required("system", Shape::Elsewhere),
    required("thinking", Shape::Elsewhere),
    required("tool_choice", Shape::Elsewhere),
    required("tools", Shape::Elsewhere),
];

/// Checks each field for itself, as the version has them. `lenient` lets pass what is unknown or not imitated.
pub(super) fn check(fields: &Map<String, Value>, version: &str, lenient: bool) -> Result<(), Refusal> {
    let removed = SAMPLING.into_iter().find(|name| fields.contains_key(*name));
    match removed {
        Some(name) if version >= WITHOUT_SAMPLING && !lenient => Err(Refusal::extra(name)),
        _ => fields::check(FIELDS, fields, lenient, refuse),
    }
}

/// The same for a request to count its tokens.
pub(super) fn check_counted(fields: &Map<String, Value>, lenient: bool) -> Result<(), Refusal> {
    fields::check(COUNTED, fields, lenient, refuse)
}

fn refuse(name: &str, shape: Option<&Shape>, _: &Value, wrong: Wrong<'_>) -> Refusal {
    match wrong {
        Wrong::Unknown => Refusal::extra(name),
        Wrong::Unsupported => Refusal::unsupported(name),
        Wrong::UnsupportedItem(at) => Refusal::unsupported(&format!("{name}.{at}")),
        Wrong::Value(_, supported) => Refusal::wrong_value(name, supported),
        Wrong::Long(most, _) => Refusal::at(name, &format!("List should have at most {most} items")),
        Wrong::Below(bound) => Refusal::at(name, &format!("Input should be greater than or equal to {bound}")),
        Wrong::Above(bound) => Refusal::at(name, &format!("Input should be less than or equal to {bound}")),
        Wrong::Type => Refusal::wrong_type(name, expected(shape)),
    }
}

fn expected(shape: Option<&Shape>) -> &'static str {
    match shape {
        Some(Shape::Boolean) => "boolean",
        Some(Shape::Integer { .. }) => "integer",
        Some(Shape::Decimal { .. }) => "number",
        Some(Shape::Object) => "dictionary",
        Some(Shape::Texts | Shape::Stop | Shape::Modalities) => "list",
        Some(Shape::Text | Shape::OneOf(_) | Shape::Elsewhere | Shape::Unsupported) | None => "string",
    }
}
