//! The spans of one request: its own, which goes on from the client's trace, and one for each attempt, from which the provider
//! goes on. Attributes are those of OpenTelemetry's conventions for generative AI and HTTP, and `route_switch.*` for the rest.
//! No content, no message of an error (a provider's may quote content) and no credential is among them.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use opentelemetry::{
    Context, Key, StringValue, Value,
    propagation::TextMapPropagator,
    trace::{Status, TraceContextExt},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    capture::record::{Attempt, Outcome, Record, Usage},
    config::resolved::Target,
};

/// What the spans' `target` is: nothing but the way to the collector takes them, and it takes nothing else.
pub const SPANS: &str = "route_switch::spans";

const CHAT: &str = "chat";

/// The spans of one request.
#[derive(Debug)]
pub struct Trace {
    request: Span,
    attempt: Span,
}

impl Trace {
    /// Begins the span of a request, within the trace that its headers name, if any.
    pub fn begin(headers: &HeaderMap) -> Self {
        let request = tracing::info_span!(target: SPANS, parent: None, "request", otel.kind = "server");
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        if parent.span().span_context().is_valid() {
            // It has just begun, and the layer is there if anybody wants spans: nothing else can fail.
            let _ = request.set_parent(parent);
        }
        Self {
            request,
            attempt: Span::none(),
        }
    }

    pub fn begin_attempt(&mut self, target: &Target) {
        let name = format!("{CHAT} {}", target.model);
        self.attempt = tracing::info_span!(target: SPANS, parent: &self.request, "attempt", otel.name = name, otel.kind = "client");
        let labels = target.model_metrics.labels();
        set(&self.attempt, "gen_ai.operation.name", CHAT);
        set(&self.attempt, "gen_ai.provider.name", labels.vendor);
        set(&self.attempt, "gen_ai.request.model", text(&target.model));
        set(&self.attempt, "route_switch.provider", text(&target.provider));
        set(&self.attempt, "route_switch.target", text(&target.name));
        if let Some(host) = target.destination.uri.host() {
            set(
                &self.attempt,
                "server.address",
                host.trim_matches(['[', ']']).to_owned(),
            );
            set(&self.attempt, "server.port", i64::from(port(&target.destination.uri)));
        }
    }

    /// Tells the provider in which trace it is called.
    pub fn propagate(&self, headers: &mut HeaderMap) {
        TraceContextPropagator::new().inject_context(&self.attempt.context(), &mut HeaderInjector(headers));
    }

    pub fn end_attempt(&mut self, attempt: &Attempt, streamed: bool) {
        let span = std::mem::replace(&mut self.attempt, Span::none());
        set(&span, "gen_ai.request.stream", streamed);
        if let Some(status) = attempt.status {
            set(&span, "http.response.status_code", i64::from(status));
        }
        if let Some(id) = &attempt.upstream_id {
            set(&span, "gen_ai.response.id", id.to_string());
        }
        if let Some(micros) = attempt.first_token_micros.filter(|_| streamed) {
            set(&span, "gen_ai.response.time_to_first_chunk", seconds(micros));
        }
        set_usage(&span, attempt.usage.as_ref(), attempt.cost_pico_usd);
        set_outcome(&span, attempt.outcome);
        if attempt.outcome != Outcome::Ok {
            span.set_status(Status::error(""));
        }
    }

    pub fn end(self, record: &Record) {
        let span = self.request;
        let route = record.route.as_deref().unwrap_or("unknown");
        span.context().span().update_name(format!("{CHAT} {route}"));
        set(&span, "gen_ai.operation.name", CHAT);
        set(&span, "gen_ai.request.model", record.requested_model.to_string());
        set(&span, "gen_ai.request.stream", record.streamed);
        set(&span, "http.request.method", "POST");
        set(&span, "http.response.status_code", i64::from(record.status));
        set(&span, "route_switch.generation_id", record.id.to_string());
        set(&span, "route_switch.snapshot", text(&record.snapshot_revision));
        set(&span, "route_switch.attempts", whole(record.attempts.len() as u64));
        set(&span, "route_switch.overhead_us", whole(record.overhead_micros));
        for (name, value) in [("route_switch.route", &record.route), ("route_switch.key", &record.key)] {
            if let Some(value) = value {
                set(&span, name, text(value));
            }
        }
        if let Some(reason) = &record.finish_reason {
            let reasons = vec![StringValue::from(reason.to_string())];
            set(&span, "gen_ai.response.finish_reasons", Value::Array(reasons.into()));
        }
        set_usage(&span, record.usage.as_ref(), record.cost_pico_usd);
        set_outcome(&span, record.outcome);
        // What the client did wrong is no error of the server that tells it so.
        if !matches!(record.outcome, Outcome::Ok | Outcome::ClientError | Outcome::Cancelled) {
            span.set_status(Status::error(""));
        }
    }
}

fn set(span: &Span, name: &'static str, value: impl Into<Value>) {
    span.set_attribute(Key::from_static_str(name), value);
}

fn set_usage(span: &Span, usage: Option<&Usage>, cost_pico_usd: Option<i64>) {
    if let Some(usage) = usage {
        set(span, "gen_ai.usage.input_tokens", whole(usage.prompt_tokens));
        set(span, "gen_ai.usage.output_tokens", whole(usage.completion_tokens));
        set(span, "gen_ai.usage.cache_read.input_tokens", whole(usage.cached_tokens));
        set(
            span,
            "gen_ai.usage.cache_creation.input_tokens",
            whole(usage.cache_write_tokens),
        );
        set(
            span,
            "gen_ai.usage.reasoning.output_tokens",
            whole(usage.reasoning_tokens),
        );
        set(span, "route_switch.usage.estimated", usage.estimated);
    }
    if let Some(cost) = cost_pico_usd {
        set(span, "route_switch.cost_pico_usd", cost);
    }
}

fn set_outcome(span: &Span, outcome: Outcome) {
    set(span, "route_switch.outcome", outcome.as_str());
    if outcome != Outcome::Ok {
        set(span, "error.type", outcome.as_str());
    }
}

fn text(text: &Arc<str>) -> Value {
    Value::String(StringValue::from(Arc::clone(text)))
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of requests are far below 2^52 microseconds"
)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn port(uri: &Uri) -> u16 {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    uri.port_u16().unwrap_or(default)
}
