//! Whose requests an answer is about: those of this gateway, or those of all gateways of its fleet.

use std::sync::Arc;

use super::{analytics::refusal, error::ApiError};
use crate::{
    analytics::{
        share::Part,
        system::{Pods, Scope},
    },
    app::App,
    fleet_reads::{Error, FleetReads, Question},
};

/// Whom a question goes to.
pub(super) enum Reach {
    /// There is no fleet.
    Alone,
    /// This one of a fleet, by ordinal.
    Pod(u32),
    Fleet(Arc<FleetReads>),
}

impl Reach {
    /// By the parameter `scope`. One of a fleet answers for the fleet, unless it is asked for itself.
    pub(super) fn of(app: &App, scope: Option<&str>) -> Result<Self, ApiError> {
        let wrong = |text: &str, known| ApiError::invalid("scope", format!("Invalid 'scope': `{text}`; {known}."));
        match (&app.fleet_reads, scope) {
            (None, None | Some("pod")) => Ok(Self::Alone),
            (None, Some(text)) => Err(wrong(
                text,
                "this gateway belongs to no fleet and answers for itself: pod",
            )),
            (Some(reads), Some("pod")) => Ok(Self::Pod(reads.ordinal())),
            (Some(reads), None | Some("fleet")) => Ok(Self::Fleet(Arc::clone(reads))),
            (Some(_), Some(text)) => Err(wrong(text, "it is pod or fleet")),
        }
    }

    /// Asks all whom the question is for, and makes one answer of what they know. It is told who they were, where there is a fleet.
    /// Adding up and `finish` run on a thread that may block.
    pub(super) async fn ask<Q: Question, A: Send + 'static>(
        self,
        app: &App,
        question: Q,
        finish: impl FnOnce(Q::Part, Option<(Scope, Pods)>) -> A + Send + 'static,
    ) -> Result<A, ApiError> {
        let own = question.clone().answer(Arc::clone(&app.queue));
        let (mut known, others, told) = match self {
            Self::Alone => (own.await.map_err(failed)?, None, None),
            Self::Pod(ordinal) => (
                own.await.map_err(failed)?,
                None,
                Some((Scope::Pod, Pods::only(ordinal))),
            ),
            Self::Fleet(reads) => {
                let (own, heard) = tokio::try_join!(own, reads.gather(question, None)).map_err(failed)?;
                (own, heard.others, Some((Scope::Fleet, heard.pods)))
            }
        };
        let sum = tokio::task::spawn_blocking(move || {
            if let Some(others) = others {
                known.add(others)?;
            }
            Ok(finish(known, told))
        });
        sum.await.map_err(|_| failed(Error::BrokenOff))?.map_err(refusal)
    }
}

pub(super) fn failed(error: Error) -> ApiError {
    match error {
        Error::Store(error) => refusal(error),
        Error::Forget => {
            ApiError::internal("The stores cannot delete now; /status says what is wrong with them. Try again.")
        }
        Error::Question(_) | Error::Answer(_) | Error::BrokenOff => {
            tracing::warn!(%error, "failed to answer for the fleet");
            ApiError::internal("The question to the stores of the fleet was broken off.")
        }
    }
}
