//! `route-switch status`: how a running gateway does, from its traffic port. `helm test` runs it, and it needs no key.

use std::{io, iter};

use clap::Args;
use serde_json::Value;

use super::{
    remote::{self, Remote},
    table::{print, table},
};

/// Shows how a running gateway does: its version, what it serves, and whether it can store what it captures. Ends with status 1 if it
/// does not answer, or if one of its stores has failed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch status
  route-switch status --url http://route-switch-gateway.llm.svc
  route-switch status --url http://route-switch-gateway.llm.svc --json

In a fleet, it is of the one gateway that answers. Which objects are faulty is for a Viewer: with --key they are listed.")]
pub struct Arguments {
    /// Base URL of a running gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_hint = clap::ValueHint::Url)]
    url: String,
    /// A client key of that gateway
    #[arg(long, value_name = "KEY", env = "ROUTE_SWITCH_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Write JSON, as the gateway's /status answers
    #[arg(long)]
    json: bool,
}

/// Why all is not well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to reach a gateway at {url}; is it running, and is this its traffic port?")]
    Reach { url: String, source: reqwest::Error },
    #[error(transparent)]
    Ask(remote::Error),
    #[error("the gateway serves, but does not store what it should: {0}")]
    Degraded(String),
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
}

pub fn run(arguments: Arguments) -> Result<(), Error> {
    let Arguments { url, key, json } = arguments;
    let answer = Remote::new(&url, key).get("/status", &[]);
    let status: Value = answer.map_err(|error| match error {
        remote::Error::Reach { url, source } => Error::Reach { url, source },
        other => Error::Ask(other),
    })?;
    let told = if json { vec![status.to_string()] } else { lines(&status) };
    print(told).map_err(Error::Output)?;
    match failures(&status) {
        Some(failures) => Err(Error::Degraded(failures)),
        None => Ok(()),
    }
}

/// What the stores say, if they fail.
fn failures(status: &Value) -> Option<String> {
    let failed = ["examples", "analytics"].map(|store| {
        let failure = status["capture"][store]["failure"]["message"].as_str()?;
        Some(format!("{store}: {failure}"))
    });
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

fn lines(status: &Value) -> Vec<String> {
    let text = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let config = |what: &str| format!("{} {what}", text(&format!("/config/{what}")));
    let objects = ["providers", "routes", "prompts", "keys", "faults"].map(config);
    let store = |name: &str| match status["capture"][name]["failure"]["message"].as_str() {
        Some(failure) => failure.to_owned(),
        None => "ok".to_owned(),
    };
    let mut rows = vec![
        ("status", text("/status")),
        ("version", format!("{} (DuckDB {})", text("/version"), text("/duckdb"))),
        ("started", text("/started")),
        ("serves", objects.join(", ")),
        ("snapshot", text("/snapshot")),
        ("examples", store("examples")),
        ("analytics", store("analytics")),
        ("dropped", format!("{} records", text("/capture/dropped_records"))),
    ];
    if status["fleet"].is_object() {
        rows.insert(1, ("pod", text("/fleet/pod")));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, said)| vec![name.to_owned(), said])
        .collect();
    let mut told = table(2, &["", ""], &rows);
    told.remove(0);
    let faults = status["faults"].as_array().into_iter().flatten();
    told.extend(faults.map(fault));
    told
}

/// In the order in which `serve` logs it.
fn fault(fault: &Value) -> String {
    let line = fault["line"]
        .as_u64()
        .map_or_else(String::new, |line| format!(":{line}"));
    let place = fault["file"].as_str().map(|file| format!("{file}{line}"));
    let words = ["object", "field", "message"].map(|part| fault[part].as_str().map(str::to_owned));
    let told = iter::once(place).chain(words).flatten().filter(|part| !part.is_empty());
    format!("fault: {}", told.collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(failure: &Value) -> Value {
        json!({
            "status": "ok", "version": "0.1.0", "duckdb": "v1", "started": "2026-01-01T00:00:00Z", "snapshot": "3f9a",
            "config": { "providers": 1, "routes": 2, "prompts": 0, "keys": 3, "faults": 1 },
            "capture": { "examples": { "failure": null }, "analytics": { "failure": failure }, "dropped_records": 0 },
            "fleet": { "pod": "gateway-2" },
        })
    }

    #[test]
    fn a_status_is_told_a_line_a_subject() {
        let told = lines(&status(&Value::Null));
        assert_eq!(told[0], "status     ok");
        assert_eq!(told[1], "pod        gateway-2");
        assert!(told.contains(&"serves     1 providers, 2 routes, 0 prompts, 3 keys, 1 faults".to_owned()));
        assert!(told.contains(&"analytics  ok".to_owned()), "{told:?}");
        assert_eq!(failures(&status(&Value::Null)), None);
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let mut status = status(&Value::Null);
        status["faults"] = json!([
            { "file": "a.yaml", "line": 3, "object": "Route default/a", "field": "spec.model", "message": "is missing", "reason": "Invalid" },
            { "file": null, "line": null, "object": null, "field": "", "message": "no manifests", "reason": "Empty" },
        ]);
        let told = lines(&status);
        let [.., first, second] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(first, "fault: a.yaml:3: Route default/a: spec.model: is missing");
        assert_eq!(second, "fault: no manifests");
    }

    #[test]
    fn a_store_that_fails_is_a_fault() {
        let full = status(&json!({ "message": "the disk is full", "since_unix_micros": 1 }));
        assert_eq!(failures(&full), Some("analytics: the disk is full".to_owned()));
        assert!(lines(&full).contains(&"analytics  the disk is full".to_owned()));
    }
}
