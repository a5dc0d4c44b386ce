//! Why a try at a provider did not give an answer, and what follows from it.

use std::time::Duration;

use crds::route::RetryOn;

use super::{canonical::Inexpressible, fault::Fault, upstream_error::UpstreamError};
use crate::{capture::record::Outcome, prompts::prompt};

/// Why a try failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The target cannot be asked for what the client wants. This says nothing of the target's health.
    #[error("the request cannot be put to this target: {0}")]
    Inexpressible(#[from] Inexpressible),
    #[error("failed to connect: {0}")]
    Connect(String),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no content within {0:?}")]
    FirstTokenTimeout(Duration),
    #[error("nothing more came within {0:?}")]
    IdleTimeout(Duration),
    #[error("no end within {0:?}")]
    TotalTimeout(Duration),
    #[error("the provider answered {status}: {}", error.message)]
    Status {
        status: u16,
        retry_after: Option<Duration>,
        error: Box<UpstreamError>,
    },
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error("the provider answered with content type `{0}`")]
    ContentType(String),
    #[error("the provider's answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the stream ended before the answer did")]
    EarlyEnd,
    /// Nothing was sent: the request lacks what the target's prompt needs. Another target may have another prompt.
    #[error("{0}")]
    Prompt(#[from] prompt::Error),
    /// Nothing was sent to the provider.
    #[error("its limit of {limit} requests at once is reached")]
    Full { limit: usize },
}

impl Failure {
    /// Whether the request itself is at fault, so that another target would say the same.
    pub fn is_clients_own(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 400 | 413 | 415 | 422,
                ..
            }
        )
    }

    /// Whether the target was not asked, because this request cannot be put to it.
    pub fn is_unasked(&self) -> bool {
        matches!(self, Self::Inexpressible(_) | Self::Prompt(_))
    }

    /// Whether the target is the worse for it.
    pub fn counts_against_target(&self) -> bool {
        !self.is_clients_own() && !self.is_unasked() && !matches!(self, Self::Full { .. })
    }

    /// As what it is worth a further try at the same target; none if it never is.
    pub fn retry_on(&self) -> Option<RetryOn> {
        match self {
            Self::Connect(_) => Some(RetryOn::Connect),
            Self::ConnectTimeout(_)
            | Self::FirstTokenTimeout(_)
            | Self::IdleTimeout(_)
            | Self::TotalTimeout(_)
            | Self::Broken(_)
            | Self::EarlyEnd
            | Self::Status { status: 408, .. } => Some(RetryOn::Timeout),
            Self::Status { status: 429, .. } => Some(RetryOn::RateLimited),
            Self::Status { status: 500.., .. } | Self::Fault(Fault::Reported(_)) => Some(RetryOn::ServerError),
            _ => None,
        }
    }

    /// How the try counts.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Status { status: 429, .. } | Self::Full { .. } => Outcome::RateLimited,
            Self::ConnectTimeout(_) | Self::FirstTokenTimeout(_) | Self::IdleTimeout(_) | Self::TotalTimeout(_) => {
                Outcome::Timeout
            }
            Self::Inexpressible(_) | Self::Prompt(_) => Outcome::ClientError,
            failure if failure.is_clients_own() => Outcome::ClientError,
            _ => Outcome::UpstreamError,
        }
    }

    /// The provider's HTTP status, if it sent one that was a failure.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Full { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
