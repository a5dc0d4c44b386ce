//! Prometheus metrics. Labels are bounded by the configuration: Routes, targets, Providers, models and outcomes, never what
//! clients send.
//!
//! What is counted by Route, target, model or revision of a prompt lies in the resolved configuration (`series`) and is shown from there: what the
//! configuration in use does not hold is not shown any more.

use crds::object::Kind;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry, process_collector::ProcessCollector};

mod buckets;
mod families;
mod faults;
mod outcomes;
mod page;
mod prompts;
mod series;
#[cfg(test)]
mod tests;

use crate::{
    capture::{Queue, StoreHealth, record::Record},
    config::resolved::Config,
    fleet::{Fleet, unix_millis},
    telemetry::traces::SpanCounts,
};
use page::Page;
pub use prompts::PromptMetrics;
pub use series::{ModelLabels, ModelMetrics, RouteMetrics, TargetMetrics};

const OVERHEAD_SECONDS: [f64; 12] = [
    0.000_01, 0.000_02, 0.000_03, 0.000_05, 0.000_075, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1,
];

/// What a gateway counts beside its Routes, targets and models.
pub struct Metrics {
    registry: Registry,
    /// Requests that named no Route.
    unrouted: RouteMetrics,
    overhead: Histogram,
    /// Requests that have begun and not ended.
    pub in_flight: IntGauge,
    /// Requests without a valid key; nothing else is counted of them.
    pub unauthenticated: IntCounter,
    pub config_reloads: IntCounter,
    /// When the configuration in use was put into use.
    pub config_loaded_unix_seconds: IntGauge,
}

/// What the metrics are read from when they are asked for.
pub struct Sources<'a> {
    pub config: &'a Config,
    pub ready: bool,
    pub faults: usize,
    pub queue: &'a Queue,
    pub spans: Option<&'a SpanCounts>,
    pub lost_lines: u64,
    pub fleet: Option<&'a Fleet>,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let overhead = HistogramOpts::new(
            "route_switch_overhead_seconds",
            "Time that the gateway itself took for a request.",
        );
        let overhead = Histogram::with_opts(overhead.buckets(OVERHEAD_SECONDS.to_vec()))?;
        registry.register(Box::new(overhead.clone()))?;
        Ok(Self {
            unrouted: RouteMetrics::default(),
            overhead,
            in_flight: gauge(
                "route_switch_requests_in_flight",
                "Requests that have begun and not ended.",
            )?,
            unauthenticated: counter(
                "route_switch_unauthenticated_requests_total",
                "Requests for completions without a valid key; no other metric counts them.",
            )?,
            config_reloads: counter("route_switch_config_reloads_total", "Configurations put into use.")?,
            config_loaded_unix_seconds: gauge(
                "route_switch_config_loaded_timestamp_seconds",
                "When the configuration in use was put into use, in seconds since 1970.",
            )?,
            registry,
        })
    }

    /// Counts a request that has ended.
    pub fn observe(&self, route: Option<&RouteMetrics>, record: &Record) {
        route.unwrap_or(&self.unrouted).observe(record);
        self.overhead.observe(buckets::float(record.overhead_micros) / 1e6);
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self, sources: &Sources<'_>) -> prometheus::Result<Vec<u8>> {
        let mut page = Page::default();
        page.extend(self.registry.gather());
        self.unrouted.show("", &mut page);
        show_counts(sources.config, &mut page);
        faults::show(sources.config, &mut page);
        show_config(sources, &mut page);
        show_queue(sources.queue, &mut page);
        page.counter(&families::LOST_LINES, &[], sources.lost_lines);
        if let Some(fleet) = sources.fleet {
            show_fleet(fleet, &mut page);
        }
        if let Some(spans) = sources.spans {
            show_spans(spans, &mut page);
        }
        page.write()
    }
}

/// What is counted by Route, target, model and revision of a prompt.
fn show_counts(config: &Config, page: &mut Page) {
    for route in config.all_routes() {
        route.metrics.show(&route.name, page);
        for target in &route.targets {
            target.metrics.show(&route.name, &target.name, page);
        }
    }
    for model in config.models() {
        model.show(page);
    }
    for prompt in config.library.revisions() {
        prompts::show(prompt, page);
    }
}

