//! A client's request, in the dialect in which it came, and its body for a target, in the dialect that the target speaks.

use bytes::Bytes;
use crds::provider::Dialect;
use http::HeaderMap;

use super::{
    dialect::{
        anthropic::{
            self,
            request::MessagesRequest,
            translate::{read_request as read_anthropic, write_request as write_anthropic},
        },
        openai::{
            request::{ChatRequest, Error},
            translate::{read_request as read_openai, write_request as write_openai},
        },
    },
    failure::Failure,
};
use crate::{
    config::resolved::Target,
    prompts::{parameters::Parameter, request::Asked, selection::Choice},
};

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
            Self::Anthropic(request) => request.session.as_deref(),
        }
    }

    /// Length of what the model reads, in bytes, for estimates.
    pub fn prompt_bytes(&self) -> usize {
        match self {
            Self::OpenAi(request) => request.messages_bytes,
            Self::Anthropic(request) => request.prompt_bytes,
        }
    }

    /// What it says of prompts; most requests say nothing.
    pub fn asked(&self) -> Option<&Asked> {
        match self {
            Self::OpenAi(request) => request.asked.as_deref(),
            Self::Anthropic(request) => request.asked.as_deref(),
        }
    }

    /// What was made of that.
    pub fn choice(&self) -> &Choice {
        match self {
            Self::OpenAi(request) => &request.choice,
            Self::Anthropic(request) => &request.choice,
        }
    }

    pub fn choose(&mut self, choice: Choice) {
        match self {
            Self::OpenAi(request) => request.choice = choice,
            Self::Anthropic(request) => request.choice = choice,
        }
    }

    /// Whether the client says itself which shape its answer is to have.
    pub fn has_own_format(&self) -> bool {
        match self {
            Self::OpenAi(request) => request.sets(Parameter::ResponseFormat),
            Self::Anthropic(request) => request.sets(Parameter::ResponseFormat),
        }
    }

    pub fn has_messages(&self) -> bool {
        match self {
            Self::OpenAi(request) => request.has_messages(),
            Self::Anthropic(request) => request.has_messages(),
        }
    }

    /// What is wrong with a request that has no messages, and whose prompt gives none.
    pub fn check_messages(&self) -> Result<(), Error> {
        match self {
            Self::OpenAi(request) => request.check_messages(),
            Self::Anthropic(request) => request.check_messages(),
        }
    }

    /// The body for a target: edits of the client's where the target speaks the same dialect, else a translation.
    pub fn body_for(&self, target: &Target) -> Result<Vec<Bytes>, Failure> {
        let translated = match (self, target.dialect) {
            (Self::OpenAi(request), Dialect::OpenAI) => return Ok(request.body_for(target)?),
            (Self::Anthropic(request), Dialect::Anthropic) => return request.body_for(target),
            (Self::OpenAi(request), Dialect::Anthropic) => {
                let asked = write_anthropic::Asked {
                    model: &target.model,
                    max_output_tokens: target.max_output_tokens,
                };
                let body = request.body_for(target)?.concat();
                write_anthropic::write_request(&read_openai::read_request(&body)?, asked)?
            }
            (Self::Anthropic(request), Dialect::OpenAI) => {
                let asked = write_openai::Asked {
                    model: &target.model,
                    output_limit_field: target.output_limit_field,
                };
                let mut read = read_anthropic::read_request(&request.bare_body_for(target))?;
                anthropic::put(request, target, request.choice.prompt_at(target), &mut read)?;
                write_openai::write_request(&read, asked)?
            }
        };
        Ok(vec![translated.into()])
    }

    /// Headers of the client that the target must see to read the body as it was meant.
    pub fn add_headers(&self, target: &Target, headers: &mut HeaderMap) {
        if let (Self::Anthropic(request), Dialect::Anthropic) = (self, target.dialect) {
            for (name, value) in request.headers_for(target) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}
