//! The last steps of a span: a bound that counts what it refuses, an exporter that counts what it gives up, a client that sends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::runtime::Handle;

use super::SpanCounts;

/// Longest answer of a collector that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

/// Refuses spans while too many wait. The SDK's queue is bounded as well, but does not tell what it has dropped.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    inner: P,
    capacity_spans: usize,
    counts: Arc<SpanCounts>,
}

/// Counts what is sent and what is not, and logs when the one turns into the other.
#[derive(Debug)]
pub(super) struct Counted<E> {
    inner: E,
    counts: Arc<SpanCounts>,
    fails: AtomicBool,
}

/// Sends on the control runtime, whichever thread asks.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

// === impl Bounded ===

impl<P> Bounded<P> {
    pub(super) fn new(inner: P, capacity_spans: usize, counts: Arc<SpanCounts>) -> Self {
        Self {
            inner,
            capacity_spans,
            counts,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // Counted before it is queued, so that it cannot be taken from the queue before.
        if self.counts.queued.fetch_add(1, Relaxed) < self.capacity_spans {
            self.inner.on_end(span);
        } else {
            self.counts.queued.fetch_sub(1, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

// === impl Counted ===

impl<E> Counted<E> {
    pub(super) fn new(inner: E, counts: Arc<SpanCounts>) -> Self {
        Self {
            inner,
            counts,
            fails: AtomicBool::new(false),
        }
    }

    fn count(&self, spans: usize, result: &OTelSdkResult) {
        let counter = if result.is_ok() {
            &self.counts.sent
        } else {
            &self.counts.failed
        };
        counter.fetch_add(spans as u64, Relaxed);
        let failed_before = self.fails.swap(result.is_err(), Relaxed);
        match result {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "failed to send spans to the collector; counting those that are lost");
            }
            Ok(()) if failed_before => tracing::info!("the collector takes spans again"),
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counts.queued.fetch_sub(spans, Relaxed);
        let result = self.inner.export(batch).await;
        self.count(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

// === impl Sender ===

impl Sender {
    pub(super) fn new(runtime: Handle, timeout: Duration) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, runtime })
    }
}

// The signature is the one that `async_trait` writes.
impl HttpClient for Sender {
    fn send_bytes<'life0, 'async_trait>(&'life0 self, request: Request<Bytes>) -> Sending<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let sent = self.runtime.spawn(send(self.client.clone(), request));
        Box::pin(async move { sent.await? })
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        std::mem::swap(headers, answer.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("the collector's answer is longer than {MAX_ANSWER_BYTES} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body.into())?)
}
