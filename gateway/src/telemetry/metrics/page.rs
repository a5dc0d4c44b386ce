//! What a scrape is answered with, put together sample by sample and written by the crate `prometheus`.

use std::collections::{BTreeMap, btree_map::Entry};

use prometheus::{
    Encoder, TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily},
};

use super::{
    buckets::{Shown, float},
    families::Family,
};

/// Samples by name.
#[derive(Default)]
pub(super) struct Page(BTreeMap<String, MetricFamily>);

/// Names and values, in the order of the names.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    pub(super) fn counter(&mut self, family: &Family, labels: Labels<'_>, value: u64) {
        let mut counter = Counter::default();
        counter.set_value(float(value));
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_counter(counter);
        self.add(family, metric);
    }

    /// As [`Self::counter`], unless it has counted nothing yet.
    pub(super) fn counted(&mut self, family: &Family, labels: Labels<'_>, value: u64) {
        if value > 0 {
            self.counter(family, labels, value);
        }
    }

    pub(super) fn gauge(&mut self, family: &Family, labels: Labels<'_>, value: u64) {
        let mut gauge = Gauge::default();
        gauge.set_value(float(value));
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_gauge(gauge);
        self.add(family, metric);
    }

    pub(super) fn histogram(&mut self, family: &Family, labels: Labels<'_>, shown: Option<Shown>) {
        let Some(Shown { cumulative, count, sum }) = shown else {
            return;
        };
        let bucket = |(bound, count): (f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(cumulative.into_iter().map(bucket).collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.add(family, metric);
    }

    /// Adds what a registry has gathered.
    pub(super) fn extend(&mut self, families: Vec<MetricFamily>) {
        self.0
            .extend(families.into_iter().map(|family| (family.name().to_owned(), family)));
    }

    /// The whole in Prometheus's text format.
    pub(super) fn write(self) -> prometheus::Result<Vec<u8>> {
        let families: Vec<MetricFamily> = self.0.into_values().collect();
        let mut out = Vec::new();
        TextEncoder::new().encode(&families, &mut out)?;
        Ok(out)
    }

    fn add(&mut self, Family { name, help, kind }: &Family, metric: Metric) {
        let family = match self.0.entry((*name).to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let mut family = MetricFamily::default();
                family.set_name((*name).to_owned());
                family.set_help((*help).to_owned());
                family.set_field_type(*kind);
                entry.insert(family)
            }
        };
        family.mut_metric().push(metric);
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}
