//! What the loop measures; publishing and the controllers register their own beside it.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};

/// All names begin so.
pub const PREFIX: &str = "route_switch_operator";

/// The figures of the loop.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub registry: Registry,
    /// From all resources to a Snapshot, digests included.
    pub compile_seconds: Histogram,
    /// What is in the stores, by kind.
    pub objects: IntGaugeVec,
    /// What has a fault in the last compilation, by kind.
    pub faulty_objects: IntGaugeVec,
    /// Whether this replica leads: 1 or 0.
    pub leader: IntGauge,
    /// Watches that failed; they begin anew.
    pub watch_failures: IntCounter,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let name = |name: &str| format!("{PREFIX}_{name}");
        let compile_seconds = Histogram::with_opts(
            HistogramOpts::new(name("compile_seconds"), "Time from all resources to a Snapshot.")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        )?;
        let objects = IntGaugeVec::new(
            Opts::new(name("objects"), "Objects in the cluster, by kind."),
            &["kind"],
        )?;
        let faulty_objects = IntGaugeVec::new(
            Opts::new(
                name("faulty_objects"),
                "Objects with a fault that their status tells, by kind.",
            ),
            &["kind"],
        )?;
        let leader = IntGauge::new(name("leader"), "Whether this replica leads: 1 or 0.")?;
        let watch_failures = IntCounter::new(
            name("watch_failures_total"),
            "Watches of the API server that failed and began anew.",
        )?;
        registry.register(Box::new(compile_seconds.clone()))?;
        registry.register(Box::new(objects.clone()))?;
        registry.register(Box::new(faulty_objects.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        registry.register(Box::new(watch_failures.clone()))?;
        Ok(Self {
            registry,
            compile_seconds,
            objects,
            faulty_objects,
            leader,
            watch_failures,
        })
    }

    /// Everything that is registered, as Prometheus reads it.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }
}
