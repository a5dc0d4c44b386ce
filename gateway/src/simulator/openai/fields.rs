//! The fields of a chat request, as a table: type, range, and whether null stands for absent.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// What a field may hold.
enum Shape {
    Text,
    Boolean,
    Integer {
        least: i64,
        most: i64,
    },
    Decimal {
        least: f64,
        most: f64,
    },
    OneOf(&'static [&'static str]),
    Object,
    /// One text or up to four.
    Stop,
    /// Text only: sound is not imitated.
    Modalities,
    /// Checked where it is read.
    Elsewhere,
    /// Known to the vendor, not imitated here.
    Unsupported,
}

struct Field {
    name: &'static str,
    nullable: bool,
    shape: Shape,
}

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
    for (name, value) in fields {
        match FIELDS.iter().find(|field| field.name == name) {
            None if !lenient => return Err(Refusal::unknown(name)),
            Some(field) if !field.passes(value, lenient) => shape(name, &field.shape, value)?,
            _ => {}
        }
    }
    Ok(())
}

impl Field {
    /// Whether the value needs no look.
    fn passes(&self, value: &Value, lenient: bool) -> bool {
        (self.nullable && value.is_null()) || (lenient && matches!(self.shape, Shape::Unsupported))
    }
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        nullable: false,
        shape,
    }
}

const fn nullable(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        nullable: true,
        shape,
    }
}

fn shape(name: &str, shape: &Shape, value: &Value) -> Result<(), Refusal> {
    let expected = match (shape, value) {
        (Shape::Text | Shape::Stop, Value::String(_))
        | (Shape::Boolean, Value::Bool(_))
        | (Shape::Object, Value::Object(_))
        | (Shape::Elsewhere, _) => return Ok(()),
        (Shape::Unsupported, _) => return Err(Refusal::unsupported(name)),
        (Shape::Integer { least, most }, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            let found = number.as_i64().unwrap_or(i64::MAX);
            return range(
                name,
                value,
                &found,
                least,
                most,
                ["integer_below_min_value", "integer_above_max_value"],
            );
        }
        (Shape::Decimal { least, most }, Value::Number(number)) => {
            let found = number.as_f64().unwrap_or(f64::MAX);
            return range(
                name,
                value,
                &found,
                least,
                most,
                ["decimal_below_min_value", "decimal_above_max_value"],
            );
        }
        (Shape::OneOf(supported), Value::String(found)) => {
            return if supported.contains(&found.as_str()) {
                Ok(())
            } else {
                Err(Refusal::wrong_value(name, found, supported))
            };
        }
        (Shape::Stop, Value::Array(texts)) if texts.iter().all(Value::is_string) => {
            return if texts.len() > 4 {
                Err(Refusal::long_array(name, 4, texts.len()))
            } else {
                Ok(())
            };
        }
        (Shape::Modalities, Value::Array(kinds)) => {
            let other = kinds.iter().position(|kind| kind != "text");
            return other.map_or(Ok(()), |at| Err(Refusal::unsupported(&format!("{name}[{at}]"))));
        }
        (Shape::Text | Shape::OneOf(_), _) => "a string",
        (Shape::Boolean, _) => "a boolean",
        (Shape::Integer { .. }, _) => "an integer",
        (Shape::Decimal { .. }, _) => "a decimal",
        (Shape::Object, _) => "an object",
        (Shape::Stop, _) => "one of a string or array of strings",
        (Shape::Modalities, _) => "an array of strings",
    };
    Err(Refusal::wrong_type(name, expected, value))
}

fn range<T: PartialOrd + ToString>(
    name: &str,
    value: &Value,
    found: &T,
    least: &T,
    most: &T,
    codes: [&'static str; 2],
) -> Result<(), Refusal> {
    if found < least {
        return Err(Refusal::out_of_range(name, least, value, codes[0]));
    }
    if found > most {
        return Err(Refusal::out_of_range(name, most, value, codes[1]));
    }
    Ok(())
}
