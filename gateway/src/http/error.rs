//! Errors as clients see them: the only mapping from failures to HTTP statuses.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use crds::snapshot::Role;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    capture::record::Outcome,
    config::resolved::Target,
    prompts::{prompt, selection},
    providers::{canonical::Inexpressible, dialect::openai::request, failure::Failure},
};

/// Which contract a path follows where they contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// `/v1`: `OpenAI`'s.
    OpenAi,
    /// `/api/v1`: `OpenRouter`'s.
    OpenRouter,
    /// `/messages` below both: `Anthropic`'s.
    Anthropic,
}

/// An error answer.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    code: String,
    kind: &'static str,
    pub message: String,
    param: Option<String>,
    retry_after: Option<Duration>,
    metadata: Option<Box<Metadata>>,
}

#[derive(Clone, Debug)]
struct Metadata {
    error_type: &'static str,
    provider: Option<String>,
    provider_status: Option<u16>,
    attempts: usize,
}

const INVALID: &str = "invalid_request_error";
const OVERLOADED: &str = "provider_overloaded";
/// `Anthropic`'s own for it.
const OVERLOADED_STATUS: u16 = 529;

impl ApiError {
    fn new(status: StatusCode, code: &str, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            metadata: None,
        }
    }

    pub fn missing_key() -> Self {
        let message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", INVALID, message)
    }

    /// It comes from this machine, for somebody elsewhere.
    pub fn key_for_elsewhere() -> Self {
        let message = "This request needs an API key, since its Host or Origin is not this machine. Send the header Authorization: Bearer YOUR_KEY, or use localhost or 127.0.0.1 without a proxy.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", INVALID, message)
    }

    pub fn wrong_key() -> Self {
        let message = "Incorrect API key provided. Keys are Secrets with the label routeswitch.io/api-key: \"true\".";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", INVALID, message)
    }

    pub fn role_too_low(needed: Role) -> Self {
        let message = format!("This key may not do that: it needs the role {needed:?}.");
        Self::new(StatusCode::FORBIDDEN, "insufficient_permissions", INVALID, message)
    }

    pub fn model_not_found(model: &str) -> Self {
        let shown: String = model.chars().take(253).collect();
        let message = format!("The model `{shown}` does not exist or you do not have access to it.");
        let error = Self::new(StatusCode::NOT_FOUND, "model_not_found", INVALID, message);
        Self {
            param: Some("model".to_owned()),
            ..error
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", INVALID, what)
    }

    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_value", INVALID, message);
        Self {
            param: Some(param.to_owned()),
            ..error
        }
    }

    pub fn body_too_long(limit_bytes: usize) -> Self {
        let message = format!("The request's body is longer than {} MiB.", limit_bytes / (1024 * 1024));
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", INVALID, message)
    }

    pub fn body_broken() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            INVALID,
            "The request's body broke off.",
        )
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            INVALID,
            "This path does not take this method.",
        )
    }

    /// Something of which there is only one is in use.
    pub fn occupied(what: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "occupied", "rate_limit_error", what);
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..error
        }
    }

    /// Something of ours does not work; `what` says what, without secrets.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "server_error", what)
    }

    /// A pod of the fleet does not answer that alone can.
    pub fn pod_missing(ordinal: u32) -> Self {
        let message = format!("The gateway pod {ordinal}, which has this generation, does not answer now. Try again.");
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "pod_missing", "server_error", message);
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..error
        }
    }

    /// The gateway ends and cannot wait for the rest of the answer.
    pub fn stopping() -> Self {
        let message = "The gateway was stopped before the answer had come to its end. Send the request again.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "gateway_stopping",
            "server_error",
            message,
        )
    }

    /// The Route has no usable target.
    pub fn no_target(route: &str) -> Self {
        let message = format!(
            "No target of the Route {route} can be used: its Providers are missing, or may not be used from there."
        );
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_target", "server_error", message);
        Self {
            metadata: Some(Box::new(Metadata {
                error_type: "no_target",
                provider: None,
                provider_status: None,
                attempts: 0,
            })),
            ..error
        }
    }

    /// What the last target's failure means for the client.
    pub fn upstream(target: &Target, failure: &Failure, attempts: usize) -> Self {
        if let Failure::Prompt(error) = failure {
            return error.into();
        }
        let provider = target.provider.to_string();
        if let Failure::Inexpressible(problem) = failure {
            return Self::inexpressible(provider, problem, attempts);
        }
        let (status, code, kind, error_type) = match (failure.outcome(), failure.status()) {
            (Outcome::ClientError, Some(status)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                (status, "invalid_request", INVALID, "invalid_request")
            }
            (Outcome::RateLimited, Some(_)) => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                "rate_limit_error",
                "rate_limit_exceeded",
            ),
            (Outcome::Timeout, _) => (StatusCode::GATEWAY_TIMEOUT, "timeout", "server_error", "timeout"),
            (_, Some(401 | 403)) => (
                StatusCode::BAD_GATEWAY,
                "provider_authentication",
                "server_error",
                "provider_unavailable",
            ),
            (_, Some(503 | 529)) | (Outcome::RateLimited, None) => (
                StatusCode::SERVICE_UNAVAILABLE,
                OVERLOADED,
                "server_error",
                "provider_overloaded",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "provider_unavailable",
                "server_error",
                "provider_unavailable",
            ),
        };
        let mut error = Self::new(status, code, kind, upstream_message(&provider, failure));
        if let Failure::Status { error: said, .. } = failure
            && failure.is_clients_own()
        {
            error.message.clone_from(&said.message);
            error.param.clone_from(&said.param);
            error.code = said.code.clone().unwrap_or(error.code);
        }
        error.retry_after = failure.retry_after();
        error.metadata = Some(Box::new(Metadata {
            error_type,
            provider: Some(provider),
            provider_status: failure.status(),
            attempts,
        }));
        error
    }

    /// The request asks for something that no target could be asked for.
    fn inexpressible(provider: String, problem: &Inexpressible, attempts: usize) -> Self {
        let message = format!("The provider {provider} cannot be asked for this: {problem}.");
        let error = Self::new(StatusCode::BAD_REQUEST, "unsupported_parameter", INVALID, message);
        Self {
            param: Some(problem.field.clone()),
            metadata: Some(Box::new(Metadata {
                error_type: "unsupported_parameter",
                provider: Some(provider),
                provider_status: None,
                attempts,
            })),
            ..error
        }
    }

    /// The status that says it in this contract.
    pub fn status_for(&self, contract: Contract) -> StatusCode {
        match contract {
            Contract::Anthropic if self.code == OVERLOADED => {
                StatusCode::from_u16(OVERLOADED_STATUS).unwrap_or(self.status)
            }
            _ => self.status,
        }
    }

    /// `Anthropic`'s word for it.
    fn anthropic_type(&self) -> &'static str {
        match self.status.as_u16() {
            _ if self.code == OVERLOADED => "overloaded_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            400..=499 => "invalid_request_error",
            _ => "api_error",
        }
    }

    /// The error in its envelope; `id` is that of the generation that it ended.
    pub fn body(&self, contract: Contract, id: Option<&str>) -> Value {
        match contract {
            Contract::OpenAi | Contract::OpenRouter => json!({ "error": self.object(contract) }),
            Contract::Anthropic => json!({
                "type": "error",
                "error": { "type": self.anthropic_type(), "message": self.message },
                "request_id": id,
            }),
        }
    }

    /// The error object, without its envelope, for `OpenAI`'s contract and `OpenRouter`'s.
    pub fn object(&self, contract: Contract) -> Value {
        let code = match contract {
            Contract::OpenRouter => json!(self.status.as_u16()),
            Contract::OpenAi | Contract::Anthropic => json!(self.code),
        };
        let mut object = json!({ "message": self.message, "type": self.kind, "param": self.param, "code": code });
        if let Some(Metadata {
            error_type,
            provider,
            provider_status,
            attempts,
        }) = self.metadata.as_deref()
        {
            object["metadata"] = json!({
                "status": provider_status, "error_type": error_type, "provider": provider, "attempts": attempts,
            });
        }
        object
    }

    pub fn respond(self, contract: Contract) -> Response {
        self.respond_of(None, contract)
    }

    /// The answer to a request that became a generation, with its `id`.
    pub fn respond_of(self, id: Option<&str>, contract: Contract) -> Response {
        let body = self.body(contract, id).to_string();
        let status = self.status_for(contract);
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)),
            );
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<&request::Error> for ApiError {
    fn from(error: &request::Error) -> Self {
        let code = match error {
            request::Error::Json(_) => "invalid_json",
            request::Error::Missing(_) => "missing_required_parameter",
            request::Error::Type { .. } => "invalid_type",
            request::Error::Empty(_) => "empty_array",
            request::Error::NotBuilt(_) => "unsupported_parameter",
            request::Error::Twice(_) => "invalid_value",
        };
        let answer = Self::new(StatusCode::BAD_REQUEST, code, INVALID, error.to_string());
        Self {
            param: error.field().map(str::to_owned),
            ..answer
        }
    }
}

