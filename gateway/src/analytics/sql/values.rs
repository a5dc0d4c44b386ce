//! Values of the engine as JSON. What a JSON number cannot hold exactly is text.

use duckdb::types::{TimeUnit, Value};
use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan};
use serde_json::{Map, Number, Value as Json};

use crate::analytics::system::rfc3339;

pub(super) fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::TinyInt(value) => value.into(),
        Value::SmallInt(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::BigInt(value) => value.into(),
        Value::UTinyInt(value) => value.into(),
        Value::USmallInt(value) => value.into(),
        Value::UInt(value) => value.into(),
        Value::UBigInt(value) => value.into(),
        Value::HugeInt(value) => i64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from),
        Value::UHugeInt(value) => u64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from),
        Value::Float(value) => float(value.into()),
        Value::Double(value) => float(value),
        Value::Timestamp(unit, value) => rfc3339(micros(unit, value)).into(),
        Value::Text(text) | Value::Enum(text) => text.into(),
        Value::Date32(days) => date(days),
        Value::Time64(unit, value) => SignedDuration::from_micros(micros(unit, value)).to_string().into(),
        Value::List(values) | Value::Array(values) => values.into_iter().map(json).collect(),
        Value::Struct(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), json(value.clone())))
                .collect(),
        ),
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| (text(json(key.clone())), json(value.clone())))
                .collect::<Map<_, _>>(),
        ),
        Value::Union(value) => json(*value),
        other => format!("{other:?}").into(),
    }
}

/// About how long a value is in an answer.
pub(super) fn length(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len() + 3,
        Json::Array(_) | Json::Object(_) => value.to_string().len(),
        _ => 8,
    }
}

/// What no number is (infinite, undefined) is text.
fn float(value: f64) -> Json {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number)
}

fn text(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

fn date(days: i32) -> Json {
    let epoch = Date::constant(1970, 1, 1);
    epoch
        .checked_add(i64::from(days).days())
        .map_or_else(|_| days.into(), |date| date.to_string().into())
}

fn micros(unit: TimeUnit, value: i64) -> i64 {
    match unit {
        TimeUnit::Second => value.saturating_mul(1_000_000),
        TimeUnit::Millisecond => value.saturating_mul(1000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value / 1000,
    }
}
