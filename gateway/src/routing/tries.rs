//! Target after target, until one answers: the one loop behind answers that are streamed and those that are not.

use std::future::Future;

use super::exchange::Exchange;
use crate::{
    config::resolved::{Route, Target},
    prompts::selection::Choice,
    providers::failure::Failure,
};

/// What is asked of a target.
pub(super) trait Ask {
    type Answer;

    /// What the request wants other than what the Route says.
    fn choice(&self) -> &Choice;

    /// Asks one target, and waits for as much as makes it the one that answers.
    fn at(
        &mut self,
        target: &Target,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// Why no target answered.
#[derive(Debug)]
pub struct Unanswered {
    /// The index of the last target and what became of it; none when there was no target.
    pub last: Option<(usize, Failure)>,
}

/// Tries the Route's targets in order. Gives the index of the one that answered, with its answer; its attempt is still open.
pub(super) async fn until_answered<A: Ask>(
    route: &Route,
    exchange: &mut Exchange,
    mut ask: A,
) -> Result<(usize, A::Answer), Unanswered> {
    let only = ask.choice().only_target;
    let first = only
        .or_else(|| route.sequence.first())
        .ok_or(Unanswered { last: None })?;
    let mut index = first;
    let mut tried = 0_u16;
    loop {
        tried |= 1 << index;
        let target = &route.targets[index];
        exchange.begin_attempt(target, ask.choice().prompt_at(target));
        let failure = match ask.at(target, exchange).await {
            Ok(answer) => {
                exchange.first_content();
                return Ok((index, answer));
            }
            Err(failure) => failure,
        };
        exchange.fail_attempt(failure.outcome(), &failure);
        match route.sequence.after(first, tried) {
            Some(next) if only.is_none() && !failure.is_clients_own() => index = next,
            _ => {
                return Err(Unanswered {
                    last: Some((index, failure)),
                });
            }
        }
    }
}
