//! Spans as a collector would get them.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt};

use super::*;
use crate::{
    capture::{
        record::{Outcome, Record},
        sample::Traffic,
    },
    config::sample::{config, route},
};

/// Keeps spans, or fails.
#[derive(Clone, Debug, Default)]
struct Collector {
    kept: Arc<Mutex<Vec<SpanData>>>,
    fails: bool,
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.fails {
            return Err(OTelSdkError::InternalFailure("gone".to_owned()));
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
        Ok(())
    }
}

fn provider(collector: &Collector, ratio: f64, counts: &Arc<SpanCounts>) -> SdkTracerProvider {
    let batched = BatchSpanProcessor::builder(Counted::new(collector.clone(), Arc::clone(counts))).build();
    SdkTracerProvider::builder()
        .with_span_processor(Bounded::new(batched, 4, Arc::clone(counts)))
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .build()
}

/// The spans of one request with this `traceparent`, and the headers that its provider got.
fn traced(traceparent: Option<&'static str>, ratio: f64) -> (Vec<SpanData>, HeaderMap) {
    let collector = Collector::default();
    let provider = provider(&collector, ratio, &Arc::default());
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("test"))
        .with_filter(filter_fn(|metadata| metadata.target() == SPANS));
    let mut sent = HeaderMap::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        request(traceparent, &mut sent);
    });
    provider.shutdown().unwrap();
    let spans = std::mem::take(&mut *collector.kept.lock().unwrap());
    (spans, sent)
}

fn request(traceparent: Option<&'static str>, sent: &mut HeaderMap) {
    let config = config(&[("one", &["a:m"])], None);
    let route = route(&config, "one");
    let mut headers = HeaderMap::new();
    if let Some(traceparent) = traceparent {
        headers.insert("traceparent", HeaderValue::from_static(traceparent));
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
    }
    let mut traffic = Traffic::new(7);
    let (mut record, mut attempt): (Record, _) = (traffic.record(), traffic.attempt());
    record.route = Some("default/one".into());
    record.outcome = Outcome::UpstreamError;
    record.error = Some("the provider quoted SECRET CONTENT".into());
    attempt.outcome = Outcome::UpstreamError;
    attempt.status = Some(503);
    attempt.error = Some("the provider quoted SECRET CONTENT".into());
    let mut trace = Trace::begin(&headers);
    trace.begin_attempt(&route.targets[0]);
    trace.propagate(sent);
    trace.end_attempt(&attempt, true);
    trace.end(&record);
}

fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}

#[test]
fn a_request_goes_on_from_its_client_and_the_provider_from_the_attempt() {
    let (spans, sent) = traced(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), 0.0);
    let [attempt, request] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(
        request.span_context.trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(request.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(attempt.parent_span_id, request.span_context.span_id());
    assert_eq!(
        (&*request.name, &request.span_kind),
        ("chat default/one", &SpanKind::Server)
    );
    assert_eq!((&*attempt.name, &attempt.span_kind), ("chat m", &SpanKind::Client));
    let own = attempt.span_context.span_id();
    assert_eq!(
        sent["traceparent"],
        format!("00-0af7651916cd43dd8448eb211c80319c-{own}-01")
    );
    assert_eq!(sent["tracestate"], "vendor=1");
}

#[test]
fn spans_say_what_happened_and_hold_no_content() {
    let (spans, _) = traced(None, 1.0);
    let [attempt, request] = &spans[..] else {
        panic!("{spans:?}")
    };
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "simulated"),
        ("gen_ai.request.model", "m"),
        ("server.address", "127.0.0.1"),
        ("server.port", "1"),
        ("http.response.status_code", "503"),
        ("error.type", "upstream_error"),
        ("route_switch.target", "a"),
    ] {
        assert_eq!(attribute(attempt, name), value, "{name}");
    }
    assert_eq!(attribute(request, "route_switch.route"), "default/one");
    assert!(attribute(request, "route_switch.generation_id").starts_with("gen-"));
    for span in [attempt, request] {
        assert!(matches!(span.status, Status::Error { .. }), "{span:?}");
        assert!(!format!("{span:?}").contains("SECRET"), "{span:?}");
    }
}

#[test]
fn a_trace_that_is_not_sampled_is_not_sent_and_says_so_to_the_provider() {
    for (traceparent, ratio) in [
        (Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), 1.0),
        (None, 0.0),
    ] {
        let (spans, sent) = traced(traceparent, ratio);
        assert!(spans.is_empty(), "{spans:?}");
        assert!(sent["traceparent"].to_str().unwrap().ends_with("-00"), "{sent:?}");
    }
}

#[test]
fn what_finds_no_room_and_what_cannot_be_sent_is_counted() {
    let counts = Arc::new(SpanCounts::default());
    let collector = Collector {
        fails: true,
        ..Collector::default()
    };
    let provider = provider(&collector, 1.0, &counts);
    let tracer = provider.tracer("test");
    for _ in 0..10 {
        drop(opentelemetry::trace::Tracer::start(&tracer, "span"));
    }
    let _ = provider.shutdown();
    assert_eq!(counts.sent(), 0);
    assert_eq!(counts.failed() + counts.dropped(), 10);
    assert!(counts.failed() >= 4, "{counts:?}");
    assert_eq!(counts.queued(), 0);
}

#[test]
fn the_path_is_added_to_the_endpoint() {
    let url = |text: &str| traces_url(text.parse().unwrap());
    assert_eq!(url("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!(
        url("https://collector/otlp/").unwrap(),
        "https://collector/otlp/v1/traces"
    );
    assert!(url("grpc://collector:4317").is_err());
}
