//! The log lines that tell of each request and of each attempt that failed. They name the request by its generation id and hold no
//! content and no message of a provider's, which may quote content. They are at the level debug: `--log info,access=debug`.

use super::logs::ACCESS;
use crate::capture::record::{Attempt, Outcome, Record};

/// A request has ended.
pub fn request(record: &Record) {
    let usage = record.usage.as_ref();
    tracing::debug!(
        target: ACCESS,
        id = &*record.id,
        route = record.route.as_deref(),
        key = record.key.as_deref(),
        target = record.attempts.last().map(|attempt| &*attempt.target),
        outcome = record.outcome.as_str(),
        status = record.status,
        streamed = record.streamed,
        attempts = record.attempts.len(),
        latency_us = record.latency_micros,
        first_token_us = record.first_token_micros,
        overhead_us = record.overhead_micros,
        input_tokens = usage.map(|usage| usage.prompt_tokens),
        output_tokens = usage.map(|usage| usage.completion_tokens),
        cost_pico_usd = record.cost_pico_usd,
        "request"
    );
}

/// An attempt has ended.
pub fn attempt(id: &str, attempt: &Attempt) {
    if attempt.outcome != Outcome::Ok {
        tracing::debug!(
            target: ACCESS,
            id,
            target = &*attempt.target,
            provider = &*attempt.provider,
            outcome = attempt.outcome.as_str(),
            status = attempt.status,
            latency_us = attempt.latency_micros,
            "attempt failed"
        );
    }
}
