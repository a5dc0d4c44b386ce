//! Spans, sent to a collector over OTLP: one a request, one an attempt. Off unless an endpoint is named; then no request has one.
//!
//! Spans are made on the traffic threads and handed to a queue that is bounded in spans; a thread of the SDK's takes them from
//! there in batches, and the control runtime sends them. A collector that is slow or gone costs requests nothing: what finds no
//! room is dropped, and what cannot be sent is given up; both are counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};
use tokio::runtime::Handle;
use url::Url;

mod export;
mod span;
#[cfg(test)]
mod tests;

use export::{Bounded, Counted, Sender};
pub use span::{SPANS, Trace};

/// Spans that wait to be sent.
const QUEUE_SPANS: usize = 4096;
const BATCH_SPANS: usize = 512;
/// How long a span waits for company.
const DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch, retries included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long what is left may take at the end.
const LAST_TIMEOUT: Duration = Duration::from_secs(3);

/// Where spans go, and which.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Root URL of the collector; `/v1/traces` is added.
    pub endpoint: Url,
    pub service_name: String,
    /// The share of traces that is kept, of those that the client did not decide about.
    pub ratio: f64,
}

/// The way to the collector.
pub struct Traces {
    provider: SdkTracerProvider,
    counts: Arc<SpanCounts>,
}

/// What became of spans since the start.
#[derive(Debug, Default)]
pub struct SpanCounts {
    queued: AtomicUsize,
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Why there are no spans.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the endpoint of the collector must be an http or https URL, for instance http://127.0.0.1:4318, not `{0}`"
    )]
    Endpoint(String),
    #[error("failed to make the client of the collector")]
    Client(#[source] reqwest::Error),
    #[error("failed to make the exporter of spans")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Starts the thread that takes spans. `runtime` sends them.
    pub fn start(settings: Settings, runtime: Handle) -> Result<Self, Error> {
        let Settings {
            endpoint,
            service_name,
            ratio,
        } = settings;
        let endpoint = traces_url(endpoint)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(runtime, TIMEOUT).map_err(Error::Client)?)
            .with_endpoint(endpoint)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(Error::Exporter)?;
        let counts = Arc::new(SpanCounts::default());
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_SPANS)
            .with_max_export_batch_size(BATCH_SPANS)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(Counted::new(exporter, Arc::clone(&counts)))
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder()
            .with_service_name(service_name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::new(processor, QUEUE_SPANS, Arc::clone(&counts)))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource)
            .build();
        Ok(Self { provider, counts })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("route-switch")
    }

    pub fn counts(&self) -> Arc<SpanCounts> {
        Arc::clone(&self.counts)
    }

    /// Sends what is left, within a few seconds. Blocks.
    pub fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_TIMEOUT) {
            tracing::warn!(%error, "failed to send the last spans");
        }
    }
}

impl SpanCounts {
    /// Spans that the collector took.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Spans that found no room in the queue.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Spans that could not be sent.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Spans that wait.
    pub fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }
}

fn traces_url(mut endpoint: Url) -> Result<String, Error> {
    if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none_or(str::is_empty) {
        return Err(Error::Endpoint(endpoint.into()));
    }
    let path = format!("{}/v1/traces", endpoint.path().trim_end_matches('/'));
    endpoint.set_path(&path);
    Ok(endpoint.into())
}
