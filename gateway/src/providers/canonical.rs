//! The one form between dialects: what a request, an answer and a stream mean, whoever's words they are in.
//!
//! A dialect reads its own form into this one and writes this one in its own form. It holds what at least two dialects know;
//! what one alone knows is named to the client when another target cannot be asked for it ([`Inexpressible`]), unless it is
//! a hint that changes nothing of an answer's meaning.

pub mod answer;
pub mod event;
pub mod tally;

use super::document::{Json, Wrong};

/// What is asked of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    /// A schema that the answer must follow.
    pub format: Option<Format>,
    pub max_tokens: Option<u64>,
    pub temperature: Option<Json>,
    pub top_p: Option<Json>,
    pub top_k: Option<Json>,
    pub seed: Option<Json>,
    pub stop: Vec<String>,
    pub reasoning: Reasoning,
    /// Who the request is for, as the client names them.
    pub user: Option<String>,
    pub stream: bool,
}

/// One turn. Results of tools stand in a user's turn, before anything else of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// A part of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Text {
        text: String,
        cache_control: Option<Json>,
    },
    Image {
        source: Media,
        cache_control: Option<Json>,
    },
    Document {
        source: Media,
        name: Option<String>,
    },
    /// What the model thought, with what proves that it did.
    Reasoning {
        text: String,
        signature: Option<String>,
    },
    /// What the model thought, in a form that only its vendor reads.
    RedactedReasoning {
        data: String,
    },
    ToolCall {
        id: String,
        name: String,
        /// A JSON text, as the model wrote it.
        arguments: String,
    },
    ToolResult {
        call_id: String,
        content: Vec<Block>,
        is_error: bool,
    },
}

/// Where an image or a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    Url(String),
    Base64 { media_type: String, data: String },
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    pub schema: Option<Json>,
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    /// At least one.
    Any,
    None,
    Named(String),
}

/// Structured output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub name: Option<String>,
    pub description: Option<String>,
    pub schema: Json,
    pub strict: Option<bool>,
}

/// How much the model is to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    pub mode: Option<ReasoningMode>,
    /// `low`, `medium` and so on: vendors know the same words, and more with each model.
    pub effort: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningMode {
    Off,
    /// As much as the model sees fit.
    Adaptive,
    /// At most so many tokens.
    Budget(u64),
}

/// The dialect of a target has no words for something in the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct Inexpressible {
    pub field: String,
    pub problem: String,
}

impl Inexpressible {
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl From<Wrong> for Inexpressible {
    fn from(wrong: Wrong) -> Self {
        let Wrong { field, expected } = wrong;
        Self::new(field, format!("must be {expected}"))
    }
}

impl Block {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            cache_control: None,
        }
    }
}

impl Media {
    /// A `data:` URL is data, any other is an address.
    pub fn of_url(url: String) -> Self {
        let data = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"))
            .map(|(media_type, data)| (media_type.to_owned(), data.to_owned()));
        match data {
            Some((media_type, data)) => Self::Base64 { media_type, data },
            None => Self::Url(url),
        }
    }

    pub fn to_url(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        }
    }
}