impl From<&prompt::Error> for ApiError {
    fn from(error: &prompt::Error) -> Self {
        let code = match error {
            prompt::Error::NotAnObject(_) => "invalid_type",
            prompt::Error::Variable { fault, .. } => match fault {
                prompt::Fault::Missing => "missing_required_parameter",
                prompt::Fault::Unknown => "unknown_parameter",
                prompt::Fault::NotOfType(_) => "invalid_type",
                prompt::Fault::NotJson | prompt::Fault::NotAllowed(_) => "invalid_value",
                prompt::Fault::TooLong(_) => "string_above_max_length",
            },
            prompt::Error::Render { .. } => "invalid_value",
            prompt::Error::TooMuchWork(_) | prompt::Error::TooLong { .. } => "prompt_too_large",
        };
        let answer = Self::new(StatusCode::BAD_REQUEST, code, INVALID, error.to_string());
        Self {
            param: Some(error.field().to_owned()),
            ..answer
        }
    }
}

impl From<&selection::Error> for ApiError {
    fn from(error: &selection::Error) -> Self {
        let (status, code) = match error {
            selection::Error::UnknownModel(_) => (StatusCode::NOT_FOUND, "model_not_found"),
            selection::Error::UnknownPrompt { .. } => (StatusCode::BAD_REQUEST, "prompt_not_found"),
            selection::Error::UnknownVersion { .. } => (StatusCode::BAD_REQUEST, "prompt_revision_not_found"),
            selection::Error::UnknownTarget(_) => (StatusCode::BAD_REQUEST, "target_not_found"),
            selection::Error::NotOneRoute { .. } => (StatusCode::BAD_REQUEST, "ambiguous_prompt"),
            selection::Error::NoPrompt { .. } => (StatusCode::BAD_REQUEST, "unknown_parameter"),
        };
        Self {
            param: Some(error.field().to_owned()),
            ..Self::new(status, code, INVALID, error.to_string())
        }
    }
}

fn upstream_message(provider: &str, failure: &Failure) -> String {
    match failure {
        Failure::Status {
            status: status @ (401 | 403),
            ..
        } => {
            format!(
                "The provider {provider} refused the gateway's credential ({status}). This is not about your own key."
            )
        }
        Failure::Status { status: 429, error, .. } => {
            format!("The provider {provider} limits the rate: {}", error.message)
        }
        _ => format!("The provider {provider} failed: {failure}"),
    }
}
