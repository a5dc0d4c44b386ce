//! The vendor's error object, and its words for what it refuses.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::simulator::behaviour::Behaviour;
use crate::simulator::endpoint::Failure;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    retry_after_seconds: Option<u64>,
    kind: &'static str,
    message: String,
}

impl Refusal {
    /// 400.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            retry_after_seconds: None,
            kind: "invalid_request_error",
            message: message.into(),
        }
    }

    /// 400 for what is found at a place, for instance `messages.0.role`.
    pub(crate) fn at(place: &str, message: &str) -> Self {
        Self::invalid(format!("{place}: {message}"))
    }

    fn other(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            retry_after_seconds: None,
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn missing(place: &str) -> Self {
        Self::at(place, "Field required")
    }

    pub(crate) fn extra(place: &str) -> Self {
        Self::at(place, "Extra inputs are not permitted")
    }

    pub(crate) fn unsupported(place: &str) -> Self {
        Self::at(place, "not supported with this model")
    }

    /// `expected` is string, boolean, integer, number, dictionary or list.
    pub(crate) fn wrong_type(place: &str, expected: &str) -> Self {
        Self::at(place, &format!("Input should be a valid {expected}"))
    }

    pub(crate) fn wrong_value(place: &str, supported: &[&str]) -> Self {
        Self::at(place, &format!("Input should be {}", listed(supported, " or ")))
    }

    /// The type of a block or tool is none of those expected.
    pub(crate) fn wrong_tag(place: &str, found: &str, expected: &[&str]) -> Self {
        let expected = listed(expected, ", ");
        let message =
            format!("Input tag '{found}' found using 'type' does not match any of the expected tags: {expected}");
        Self::at(place, &message)
    }

    pub(crate) fn body(status: StatusCode, message: String) -> Self {
        let kind = if status == StatusCode::PAYLOAD_TOO_LARGE {
            "request_too_large"
        } else {
            "invalid_request_error"
        };
        Self::other(status, kind, message)
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        Self::other(StatusCode::NOT_FOUND, "not_found_error", format!("model: {model}"))
    }

    pub(crate) fn no_such_url() -> Self {
        Self::other(StatusCode::NOT_FOUND, "not_found_error", "Not found")
    }

    pub(crate) fn wrong_method() -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::other(status, "invalid_request_error", "Method Not Allowed")
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::other(StatusCode::UNAUTHORIZED, "authentication_error", message)
    }

    /// The vendor's error of this status, as a fault that the behaviour chose.
    pub(crate) fn fault(status: u16, model: &str, behaviour: &Behaviour) -> Self {
        let (kind, message) = match status {
            401 => ("authentication_error", "invalid x-api-key"),
            402 => (
                "billing_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
            403 => (
                "permission_error",
                "Your API key does not have permission to use the specified resource.",
            ),
            404 => return Self::unknown_model(model),
            413 => ("request_too_large", "Request exceeds the maximum size"),
            429 => (
                "rate_limit_error",
                "This request would exceed your organization's rate limit of 50 requests per minute.",
            ),
            504 => ("timeout_error", "Request timed out"),
            529 => ("overloaded_error", "Overloaded"),
            500.. => ("api_error", "Internal server error"),
            _ => ("invalid_request_error", "Simulated error"),
        };
        let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            retry_after_seconds: matches!(status, 429 | 503).then_some(behaviour.retry_after_seconds),
            ..Self::other(status_code, kind, message)
        }
    }

    pub(crate) fn failure(&self, id: &str) -> Failure {
        Failure {
            status: self.status,
            retry_after_seconds: self.retry_after_seconds,
            body: self.body_text(id),
        }
    }

    pub(crate) fn body_text(&self, id: &str) -> String {
        let (kind, message) = (json!(self.kind), json!(self.message));
        format!(r#"{{"type":"error","error":{{"type":{kind},"message":{message}}},"request_id":"{id}"}}"#)
    }
}

/// A required text of an object.
pub(super) fn text_of<'a>(object: &'a Map<String, Value>, name: &str, at: &str) -> Result<&'a str, Refusal> {
    match object.get(name) {
        Some(Value::String(text)) => Ok(text),
        None => Err(Refusal::missing(&format!("{at}.{name}"))),
        Some(_) => Err(Refusal::wrong_type(&format!("{at}.{name}"), "string")),
    }
}

/// Refuses a member that is none of these.
pub(super) fn only(at: &str, object: &Map<String, Value>, known: &[&str], lenient: bool) -> Result<(), Refusal> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) if !lenient => Err(Refusal::extra(&format!("{at}.{name}"))),
        _ => Ok(()),
    }
}

/// Quoted, with `last` before the last one.
fn listed(values: &[&str], last: &str) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
    match quoted.as_slice() {
        [front @ .., end] if !front.is_empty() => format!("{}{last}{end}", front.join(", ")),
        _ => quoted.concat(),
    }
}
