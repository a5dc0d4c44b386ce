//! An answer that is not streamed: target after target, until one gives a whole answer.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{
    affinity::Affinity,
    attempt::{Credential, Deadlines, check_content_type, send},
    exchange::{Answered, Exchange},
    tries::{Ask, Entered, Unanswered, note_success, until_answered},
};
use crate::{
    capture::record::Usage,
    config::resolved::{Route, Target},
    prompts::selection::Choice,
    providers::{answer::Answer, body::detached, client::Clients, failure::Failure, front::ClientRequest},
};

/// Longest answer that is held, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// An answer, and whose it is.
pub struct Whole<'a> {
    pub target: &'a Target,
    pub answer: Answer,
    pub answered: Answered,
}

/// Tries the Route's targets in order.
pub async fn ask<'a>(
    clients: &Clients,
    route: &'a Route,
    affinity: Option<Affinity>,
    request: &ClientRequest,
    exchange: &mut Exchange,
) -> Result<Whole<'a>, Unanswered> {
    let Entered {
        index,
        mut answer,
        hold,
    } = until_answered(route, affinity, exchange, AskWhole { clients, request }).await?;
    let target = &route.targets[index];
    note_success(route, target, hold);
    let mut answered = account(&mut answer, target, request);
    exchange.answer_attempt(&mut answered);
    Ok(Whole {
        target,
        answer,
        answered,
    })
}

struct AskWhole<'a> {
    clients: &'a Clients,
    request: &'a ClientRequest,
}

impl Ask for AskWhole<'_> {
    type Answer = Answer;

    fn choice(&self) -> &Choice {
        self.request.choice()
    }

    async fn at(
        &mut self,
        target: &Target,
        credential: Option<&Credential>,
        exchange: &Exchange,
    ) -> Result<Answer, Failure> {
        ask_target(self, target, credential, exchange).await
    }
}

async fn ask_target(
    ask: &AskWhole<'_>,
    target: &Target,
    credential: Option<&Credential>,
    exchange: &Exchange,
) -> Result<Answer, Failure> {
    let AskWhole { clients, request } = *ask;
    let deadlines = Deadlines::from_now(target);
    let answer = send(clients, target, credential, request, exchange, &deadlines).await?;
    check_content_type(answer.headers(), "application/json")?;
    let body = read(answer.into_body(), target, &deadlines).await?;
    Ok(Answer::read(body, target.dialect, request.dialect())?)
}

pub(super) async fn read(mut body: Incoming, target: &Target, deadlines: &Deadlines) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        // Most answers have come whole with their head: those need no timer.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => timeout_at(deadlines.next_read(Instant::now()), body.frame())
                .await
                .map_err(|_| too_late(target, deadlines))?,
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|error| Failure::Broken(error.to_string()))?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
        if rest.len() > MAX_ANSWER_BYTES {
            return Err(Failure::TooLong(MAX_ANSWER_BYTES));
        }
    }
    Ok(if rest.is_empty() {
        detached(first)
    } else {
        rest.freeze()
    })
}

/// What it means that the next read has not come in time.
fn too_late(target: &Target, deadlines: &Deadlines) -> Failure {
    if Instant::now() >= deadlines.total {
        Failure::TotalTimeout(target.timeouts.total)
    } else {
        Failure::IdleTimeout(deadlines.idle)
    }
}

fn account(answer: &mut Answer, target: &Target, request: &ClientRequest) -> Answered {
    let usage = answer.usage().unwrap_or_else(|| Usage {
        prompt_tokens: estimated_tokens(request.prompt_bytes()),
        completion_tokens: estimated_tokens(answer.content_bytes()),
        estimated: true,
        ..Usage::default()
    });
    Answered {
        usage,
        cost_pico_usd: target.price.and_then(|price| price.cost_pico_usd(&usage)),
        finish_reason: answer.finish_reason(),
        upstream_id: answer.take_upstream_id(),
    }
}

/// Four characters a token.
pub fn estimated_tokens(characters: usize) -> u64 {
    (characters as u64).div_ceil(4)
}
