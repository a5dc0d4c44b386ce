//! What is counted for each Route, target and model: plain atomics that the resolved configuration holds, so that the request
//! path looks nothing up, and that go with the Route, target or model when it leaves the configuration.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    buckets::{Buckets, FIRSTS, TIMES, TOKENS},
    families,
    outcomes::Outcomes,
    page::{Labels, Page},
};
use crate::capture::record::{Attempt, Outcome, Record};

/// What conventions call all that is served so far.
const CHAT: (&str, &str) = ("gen_ai_operation_name", "chat");

/// What is counted for one Route.
#[derive(Clone, Default)]
pub struct RouteMetrics(Arc<RouteSeries>);

/// In the order that lets a request that ends well touch few lines of the processor's cache, which those of thousands of Routes are not in.
#[derive(Default)]
#[repr(C)]
struct RouteSeries {
    requests: Outcomes,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_pico_usd: AtomicU64,
    duration: Buckets<14>,
    first_token: Buckets<16>,
    unpriced: AtomicU64,
    cached_tokens: AtomicU64,
    cache_write_tokens: AtomicU64,
    reasoning_tokens: AtomicU64,
}

/// What is counted for one target beside what is counted for its model.
#[derive(Clone, Debug, Default)]
pub struct TargetMetrics(Arc<Outcomes>);

/// What is counted for one model of one Provider, whichever Routes use it.
#[derive(Clone)]
pub struct ModelMetrics(Arc<ModelSeries>);

struct ModelSeries {
    labels: ModelLabels,
    duration: [OnceLock<Box<Buckets<14>>>; Outcome::ALL.len()],
    first_chunk: Buckets<16>,
    input_tokens: Buckets<14>,
    output_tokens: Buckets<14>,
    cost_pico_usd: AtomicU64,
    unpriced: AtomicU64,
}

/// Which model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLabels {
    /// `namespace/name` of the Provider.
    pub provider: Arc<str>,
    /// The vendor, as OpenTelemetry calls it.
    pub vendor: &'static str,
    pub model: Arc<str>,
}

// === impl RouteMetrics ===

