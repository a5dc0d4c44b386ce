//! A client's request, in the dialect in which it came, and its body for a target, in the dialect that the target speaks.

use bytes::Bytes;
use crds::provider::Dialect;
use http::HeaderMap;

use super::{
    canonical::Inexpressible,
    dialect::{
        anthropic::{
            request::MessagesRequest,
            translate::{read_request as read_anthropic, write_request as write_anthropic},
        },
        openai::{
            request::ChatRequest,
            translate::{read_request as read_openai, write_request as write_openai},
        },
    },
};
use crate::config::resolved::Target;

/// A request, scanned once.
#[derive(Clone, Debug)]
pub enum ClientRequest {
    OpenAi(ChatRequest),
    Anthropic(MessagesRequest),
}

impl ClientRequest {
    /// What the client speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::OpenAi(_) => Dialect::OpenAI,
            Self::Anthropic(_) => Dialect::Anthropic,
        }
    }

    /// As it came.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::OpenAi(request) => &request.body,
            Self::Anthropic(request) => &request.body,
        }
    }

    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi(request) => &request.model,
            Self::Anthropic(request) => &request.model,
        }
    }

    pub fn stream(&self) -> bool {
        match self {
            Self::OpenAi(request) => request.stream,
            Self::Anthropic(request) => request.stream,
        }
    }

    /// Who the request is for, as the client names them.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::OpenAi(request) => request.user.as_deref(),
            Self::Anthropic(request) => request.user.as_deref(),
        }
    }

    /// What the client says makes requests one session, in the body.
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::OpenAi(request) => request.session.as_deref(),
            Self::Anthropic(_) => None,
        }
    }

    /// Length of what the model reads, in bytes, for estimates.
    pub fn prompt_bytes(&self) -> usize {
        match self {
            Self::OpenAi(request) => request.messages_bytes,
            Self::Anthropic(request) => request.prompt_bytes,
        }
    }

    /// The body for a target: edits of the client's where the target speaks the same dialect, else a translation.
    pub fn body_for(&self, target: &Target) -> Result<Vec<Bytes>, Inexpressible> {
        let translated = match (self, target.dialect) {
            (Self::OpenAi(request), Dialect::OpenAI) => return Ok(request.body_for(&target.model_json)),
            (Self::Anthropic(request), Dialect::Anthropic) => return Ok(request.body_for(&target.model_json)),
            (Self::OpenAi(request), Dialect::Anthropic) => {
                let body = request.body_for(&target.model_json).concat();
                let asked = write_anthropic::Asked {
                    model: &target.model,
                    max_output_tokens: target.max_output_tokens,
                };
                write_anthropic::write_request(&read_openai::read_request(&body)?, asked)?
            }
            (Self::Anthropic(request), Dialect::OpenAI) => {
                let body = request.body_for(&target.model_json).concat();
                let asked = write_openai::Asked {
                    model: &target.model,
                    output_limit_field: target.output_limit_field,
                };
                write_openai::write_request(&read_anthropic::read_request(&body)?, asked)?
            }
        };
        Ok(vec![translated.into()])
    }

    /// Headers of the client that the target must see to read the body as it was meant.
    pub fn add_headers(&self, target: &Target, headers: &mut HeaderMap) {
        if let (Self::Anthropic(request), Dialect::Anthropic) = (self, target.dialect) {
            for (name, value) in request.headers() {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}
