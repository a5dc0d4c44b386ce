//! The vendor's error object, and its words for what it refuses.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::simulator::behaviour::Behaviour;
use crate::simulator::endpoint::Failure;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    retry_after_seconds: Option<u64>,
    object: ErrorObject,
}

/// The fields of the error object in the vendor's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct ErrorObject {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ErrorObject,
}

impl Refusal {
    /// 400 without a code.
    pub(crate) fn invalid(message: String, param: &str) -> Self {
        let object = ErrorObject {
            message,
            kind: "invalid_request_error",
            param: Some(param.to_owned()),
            code: None,
        };
        Self {
            status: StatusCode::BAD_REQUEST,
            retry_after_seconds: None,
            object,
        }
    }

    fn plain(message: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(message.into(), "");
        refusal.object.param = None;
        refusal
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.object.code = Some(code);
        self
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required parameter: '{param}'."), param).coded("missing_required_parameter")
    }

    pub(crate) fn unknown(param: &str) -> Self {
        Self::invalid(format!("Unknown parameter: '{param}'."), param).coded("unknown_parameter")
    }

    pub(crate) fn unsupported(param: &str) -> Self {
        let message = format!("Unsupported parameter: '{param}' is not supported with this model.");
        Self::invalid(message, param).coded("unsupported_parameter")
    }

    /// `expected` with its article.
    pub(crate) fn wrong_type(param: &str, expected: &str, found: &Value) -> Self {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_f64() => "a decimal",
            Value::Number(_) => "an integer",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        Self::invalid(
            format!("Invalid type for '{param}': expected {expected}, but got {found} instead."),
            param,
        )
        .coded("invalid_type")
    }

    pub(crate) fn wrong_value(param: &str, found: &str, supported: &[&str]) -> Self {
        let quoted: Vec<_> = supported.iter().map(|value| format!("'{value}'")).collect();
        let listed = match quoted.as_slice() {
            [single] => single.clone(),
            [first, second] => format!("{first} and {second}"),
            [front @ .., last] => format!("{}, and {last}", front.join(", ")),
            [] => String::new(),
        };
        Self::invalid(
            format!("Invalid value: '{found}'. Supported values are: {listed}."),
            param,
        )
        .coded("invalid_value")
    }

    /// `kind` is integer or decimal; `above` names the bound that was crossed.
    pub(crate) fn out_of_range(param: &str, bound: &impl ToString, found: &Value, code: &'static str) -> Self {
        let (kind, side) = code.split_once('_').unwrap_or_default();
        let (side, sign) = if side.starts_with("above") {
            ("above maximum", "<=")
        } else {
            ("below minimum", ">=")
        };
        let bound = bound.to_string();
        let message = format!(
            "Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {found} instead."
        );
        Self::invalid(message, param).coded(code)
    }

    pub(crate) fn empty_array(param: &str) -> Self {
        let message = format!(
            "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        );
        Self::invalid(message, param).coded("empty_array")
    }

    pub(crate) fn long_array(param: &str, maximum: usize, found: usize) -> Self {
        let message = format!(
            "Invalid '{param}': array too long. Expected an array with maximum length {maximum}, but got an array with length {found} instead."
        );
        Self::invalid(message, param).coded("array_above_max_length")
    }

    pub(crate) fn wrong_name(param: &str) -> Self {
        let pattern = "^[a-zA-Z0-9_-]+$";
        let message = format!(
            "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '{pattern}'."
        );
        Self::invalid(message, param).coded("invalid_value")
    }

    pub(crate) fn wrong_schema(of: &str, reason: &str, param: &str, code: Option<&'static str>) -> Self {
        let mut refusal = Self::invalid(format!("Invalid schema for {of}: {reason}"), param);
        refusal.object.code = code;
        refusal
    }

    pub(crate) fn combination(first: &str, second: &str) -> Self {
        Self::invalid(
            format!("Setting '{first}' and '{second}' at the same time is not supported."),
            first,
        )
        .coded("invalid_parameter_combination")
    }

    pub(crate) fn image(param: &str) -> Self {
        Self::invalid(
            "Invalid image data: expected an http(s) URL or a base64 data URL of a png, jpeg, gif or webp image."
                .to_owned(),
            param,
        )
        .coded("invalid_image_url")
    }

    pub(crate) fn no_model() -> Self {
        Self::plain("you must provide a model parameter")
    }

    pub(crate) fn no_json() -> Self {
        Self::plain(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. \
             The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix \
             this, please contact us through our help center at help.openai.com.)",
        )
    }

    pub(crate) fn body(status: StatusCode, message: String) -> Self {
        Self::plain(message).with_status(status)
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::plain(message)
            .coded("model_not_found")
            .with_status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn no_such_url(method: &str, path: &str) -> Self {
        Self::plain(format!("Invalid URL ({method} {path})")).with_status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn wrong_method(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        Self::plain(message)
            .coded("method_not_supported")
            .with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(crate) fn no_key() -> Self {
        Self::plain("You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")
            .with_status(StatusCode::UNAUTHORIZED)
    }

    pub(crate) fn wrong_key(key: &str) -> Self {
        let hidden = key.chars().count().saturating_sub(4);
        let shown: String = key
            .chars()
            .enumerate()
            .map(|(at, character)| if at < hidden { '*' } else { character })
            .collect();
        let message = format!(
            "Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
        );
        Self::plain(message)
            .coded("invalid_api_key")
            .with_status(StatusCode::UNAUTHORIZED)
    }

    /// The vendor's error of this status, as a fault that the behaviour chose.
    pub(crate) fn fault(status: u16, model: &str, behaviour: &Behaviour) -> Self {
        let retry = behaviour.retry_after_seconds;
        let (message, kind, code) = match status {
            401 => return Self::wrong_key("sk-simulated-fault"),
            403 => (
                "Country, region, or territory not supported".to_owned(),
                "request_forbidden",
                Some("unsupported_country_region_territory"),
            ),
            404 => return Self::unknown_model(model),
            429 => {
                let message = format!(
                    "Rate limit reached for {model} in organization org-simulator on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in {retry}s."
                );
                (message, "requests", Some("rate_limit_exceeded"))
            }
            503 => (
                "The engine is currently overloaded, please try again later.".to_owned(),
                "server_error",
                None,
            ),
            500.. => (
                "The server had an error while processing your request. Sorry about that!".to_owned(),
                "server_error",
                None,
            ),
            _ => (format!("Simulated error {status}."), "invalid_request_error", None),
        };
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            retry_after_seconds: matches!(status, 429 | 503).then_some(retry),
            object: ErrorObject {
                message,
                kind,
                param: None,
                code,
            },
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        Failure {
            status: self.status,
            retry_after_seconds: self.retry_after_seconds,
            body: self.body_text(),
        }
    }

    pub(crate) fn body_text(&self) -> String {
        serde_json::to_string(&Envelope { error: &self.object }).expect("an error object of strings is JSON")
    }
}
