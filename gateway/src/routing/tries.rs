//! Target after target, until one answers: the one loop behind answers that are streamed and those that are not.
//!
//! A try is made only while the client has been sent nothing. The next one is at the same target where `retry` of the Route says
//! so, else at the next target that takes requests. Tries are bounded in number (targets x extra tries), each of them in time, and
//! no extra one begins once the target's `total` has passed.

use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
};

use tokio::time::{Instant, sleep};

use super::{
    affinity::Affinity,
    attempt::Credential,
    breaker::Change,
    exchange::Exchange,
    gate::Full,
    hold::{Blame, Hold},
    retry,
};
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
        credential: Option<&Credential>,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// A target that answers. Its attempt is still open, and it is still to be judged.
pub(super) struct Entered<T> {
    pub(super) index: usize,
    pub(super) answer: T,
    pub(super) hold: Hold,
}

/// Why no target answered.
#[derive(Debug)]
pub struct Unanswered {
    /// The index of the last target and what became of it; none when there was no target.
    pub last: Option<(usize, Failure)>,
}

/// Tries the Route's targets in order.
pub(super) async fn until_answered<A: Ask>(
    route: &Route,
    affinity: Option<Affinity>,
    exchange: &mut Exchange,
    mut ask: A,
) -> Result<Entered<A::Answer>, Unanswered> {
    let only = ask.choice().only_target;
    let is_meant = |index| only.is_none_or(|only| only == index);
    let mut order = route.sequence.order(affinity);
    let mut last: Option<(usize, Failure)> = None;
    let mut tried = 0_u16;
    // A target to which the request cannot be put was not asked.
    let mut is_any_asked = false;
    loop {
        let now = Instant::now();
        let next = order.next(|index| {
            let hold = is_meant(index).then(|| Hold::enter(&route.targets[index], &route.settings.breaker, now));
            hold.flatten()
        });
        let next = if is_any_asked {
            next
        } else {
            let is_left = |index| is_meant(index) && tried & 1 << index == 0;
            next.or_else(|| Hold::force(route, is_left, now))
        };
        let Some((index, hold)) = next else {
            return Err(Unanswered { last });
        };
        if let Some((failed, _)) = last {
            route.targets[failed].health.failovers.add_one();
        }
        match try_target(route, &route.targets[index], hold, exchange, &mut ask).await {
            Ok((answer, hold)) => return Ok(Entered { index, answer, hold }),
            Err(failure) => {
                let is_over = failure.is_clients_own();
                tried |= 1 << index;
                is_any_asked |= !failure.is_unasked();
                last = Some((index, failure));
                if is_over {
                    return Err(Unanswered { last });
                }
            }
        }
    }
}

/// Tries one target, and once more where that is worth it.
async fn try_target<A: Ask>(
    route: &Route,
    target: &Target,
    mut hold: Hold,
    exchange: &mut Exchange,
    ask: &mut A,
) -> Result<(A::Answer, Hold), Failure> {
    let mut retries = 0;
    loop {
        if !hold.try_place() {
            wait_for_place(target, &mut hold, exchange, ask.choice()).await?;
        }
        exchange.begin_attempt(target, ask.choice().prompt_at(target));
        let failure = match ask.at(target, hold.credential(), exchange).await {
            Ok(answer) => {
                exchange.first_content();
                return Ok((answer, hold));
            }
            Err(failure) => failure,
        };
        exchange.fail_attempt(failure.outcome(), &failure);
        let blame = note_failure(route, target, hold, &failure);
        let seed = seed(exchange.id());
        let wait = retry::wait(&route.settings.retry, &failure, blame.has_other_key, retries, seed);
        let Some(wait) = wait.filter(|wait| exchange.elapsed() + *wait < target.timeouts.total) else {
            return Err(failure);
        };
        if !wait.is_zero() {
            sleep(wait).await;
            exchange.waited(wait);
        }
        let Some(again) = Hold::enter_again(target, &route.settings.breaker, Instant::now()) else {
            return Err(failure);
        };
        hold = again;
        retries += 1;
        target.health.retries.add_one();
    }
}

/// Waits for a place at a Provider that has no free one. In vain, that is an attempt that failed.
async fn wait_for_place(
    target: &Target,
    hold: &mut Hold,
    exchange: &mut Exchange,
    choice: &Choice,
) -> Result<(), Failure> {
    let began = Instant::now();
    let entered = hold.wait_for_place().await;
    exchange.waited(began.elapsed());
    let counts = &target.account.counts;
    let result = if entered.is_ok() { &counts.entered } else { &counts.full };
    result.add_one();
    entered.map_err(|Full { limit }| {
        let failure = Failure::Full { limit };
        exchange.begin_attempt(target, choice.prompt_at(target));
        exchange.fail_attempt(failure.outcome(), &failure);
        failure
    })
}

/// Jitter differs from request to request, and is the same for the same one.
fn seed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Judges a target that answered to the end.
pub(super) fn note_success(route: &Route, target: &Target, hold: Hold) {
    if hold.succeed() == Change::Closed {
        tracing::info!(route = %route.name, target = %target.name, "the target takes requests again");
    }
}

/// Judges a target that failed.
pub(super) fn note_failure(route: &Route, target: &Target, hold: Hold, failure: &Failure) -> Blame {
    let blame = hold.fail(failure);
    if blame.change == Change::Opened {
        target.health.openings.add_one();
        tracing::warn!(
            route = %route.name, target = %target.name, open_for = ?route.settings.breaker.open_for, %failure,
            "the target keeps failing and is left alone"
        );
    }
    blame
}

#[cfg(test)]
mod tests;
