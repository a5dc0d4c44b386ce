//! What publishing counts.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::metrics::PREFIX;

/// From a fifth of the goal to hopeless.
const SECONDS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Labels are kinds, pods and outcomes, never what others say.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// From the watch event to the last acknowledgement by a counted pod.
    pub(super) propagation: Histogram,
    pub(super) connected_pods: IntGauge,
    /// By kind.
    pub(super) refused_objects: IntGaugeVec,
    /// By pod.
    pub(super) last_known_good_age: IntGaugeVec,
    /// By outcome.
    pub(super) pushes: IntCounterVec,
    pub(super) snapshot_bytes: IntGauge,
    pub(super) epoch: IntGauge,
    pub(super) held_removals: IntCounter,
}

impl Metrics {
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let options = |name: &str, help: &str| Opts::new(format!("{PREFIX}_{name}"), help);
        let seconds = HistogramOpts::new(
            format!("{PREFIX}_propagation_seconds"),
            "Time from a change in the cluster to its acknowledgement by every gateway pod that is ready.",
        );
        Ok(Self {
            propagation: registered(registry, Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?)?,
            connected_pods: registered(
                registry,
                IntGauge::with_opts(options("connected_pods", "Gateway pods that answer."))?,
            )?,
            refused_objects: registered(
                registry,
                IntGaugeVec::new(
                    options("refused_objects", "Objects that some gateway pod refuses, by kind."),
                    &["kind"],
                )?,
            )?,
            last_known_good_age: registered(
                registry,
                IntGaugeVec::new(
                    options(
                        "last_known_good_age_seconds",
                        "Age of the file that a gateway pod would start from, by pod.",
                    ),
                    &["pod"],
                )?,
            )?,
            pushes: registered(
                registry,
                IntCounterVec::new(
                    options("pushes_total", "Snapshots sent to gateway pods, by what came of it."),
                    &["outcome"],
                )?,
            )?,
            snapshot_bytes: registered(
                registry,
                IntGauge::with_opts(options("snapshot_bytes", "Size of the Snapshot that was pushed last."))?,
            )?,
            epoch: registered(
                registry,
                IntGauge::with_opts(options(
                    "epoch",
                    "Epoch of what this replica pushes; 0 while it does not lead.",
                ))?,
            )?,
            held_removals: registered(
                registry,
                IntCounter::with_opts(options(
                    "held_removals_total",
                    "Mass removals that waited for a fresh list of all objects.",
                ))?,
            )?,
        })
    }

    /// This process does not lead any more: what it knew of the pods is not true for long.
    pub(super) fn forget(&self) {
        self.connected_pods.set(0);
        self.refused_objects.reset();
        self.last_known_good_age.reset();
        self.epoch.set(0);
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