impl RouteMetrics {
    pub(super) fn observe(&self, record: &Record) {
        let series = &*self.0;
        series.requests.add_one(record.outcome);
        series.duration.observe(&TIMES, record.latency_micros);
        if let Some(micros) = record.first_token_micros {
            series.first_token.observe(&FIRSTS, micros);
        }
        if let Some(usage) = &record.usage {
            add(&series.input_tokens, usage.prompt_tokens);
            add(&series.cached_tokens, usage.cached_tokens);
            add(&series.cache_write_tokens, usage.cache_write_tokens);
            add(&series.output_tokens, usage.completion_tokens);
            add(&series.reasoning_tokens, usage.reasoning_tokens);
        }
        if let Some(cost) = record.cost_pico_usd {
            series.cost_pico_usd.fetch_add(cost.unsigned_abs(), Relaxed);
        } else if record.usage.is_some() {
            series.unpriced.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn show(&self, route: &str, page: &mut Page) {
        let series = &*self.0;
        let route = ("route", route);
        for (outcome, count) in series.requests.show() {
            let labels = [("outcome", outcome.as_str()), route];
            page.counted(&families::REQUESTS, &labels, count);
        }
        let served = [CHAT, route];
        page.histogram(&families::DURATION, &served, series.duration.show(&TIMES));
        page.histogram(&families::FIRST_TOKEN, &served, series.first_token.show(&FIRSTS));
        for (kind, count) in [("input", &series.input_tokens), ("output", &series.output_tokens)] {
            let labels = [("gen_ai_token_type", kind), route];
            page.counted(&families::TOKENS, &labels, count.load(Relaxed));
        }
        let parts = [
            ("cache_read", &series.cached_tokens),
            ("cache_write", &series.cache_write_tokens),
            ("reasoning", &series.reasoning_tokens),
        ];
        for (part, count) in parts {
            page.counted(&families::TOKEN_PARTS, &[("part", part), route], count.load(Relaxed));
        }
        page.counted(&families::COST, &[route], series.cost_pico_usd.load(Relaxed));
        page.counted(&families::UNPRICED_REQUESTS, &[route], series.unpriced.load(Relaxed));
    }
}

// === impl TargetMetrics ===

impl TargetMetrics {
    /// Counts an attempt that has ended.
    pub fn observe(&self, attempt: &Attempt) {
        self.0.add_one(attempt.outcome);
    }

    pub(super) fn show(&self, route: &str, target: &str, page: &mut Page) {
        for (outcome, count) in self.0.show() {
            let labels = [("outcome", outcome.as_str()), ("route", route), ("target", target)];
            page.counted(&families::ATTEMPTS, &labels, count);
        }
    }
}

// === impl ModelMetrics ===

impl ModelMetrics {
    pub fn new(labels: ModelLabels) -> Self {
        Self(Arc::new(ModelSeries {
            labels,
            duration: Default::default(),
            first_chunk: Buckets::default(),
            input_tokens: Buckets::default(),
            output_tokens: Buckets::default(),
            cost_pico_usd: AtomicU64::default(),
            unpriced: AtomicU64::default(),
        }))
    }

    pub fn labels(&self) -> &ModelLabels {
        &self.0.labels
    }

    /// Counts an attempt that has ended.
    pub fn observe(&self, attempt: &Attempt, streamed: bool) {
        let series = &*self.0;
        series.duration[attempt.outcome as usize]
            .get_or_init(Box::default)
            .observe(&TIMES, attempt.latency_micros);
        if let Some(micros) = attempt.first_token_micros.filter(|_| streamed) {
            series.first_chunk.observe(&FIRSTS, micros);
        }
        if let Some(cost) = attempt.cost_pico_usd {
            series.cost_pico_usd.fetch_add(cost.unsigned_abs(), Relaxed);
        } else if attempt.usage.is_some() {
            series.unpriced.fetch_add(1, Relaxed);
        }
        // What we estimated is no count of the provider's.
        if let Some(usage) = attempt.usage.as_ref().filter(|usage| !usage.estimated) {
            series.input_tokens.observe(&TOKENS, usage.prompt_tokens);
            series.output_tokens.observe(&TOKENS, usage.completion_tokens);
        }
    }

    pub(super) fn show(&self, page: &mut Page) {
        let series = &*self.0;
        let ModelLabels {
            provider,
            vendor,
            model,
        } = &series.labels;
        let [vendor, model, provider] = [
            ("gen_ai_provider_name", *vendor),
            ("gen_ai_request_model", &**model),
            ("provider", &**provider),
        ];
        for (outcome, duration) in Outcome::ALL.iter().zip(&series.duration) {
            // An empty label is as good as none, and all samples of a name have the same labels.
            let error = if *outcome == Outcome::Ok { "" } else { outcome.as_str() };
            let labels = [("error_type", error), CHAT, vendor, model, provider];
            let shown = duration.get().and_then(|buckets| buckets.show(&TIMES));
            page.histogram(&families::OPERATION_DURATION, &labels, shown);
        }
        let labels: Labels<'_> = &[CHAT, vendor, model, provider];
        page.histogram(&families::FIRST_CHUNK, labels, series.first_chunk.show(&FIRSTS));
        for (kind, tokens) in [("input", &series.input_tokens), ("output", &series.output_tokens)] {
            let labels = [CHAT, vendor, model, ("gen_ai_token_type", kind), provider];
            page.histogram(&families::TOKEN_USAGE, &labels, tokens.show(&TOKENS));
        }
        let labels: Labels<'_> = &[model, provider];
        page.counted(&families::MODEL_COST, labels, series.cost_pico_usd.load(Relaxed));
        page.counted(&families::UNPRICED_CALLS, labels, series.unpriced.load(Relaxed));
    }
}

impl std::fmt::Debug for ModelMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("ModelMetrics").field(&self.0.labels).finish()
    }
}

/// Most requests have nothing of some of what is counted.
fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}
