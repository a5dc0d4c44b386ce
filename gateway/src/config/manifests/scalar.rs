//! Plain YAML scalars, read as `kubectl apply` reads them (YAML 1.1, as go-yaml has it), so that one file means the same with and
//! without a cluster: `on` is a boolean and `010` is eight.

use serde_json::{Number, Value};

/// What a plain scalar means.
#[derive(Debug, PartialEq)]
pub(super) enum Plain {
    Value(Value),
    /// A boolean that reads like a word: `y`, `no`, `on` and their like.
    Word(bool),
    /// `<<`, which merges a mapping into the one that it stands in.
    Merge,
    /// Infinite or not a number: JSON has no such value.
    NotJson,
}

/// Reads the text of a scalar that has neither quotes nor a tag.
pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Value(Value::Null),
        "true" | "True" | "TRUE" => Plain::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => Plain::Value(Value::Bool(false)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Plain::Word(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Plain::Word(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => Plain::NotJson,
        "<<" => Plain::Merge,
        _ => Plain::Value(number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)),
    }
}

/// Reads a number; anything else, dates included, is text.
fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.as_bytes().first()? {
        b'-' => ("-", &plain[1..]),
        b'+' => ("", &plain[1..]),
        _ => ("", plain.as_str()),
    };
    integer(sign, digits).or_else(|| float(&plain, digits))
}

fn integer(sign: &str, digits: &str) -> Option<Number> {
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    match i64::from_str_radix(&format!("{sign}{digits}"), base) {
        Ok(value) => Some(value.into()),
        Err(_) if sign.is_empty() => u64::from_str_radix(digits, base).ok().map(Number::from),
        Err(_) => None,
    }
}

/// `-?+?(.5|1.|1.5)(e10)?`. A whole number becomes an integer, as it does on the way to an API server.
fn float(plain: &str, digits: &str) -> Option<Number> {
    if !digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    // Below 2^53 every whole number is exact in both types.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return format!("{value:.0}").parse::<i64>().ok().map(Number::from);
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_read_as_kubectl_reads_them() {
        let table = [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("010", json!(8)),
            ("0o10", json!(8)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("08", json!(8)),
            ("1_000", json!(1000)),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("2024-01-02", json!("2024-01-02")),
            ("1.2.3", json!("1.2.3")),
            ("30s", json!("30s")),
            ("-", json!("-")),
            ("--1", json!("--1")),
            ("0x", json!("0x")),
            ("0x-1", json!("0x-1")),
            ("gpt-4o", json!("gpt-4o")),
            ("infinity", json!("infinity")),
            ("1:30", json!("1:30")),
        ];
        for (text, expected) in table {
            assert_eq!(resolve(text), Plain::Value(expected), "{text:?}");
        }
    }

    #[test]
    fn words_that_are_booleans_are_told_apart() {
        for word in ["y", "Y", "yes", "on", "ON", "Yes"] {
            assert_eq!(resolve(word), Plain::Word(true), "{word}");
        }
        for word in ["n", "No", "off"] {
            assert_eq!(resolve(word), Plain::Word(false), "{word}");
        }
        assert_eq!(resolve(".inf"), Plain::NotJson);
    }
}
