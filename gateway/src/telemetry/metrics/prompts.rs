//! What is counted for each revision of a prompt, by the one that the last attempt of a request was rendered from. It lies in the
//! compiled revision: a revision never changes, so counts go on as long as the configuration holds it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    buckets::{Buckets, TIMES},
    families,
    page::Page,
};
use crate::{
    capture::record::{Outcome, Record},
    prompts::prompt::Prompt,
};

/// What is counted for one revision. Takes no room before its first request: most revisions are history.
#[derive(Default)]
pub struct PromptMetrics(OnceLock<Box<PromptSeries>>);

#[derive(Default)]
struct PromptSeries {
    requests: [AtomicU64; Outcome::ALL.len()],
    duration: Buckets<14>,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_pico_usd: AtomicU64,
}

impl PromptMetrics {
    /// Counts a request that has ended.
    pub fn observe(&self, record: &Record) {
        let series = self.0.get_or_init(Box::default);
        series.requests[record.outcome as usize].fetch_add(1, Relaxed);
        series.duration.observe(&TIMES, record.latency_micros);
        if let Some(usage) = &record.usage {
            series.input_tokens.fetch_add(usage.prompt_tokens, Relaxed);
            series.output_tokens.fetch_add(usage.completion_tokens, Relaxed);
        }
        if let Some(cost) = record.cost_pico_usd {
            series.cost_pico_usd.fetch_add(cost.unsigned_abs(), Relaxed);
        }
    }
}

pub(super) fn show(prompt: &Prompt, page: &mut Page) {
    let Some(series) = prompt.metrics.0.get() else { return };
    let [name, revision] = [("prompt", &*prompt.name), ("revision", &*prompt.revision)];
    for (outcome, count) in Outcome::ALL.iter().zip(&series.requests) {
        let labels = [("outcome", outcome.as_str()), name, revision];
        page.counted(&families::PROMPT_REQUESTS, &labels, count.load(Relaxed));
    }
    let labels = [name, revision];
    page.histogram(&families::PROMPT_DURATION, &labels, series.duration.show(&TIMES));
    for (kind, count) in [("input", &series.input_tokens), ("output", &series.output_tokens)] {
        let labels = [("gen_ai_token_type", kind), name, revision];
        page.counted(&families::PROMPT_TOKENS, &labels, count.load(Relaxed));
    }
    page.counted(&families::PROMPT_COST, &labels, series.cost_pico_usd.load(Relaxed));
}

impl std::fmt::Debug for PromptMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PromptMetrics")
    }
}