fn show_config(sources: &Sources<'_>, page: &mut Page) {
    let Sources {
        config, ready, faults, ..
    } = sources;
    let snapshot = &config.snapshot;
    let build = [
        ("duckdb", crate::analytics::engine_version()),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    page.gauge(&families::BUILD, &build, 1);
    page.gauge(&families::READY, &[], u64::from(*ready));
    page.gauge(&families::CONFIG, &[("revision", &config.revision)], 1);
    let stale = |stale: Vec<bool>| {
        (
            stale.len() as u64,
            stale.iter().filter(|is_stale| **is_stale).count() as u64,
        )
    };
    let kinds = [
        (
            "Provider",
            stale(snapshot.providers.values().map(|entry| entry.stale).collect()),
        ),
        (
            "Route",
            stale(snapshot.routes.values().map(|entry| entry.stale).collect()),
        ),
        (
            "PromptTemplate",
            stale(snapshot.prompts.values().map(|entry| entry.stale).collect()),
        ),
        (
            "ClientKey",
            stale(snapshot.keys.values().map(|entry| entry.stale).collect()),
        ),
    ];
    for (kind, (all, stale)) in kinds {
        page.gauge(&families::OBJECTS, &[("kind", kind)], all);
        page.gauge(&families::STALE, &[("kind", kind)], stale);
    }
    page.gauge(&families::FAULTS, &[], *faults as u64);
}

fn show_fleet(fleet: &Fleet, page: &mut Page) {
    if let Some(held) = fleet.held() {
        page.gauge(&families::SNAPSHOT_EPOCH, &[], held.order.epoch);
        page.gauge(&families::SNAPSHOT_SEQUENCE, &[], held.order.sequence);
        for kind in [Kind::Provider, Kind::Route, Kind::PromptTemplate, Kind::PromptRevision] {
            let refused = held.refused.keys().filter(|object| object.kind == kind).count();
            page.gauge(&families::REFUSED, &[("kind", &kind.to_string())], refused as u64);
        }
    }
    page.gauge(&families::LAST_KNOWN_GOOD_UP, &[], u64::from(!fleet.fails_to_keep()));
    if let Some(kept) = fleet.kept_unix_millis() {
        let age = u64::try_from(unix_millis() - kept).unwrap_or(0);
        page.gauge(&families::LAST_KNOWN_GOOD_AGE, &[], age / 1000);
    }
}

fn show_spans(spans: &SpanCounts, page: &mut Page) {
    for (outcome, count) in [
        ("sent", spans.sent()),
        ("dropped", spans.dropped()),
        ("failed", spans.failed()),
    ] {
        page.counter(&families::SPANS, &[("outcome", outcome)], count);
    }
    page.gauge(&families::SPANS_QUEUED, &[], spans.queued() as u64);
}

fn show_queue(queue: &Queue, page: &mut Page) {
    let dropped = queue.dropped();
    page.gauge(&families::QUEUE, &[], queue.queued_bytes() as u64);
    page.gauge(&families::QUEUE_CAPACITY, &[], queue.capacity_bytes() as u64);
    page.counter(&families::DROPPED_RECORDS, &[], dropped.records);
    page.counter(&families::DROPPED_CONTENTS, &[], dropped.contents);
    page.counter(&families::THINNED_CONTENTS, &[], queue.thinned_contents());
    let health = queue.health();
    let mut show = |store, health: &StoreHealth| {
        let store = [("store", store)];
        page.gauge(&families::STORE_UP, &store, u64::from(health.failure.is_none()));
        page.counter(&families::STORE_DROPPED, &store, health.dropped_records);
        page.gauge(&families::STORE_BYTES, &store, health.disk_bytes);
    };
    show("examples", &health.examples);
    show("analytics", &health.analytics);
    if let Some(bytes) = queue.max_bytes() {
        page.gauge(&families::STORE_MAX_BYTES, &[], bytes);
    }
}
