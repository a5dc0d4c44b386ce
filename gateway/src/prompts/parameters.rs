//! Parameters of requests to models: what targets and prompts say where the request itself says nothing.

use bytes::Bytes;
use crds::prompt_template::{Parameters, ResponseFormat};
use serde_json::json;

/// A parameter that has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    Temperature,
    TopP,
    /// Longest answer, in tokens.
    MaxTokens,
    Seed,
    Stop,
    ResponseFormat,
}

/// Defaults, each as the JSON that `OpenAI`'s dialect has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults([Option<Bytes>; Parameter::ALL.len()]);

/// What `OpenAI` calls `json_schema`.
#[derive(serde::Serialize)]
struct Shape<'a> {
    name: &'a str,
    schema: &'a serde_json::value::RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl Parameter {
    pub const ALL: [Self; 6] = [
        Self::Temperature,
        Self::TopP,
        Self::MaxTokens,
        Self::Seed,
        Self::Stop,
        Self::ResponseFormat,
    ];
}

impl Defaults {
    pub fn of(parameters: &Parameters, format: Option<&ResponseFormat>) -> Self {
        let Parameters {
            temperature,
            top_p,
            max_tokens,
            seed,
            stop,
        } = parameters;
        let integer = |number: &Option<i64>| number.map(|number| number.to_string());
        Self(
            [
                temperature.as_deref().map(number),
                top_p.as_deref().map(number),
                integer(max_tokens),
                integer(seed),
                (!stop.is_empty()).then(|| json!(stop).to_string()),
                format.and_then(json_schema),
            ]
            .map(|text| text.map(Bytes::from)),
        )
    }

    pub fn get(&self, parameter: Parameter) -> Option<&Bytes> {
        self.0[parameter as usize].as_ref()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// A decimal text as JSON has it: without zeros in front.
fn number(text: &str) -> String {
    let significant = text.trim_start_matches('0');
    match significant.as_bytes().first() {
        None | Some(b'.') => format!("0{significant}"),
        Some(_) => significant.to_owned(),
    }
}

/// The schema goes in as it is written, so that the order of its keys is kept: models see it.
fn json_schema(format: &ResponseFormat) -> Option<String> {
    let ResponseFormat { name, schema, strict } = format;
    let shape = Shape {
        name,
        schema: serde_json::from_str(schema).ok()?,
        strict: *strict,
    };
    let shape = serde_json::to_string(&shape).ok()?;
    Some(format!(r#"{{"type":"json_schema","json_schema":{shape}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_json_whatever_the_decimal_looks_like() {
        for (text, expected) in [("0.70", "0.70"), ("00.5", "0.5"), ("0", "0"), ("010", "10"), ("2", "2")] {
            assert_eq!(number(text), expected);
            assert!(serde_json::from_str::<f64>(expected).is_ok());
        }
        let format = ResponseFormat {
            name: "n".to_owned(),
            schema: r#"{"type": "object", "a": 1.50}"#.to_owned(),
            strict: Some(true),
        };
        let parameters = Parameters {
            stop: vec!["\"".to_owned()],
            seed: Some(-3),
            ..Parameters::default()
        };
        let defaults = Defaults::of(&parameters, Some(&format));
        let text = |parameter| defaults.get(parameter).map(|json| std::str::from_utf8(json).unwrap());
        assert_eq!(text(Parameter::Seed), Some("-3"));
        assert_eq!(text(Parameter::Stop), Some(r#"["\""]"#));
        assert_eq!(
            text(Parameter::ResponseFormat),
            Some(
                r#"{"type":"json_schema","json_schema":{"name":"n","schema":{"type": "object", "a": 1.50},"strict":true}}"#
            )
        );
        assert_eq!(text(Parameter::TopP), None);
    }
}
