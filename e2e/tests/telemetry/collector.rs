//! A collector that writes what it gets to a file, as JSON.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use e2e::process::free_address;
use e2e::program::{Program, from_environment};
use e2e::wait::until;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = "ROUTE_SWITCH_COLLECTOR";
/// The kind of a request's span, as OTLP numbers it.
const SERVER: u64 = 2;

#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    directory: TempDir,
    _program: Program,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Span(Value);

impl Collector {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = free_address()?;
        let config = serde_json::json!({
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": address.to_string()}}}},
            "exporters": {"file": {"path": directory.path().join("spans.json"), "flush_interval": "50ms"}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        });
        let path = directory.path().join("collector.yaml");
        fs::write(&path, config.to_string())?;
        let log = directory.path().join("collector.log");
        let path = path.to_string_lossy();
        let mut program = Program::run("collector", &from_environment(PROGRAM)?, &["--config", &*path], &log)?;
        program
            .says("the start", 0, |output| {
                output.contains("Everything is ready").then_some(())
            })
            .await?;
        Ok(Self {
            address,
            directory,
            _program: program,
        })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("spans.json")
    }

    /// All that came, as text.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    /// Waits for the spans of the trace: that of the request, which ends last, and those before it.
    pub(crate) async fn trace(&self, trace_id: &str) -> anyhow::Result<Vec<Span>> {
        until(&format!("the request of the trace {trace_id}"), async || {
            let all = self.spans()?;
            let found: Vec<Span> = all.into_iter().filter(|span| span.0["traceId"] == trace_id).collect();
            Ok(found.iter().any(|span| span.kind() == SERVER).then_some(found))
        })
        .await
    }

    /// The spans of all whole lines.
    fn spans(&self) -> anyhow::Result<Vec<Span>> {
        let text = self.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut spans = Vec::new();
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line).context("the collector wrote a line that is not JSON")?;
            for resource in children(&line, "resourceSpans") {
                let service = attribute(&resource["resource"], "service.name");
                for scope in children(resource, "scopeSpans") {
                    spans.extend(children(scope, "spans").map(|span| {
                        let mut span = span.clone();
                        span["service"] = service.clone().into();
                        Span(span)
                    }));
                }
            }
        }
        Ok(spans)
    }
}

impl Span {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// That of a server or that of a client, which is one more.
    pub(crate) fn kind(&self) -> u64 {
        self.0["kind"].as_u64().unwrap_or_default()
    }

    pub(crate) fn is_error(&self) -> bool {
        self.0["status"]["code"] == 2
    }

    /// The value of an attribute, as text; empty if there is none.
    pub(crate) fn attribute(&self, name: &str) -> String {
        attribute(&self.0, name)
    }
}

fn children<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn attribute(of: &Value, name: &str) -> String {
    let found = children(of, "attributes").find(|attribute| attribute["key"] == name);
    let Some(value) = found.and_then(|attribute| attribute["value"].as_object()) else {
        return String::new();
    };
    match value.values().next() {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
