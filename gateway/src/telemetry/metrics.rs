//! Prometheus metrics. Labels are bounded by the configuration: routes, targets and outcomes, never what clients send.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use super::faults::FaultMetrics;
use crate::capture::record::{Attempt, Outcome, Record};

const REQUESTS: &str = "route_switch_requests_total";
const ATTEMPTS: &str = "route_switch_attempts_total";
const DURATION: &str = "gen_ai_server_request_duration_seconds";
const FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
const TOKENS: &str = "route_switch_tokens_total";
const OVERHEAD: &str = "route_switch_overhead_seconds";
const COST: &str = "route_switch_cost_pico_usd_total";

const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
const OVERHEAD_SECONDS: [f64; 10] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1,
];
const OUTCOMES: usize = 8;

/// All metrics of one gateway.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    attempts: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    tokens: IntCounterVec,
    cost: IntCounterVec,
    overhead: Histogram,
    /// Requests that named no Route.
    unrouted: RouteMetrics,
    pub capture_queue_bytes: IntGauge,
    pub capture_dropped_records: IntGauge,
    pub capture_dropped_contents: IntGauge,
    pub config_faults: IntGauge,
    pub config_reloads: IntCounter,
    pub faults: FaultMetrics,
}

/// The series of one Route, looked up when they are first needed.
#[derive(Clone, Default)]
pub struct RouteMetrics(Arc<RouteSeries>);

#[derive(Default)]
struct RouteSeries {
    route: Arc<str>,
    requests: [OnceLock<IntCounter>; OUTCOMES],
    duration: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
    input_tokens: OnceLock<IntCounter>,
    output_tokens: OnceLock<IntCounter>,
    cost: OnceLock<IntCounter>,
    /// By target and outcome; they are few.
    attempts: Mutex<Vec<(Arc<str>, Outcome, IntCounter)>>,
}

impl RouteMetrics {
    pub fn new(route: Arc<str>) -> Self {
        Self(Arc::new(RouteSeries {
            route,
            ..RouteSeries::default()
        }))
    }
}

impl RouteSeries {
    fn attempt(&self, attempt: &Attempt, counter: impl FnOnce() -> IntCounter) {
        let mut known = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(target, outcome, _): &&(Arc<str>, Outcome, IntCounter)| {
            *outcome == attempt.outcome && *target == attempt.target
        };
        if let Some((_, _, counter)) = known.iter().find(is_same) {
            counter.inc();
            return;
        }
        let counter = counter();
        counter.inc();
        known.push((Arc::clone(&attempt.target), attempt.outcome, counter));
    }
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name: &str, help: &str| {
            let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &["route"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let overhead = HistogramOpts::new(OVERHEAD, "Time that the gateway itself took for a request, in seconds.");
        let overhead = Histogram::with_opts(overhead.buckets(OVERHEAD_SECONDS.to_vec()))?;
        registry.register(Box::new(overhead.clone()))?;
        let config_reloads = IntCounter::new("route_switch_config_reloads_total", "Configurations put into use.")?;
        registry.register(Box::new(config_reloads.clone()))?;
        Ok(Self {
            requests: counter(
                REQUESTS,
                "Client requests, by Route and outcome.",
                &["route", "outcome"],
            )?,
            attempts: counter(
                ATTEMPTS,
                "Tries at targets, by Route, target and outcome.",
                &["route", "target", "outcome"],
            )?,
            duration: histogram(
                DURATION,
                "Time from a request's head to the last byte of its answer, in seconds.",
            )?,
            first_token: histogram(
                FIRST_TOKEN,
                "Time from a request's head to the first content, in seconds.",
            )?,
            tokens: counter(
                TOKENS,
                "Tokens, by Route and type (input, output).",
                &["route", "gen_ai_token_type"],
            )?,
            cost: counter(
                COST,
                "Cost of requests whose price is known, in pico-USD (10^-12).",
                &["route"],
            )?,
            overhead,
            unrouted: RouteMetrics::default(),
            capture_queue_bytes: gauge(
                "route_switch_capture_queue_bytes",
                "Records that wait to be stored, in bytes.",
            )?,
            capture_dropped_records: gauge(
                "route_switch_capture_dropped_records",
                "Records that were not stored since the start.",
            )?,
            capture_dropped_contents: gauge(
                "route_switch_capture_dropped_contents",
                "Records stored without their content since the start.",
            )?,
            config_faults: gauge(
                "route_switch_config_faults",
                "Faults in the manifests that are in the directory now.",
            )?,
            config_reloads,
            faults: FaultMetrics::register(&registry)?,
            registry,
        })
    }

    /// Counts a request.
    pub fn observe(&self, route: Option<&RouteMetrics>, record: &Record) {
        let series = &route.unwrap_or(&self.unrouted).0;
        let name: &str = if route.is_some() { &series.route } else { "" };
        let by_route = |vec: &HistogramVec| vec.with_label_values(&[name]);
        series.requests[record.outcome as usize]
            .get_or_init(|| self.requests.with_label_values(&[name, record.outcome.as_str()]))
            .inc();
        series
            .duration
            .get_or_init(|| by_route(&self.duration))
            .observe(seconds(record.latency_micros));
        if let Some(micros) = record.first_token_micros {
            series
                .first_token
                .get_or_init(|| by_route(&self.first_token))
                .observe(seconds(micros));
        }
        if let Some(usage) = &record.usage {
            let tokens = |kind| self.tokens.with_label_values(&[name, kind]);
            series
                .input_tokens
                .get_or_init(|| tokens("input"))
                .inc_by(usage.prompt_tokens);
            series
                .output_tokens
                .get_or_init(|| tokens("output"))
                .inc_by(usage.completion_tokens);
        }
        if let Some(cost) = record.cost_pico_usd {
            series
                .cost
                .get_or_init(|| self.cost.with_label_values(&[name]))
                .inc_by(cost.unsigned_abs());
        }
        for attempt in &record.attempts {
            series.attempt(attempt, || {
                self.attempts
                    .with_label_values(&[name, &attempt.target, attempt.outcome.as_str()])
            });
        }
        self.overhead.observe(seconds(record.overhead_micros));
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of requests are far below 2^52 microseconds"
)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
