//! Why what a provider sent is no answer.

use super::{document::Wrong, json::Malformed, upstream_error::UpstreamError};

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the provider sent what is not JSON: {0}")]
    Json(#[from] Malformed),
    #[error("the provider sent JSON that is no chat completion: `{0}` is missing or of the wrong type")]
    Shape(&'static str),
    #[error("the provider sent JSON that is no answer: {0}")]
    Member(#[from] Wrong),
    #[error("the provider reported an error: {}", .0.message)]
    Reported(UpstreamError),
}

impl Fault {
    /// The error that the provider's own text tells.
    pub fn reported(text: &[u8]) -> Self {
        Self::Reported(UpstreamError::read(text))
    }
}
