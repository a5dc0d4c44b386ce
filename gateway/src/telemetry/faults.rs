//! Metrics of what the gateway does about faults: further tries, targets and keys that are left alone, waits for a place.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::time::Instant;

use crate::{
    config::resolved::Config,
    routing::{account::Cause, breaker::State},
};

/// Waits for a place end after five seconds at the latest.
const WAIT_SECONDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0];

/// Their labels are names of configured objects.
#[derive(Debug)]
pub struct FaultMetrics {
    retries: IntCounterVec,
    failovers: IntCounterVec,
    breaker_openings: IntCounterVec,
    breaker_state: IntGaugeVec,
    key_cooldowns: IntCounterVec,
    place_waits: HistogramVec,
}

impl FaultMetrics {
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let breaker_state = IntGaugeVec::new(
            Opts::new(
                "route_switch_breaker_state",
                "Circuit breaker of each target that takes requests: 0 closed, 1 half open, 2 open.",
            ),
            &["route", "target"],
        )?;
        registry.register(Box::new(breaker_state.clone()))?;
        let place_waits = HistogramOpts::new(
            "route_switch_place_wait_seconds",
            "Waits for a place at a Provider with limits.maxConcurrent, in seconds, by whether one came free (entered, full).",
        );
        let place_waits = HistogramVec::new(place_waits.buckets(WAIT_SECONDS.to_vec()), &["provider", "result"])?;
        registry.register(Box::new(place_waits.clone()))?;
        Ok(Self {
            retries: counter(
                "route_switch_retries_total",
                "Further tries at the same target.",
                &["route", "target"],
            )?,
            failovers: counter(
                "route_switch_failovers_total",
                "Requests that went on to the next target, by the target that failed.",
                &["route", "target"],
            )?,
            breaker_openings: counter(
                "route_switch_breaker_openings_total",
                "How often the circuit breaker of a target opened.",
                &["route", "target"],
            )?,
            breaker_state,
            key_cooldowns: counter(
                "route_switch_key_cooldowns_total",
                "How often a key was left alone, by cause (limited, refused).",
                &["provider", "cause"],
            )?,
            place_waits,
        })
    }

    /// Counts a further try at the same target.
    pub fn note_retry(&self, route: &str, target: &str) {
        self.retries.with_label_values(&[route, target]).inc();
    }

    /// Counts a request that goes on after this target failed.
    pub fn note_failover(&self, route: &str, failed: &str) {
        self.failovers.with_label_values(&[route, failed]).inc();
    }

    pub fn note_opening(&self, route: &str, target: &str) {
        self.breaker_openings.with_label_values(&[route, target]).inc();
    }

    pub fn note_place_wait(&self, provider: &str, is_entered: bool, waited: Duration) {
        let result = if is_entered { "entered" } else { "full" };
        self.place_waits
            .with_label_values(&[provider, result])
            .observe(waited.as_secs_f64());
    }

    /// Counts a key that is left alone.
    pub fn note_cooldown(&self, provider: &str, cause: Cause) {
        let cause = match cause {
            Cause::Limited(_) => "limited",
            Cause::Refused => "refused",
        };
        self.key_cooldowns.with_label_values(&[provider, cause]).inc();
    }

    /// Reads the breakers of all targets that there are now.
    pub fn note_breakers(&self, config: &Config) {
        let now = Instant::now();
        self.breaker_state.reset();
        for route in config.all_routes() {
            for target in &route.targets {
                let state = match target.health.breaker.state(now) {
                    State::Closed => 0,
                    State::HalfOpen => 1,
                    State::Open(_) => 2,
                };
                self.breaker_state
                    .with_label_values(&[&*route.name, &*target.name])
                    .set(state);
            }
        }
    }
}
