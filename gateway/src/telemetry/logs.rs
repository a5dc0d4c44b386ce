//! Logs, on standard error or in a file: text for people, JSON for machines. Nobody waits for them: lines go through a bounded
//! queue to a thread that writes them, and those that find no room are counted and lost.

use std::{
    fs::File,
    io::{self, IsTerminal},
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

mod writer;

use super::traces::{SPANS, Traces};
use writer::{Lines, start_writing};
pub use writer::{LostLines, Writing};

/// The target of the lines that tell of every request; at the level debug.
pub const ACCESS: &str = "access";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Starts logging on standard error. `filter` is in the form of `RUST_LOG`, for instance `info` or `gateway=debug`. Spans go to the
/// collector of `traces`.
pub fn start(format: Format, filter: &str, traces: Option<&Traces>) -> io::Result<Writing> {
    let (lines, writing) = start_writing(io::stderr())?;
    let colours = io::stderr().is_terminal();
    install(format, filter, colours, lines, traces);
    Ok(writing)
}

/// As [`start`], as text into a file.
pub fn start_in(file: File, filter: &str) -> io::Result<Writing> {
    let (lines, writing) = start_writing(file)?;
    install(Format::Text, filter, false, lines, None);
    Ok(writing)
}

fn install(format: Format, filter: &str, colours: bool, lines: Lines, traces: Option<&Traces>) {
    let spans = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_tracer(traces.tracer())
            .with_filter(
                filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS)
                    .with_max_level_hint(LevelFilter::INFO),
            )
    });
    tracing_subscriber::registry()
        .with(written(format, filter, colours, lines))
        .with(spans)
        .init();
}

/// Writes events. Spans are none of its business: those of requests are for a collector, and cost nothing where there is none.
fn written<S>(format: Format, filter: &str, colours: bool, lines: Lines) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // With a hint of the level, the many lines that nobody wants are left out at the price of one comparison.
    let events = filter_fn(|metadata| !metadata.is_span()).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(events);
    let layer = fmt::layer().with_writer(lines).with_target(false).with_ansi(colours);
    match format {
        Format::Text => layer.with_filter(filter).boxed(),
        Format::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(format: Format, filter: &str, log: impl FnOnce()) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (lines, writing) = start_writing(file.reopen().unwrap()).unwrap();
        let subscriber = tracing_subscriber::registry().with(written(format, filter, false, lines));
        tracing::subscriber::with_default(subscriber, log);
        drop(writing);
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn json_lines_are_flat_and_spans_are_not_written() {
        let text = logged(Format::Json, "info", || {
            let span = tracing::info_span!(target: SPANS, "request");
            assert!(span.is_disabled());
            tracing::info!(id = "gen-0-1", "answered");
            tracing::debug!("not wanted");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["id"], &line["message"]), (&"gen-0-1".into(), &"answered".into()));
    }

    #[test]
    fn lines_of_requests_are_written_when_asked_for() {
        let log = || tracing::debug!(target: ACCESS, id = "gen-0-1", status = 200, "request");
        assert_eq!(logged(Format::Text, "info", log), "");
        assert!(logged(Format::Text, "info,access=debug", log).contains("request id=\"gen-0-1\" status=200"));
    }
}
