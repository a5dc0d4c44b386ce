//! The fields of a chat request, and the vendor's words for what is wrong with one.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::simulator::fields::{self, Field, Shape, Wrong, nullable, required};

const NATURAL: Shape = Shape::Integer {
    least: 1,
    most: i64::MAX,
};
const PENALTY: Shape = Shape::Decimal { least: -2.0, most: 2.0 };

/// After `CompletionCreateParamsBase` of openai 3.54.0 for Python.
const FIELDS: &[Field] = &[
    required("messages", Shape::Elsewhere),
    required("model", Shape::Text),
    nullable("audio", Shape::Unsupported),
    nullable("frequency_penalty", PENALTY),
    required("function_call", Shape::Unsupported),
    required("functions", Shape::Unsupported),
    nullable("logit_bias", Shape::Object),
    nullable("logprobs", Shape::Boolean),
    nullable("max_completion_tokens", NATURAL),
    nullable("max_tokens", NATURAL),
    nullable("metadata", Shape::Object),
    nullable("modalities", Shape::Modalities),
    nullable("moderation", Shape::Unsupported),
    nullable("n", Shape::Integer { least: 1, most: 128 }),
    required("parallel_tool_calls", Shape::Boolean),
    nullable("prediction", Shape::Unsupported),
    nullable("presence_penalty", PENALTY),
    nullable("prompt_cache_key", Shape::Text),
    required("prompt_cache_options", Shape::Object),
    nullable("prompt_cache_retention", Shape::OneOf(&["in_memory", "24h"])),
    nullable(
        "reasoning_effort",
        Shape::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    ),
    required("response_format", Shape::Elsewhere),
    nullable("safety_identifier", Shape::Text),
    nullable(
        "seed",
        Shape::Integer {
            least: i64::MIN,
            most: i64::MAX,
        },
    ),
    nullable(
        "service_tier",
        Shape::OneOf(&["auto", "default", "flex", "scale", "priority", "fast"]),
    ),
    nullable("stop", Shape::Stop),
    nullable("store", Shape::Boolean),
    nullable("stream", Shape::Boolean),
    nullable("stream_options", Shape::Elsewhere),
    nullable("temperature", Shape::Decimal { least: 0.0, most: 2.0 }),
    required("tool_choice", Shape::Elsewhere),
    required("tools", Shape::Elsewhere),
    nullable("top_logprobs", Shape::Integer { least: 0, most: 20 }),
    nullable("top_p", Shape::Decimal { least: 0.0, most: 1.0 }),
    required("user", Shape::Text),
    nullable("verbosity", Shape::OneOf(&["low", "medium", "high"])),
    required("web_search_options", Shape::Unsupported),
];

/// Checks each field for itself. `lenient` lets pass what is unknown or not imitated.
pub(super) fn check(fields: &Map<String, Value>, lenient: bool) -> Result<(), Refusal> {
    fields::check(FIELDS, fields, lenient, refuse)
}

fn refuse(name: &str, shape: Option<&Shape>, value: &Value, wrong: Wrong<'_>) -> Refusal {
    let decimal = matches!(shape, Some(Shape::Decimal { .. }));
    match wrong {
        Wrong::Unknown => Refusal::unknown(name),
        Wrong::Unsupported => Refusal::unsupported(name),
        Wrong::UnsupportedItem(at) => Refusal::unsupported(&format!("{name}[{at}]")),
        Wrong::Value(found, supported) => Refusal::wrong_value(name, found, supported),
        Wrong::Long(most, found) => Refusal::long_array(name, most, found),
        Wrong::Below(bound) if decimal => Refusal::out_of_range(name, &bound, value, "decimal_below_min_value"),
        Wrong::Below(bound) => Refusal::out_of_range(name, &bound, value, "integer_below_min_value"),
        Wrong::Above(bound) if decimal => Refusal::out_of_range(name, &bound, value, "decimal_above_max_value"),
        Wrong::Above(bound) => Refusal::out_of_range(name, &bound, value, "integer_above_max_value"),
        Wrong::Type => Refusal::wrong_type(name, expected(shape), value),
    }
}

/// What a field holds, with its article.
fn expected(shape: Option<&Shape>) -> &'static str {
    match shape {
        Some(Shape::Text | Shape::OneOf(_)) => "a string",
        Some(Shape::Boolean) => "a boolean",
        Some(Shape::Integer { .. }) => "an integer",
        Some(Shape::Decimal { .. }) => "a decimal",
        Some(Shape::Object) => "an object",
        Some(Shape::Stop) => "one of a string or array of strings",
        Some(Shape::Modalities | Shape::Texts) => "an array of strings",
        Some(Shape::Elsewhere | Shape::Unsupported) | None => "another value",
    }
}
