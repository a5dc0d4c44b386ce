//! Logs on standard error: text for people, JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

/// The client of the API server tells whole answers that it cannot read, and those may hold Secrets. What fails is told by who asked.
const CLIENT: &str = "kube_client::client=off";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Starts logging. `filter` is in the form of `RUST_LOG`, for instance `info` or `operator=debug`; one that cannot be read is `info`.
pub fn start(format: Format, filter: &str) {
    let mut filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    if let Ok(quiet) = CLIENT.parse() {
        filter = filter.add_directive(quiet);
    }
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    match format {
        Format::Text => lines.init(),
        Format::Json => lines.json().flatten_event(true).init(),
    }
}
