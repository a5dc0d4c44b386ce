//! `route-switch stats`: figures in the terminal, of a running gateway or of the files of a stopped one.

use std::io;
use std::str::FromStr;

use clap::Args;
use crds::duration;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    remote::{self, Answering, Source},
    table::{print, table},
};
use crate::analytics::system::{Dimension, Granularity, Query};

/// Shows figures of the requests so far, a line a group.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples
  route-switch stats                                        by Route, of the last 24 hours
  route-switch stats --group-by model,provider --since 7d
  route-switch stats --group-by prompt,revision --granularity day --since 30d
  route-switch stats --scope pod                            of this one gateway of a fleet
  route-switch stats --data route-switch-data --since 90d   of a gateway that has stopped

Columns: requests; ok, the share that succeeded, without what clients spoilt or left; median and 95th percentile of the
whole time, and the median of the time to the first token; tokens; US dollars, where prices are known.")]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// What is one line: any of model, provider, route, target, key, outcome, prompt, revision
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = "route", value_parser = Dimension::from_str)]
    group_by: Vec<Dimension>,
    /// A time (2026-01-31T12:00:00Z), or a duration back from now
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// A time, or a duration back from now [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A line for each of these as well: none, minute, hour or day
    #[arg(long, value_name = "TIME", default_value = "none", value_parser = granularity)]
    granularity: &'static str,
    /// Of the gateway that is asked, or of all of its fleet [default: fleet, where there is one]
    #[arg(long, value_name = "SCOPE", value_parser = ["pod", "fleet"], conflicts_with = "data")]
    scope: Option<String>,
    /// Write JSON, with all figures
    #[arg(long)]
    json: bool,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Source(#[from] remote::Error),
    #[error("--{name} `{text}` is no time: write 2026-01-31T12:00:00Z, or a duration as 24h")]
    Time { name: &'static str, text: String },
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
}

pub fn run(arguments: Arguments) -> Result<(), Error> {
    let Arguments {
        source,
        group_by,
        since,
        until,
        granularity,
        scope,
        json,
    } = arguments;
    let dimensions: Vec<&str> = group_by.iter().map(|dimension| dimension.name()).collect();
    let answer: Value = match source.open()? {
        Answering::Gateway(gateway) => {
            let mut query = vec![
                ("group_by", dimensions.join(",")),
                ("since", since),
                ("granularity", granularity.to_owned()),
            ];
            query.extend(until.map(|until| ("until", until)));
            query.extend(scope.map(|scope| ("scope", scope)));
            gateway.get("/v1/system/analytics", &query)?
        }
        Answering::Files(analytics) => {
            let now = Timestamp::now();
            let query = Query {
                since_unix_micros: time("since", &since, now)?,
                until_unix_micros: until.map_or(Ok(i64::MAX / 2), |until| time("until", &until, now))?,
                group_by: group_by.clone(),
                granularity: Granularity::from_str(granularity).unwrap_or_default(),
                namespace: None,
                key: None,
                prompt: None,
            };
            let answer = analytics.system(&query).map_err(remote::Error::from)?;
            serde_json::to_value(answer).map_err(remote::Error::Understand)?
        }
    };
    let lines = if json {
        vec![answer.to_string()]
    } else {
        lines(&answer, &dimensions, granularity != "none")
    };
    print(lines).map_err(Error::Output)
}

fn granularity(text: &str) -> Result<&'static str, String> {
    let known = ["none", "minute", "hour", "day"];
    let found = known.into_iter().find(|name| *name == text);
    found.ok_or_else(|| format!("it is one of {}", known.join(", ")))
}

fn time(name: &'static str, text: &str, now: Timestamp) -> Result<i64, Error> {
    let back = || i64::try_from(duration::parse(text).ok()?.as_micros()).ok();
    let time = text.parse().ok().map(Timestamp::as_microsecond);
    time.or_else(|| Some(now.as_microsecond().saturating_sub(back()?)))
        .ok_or_else(|| Error::Time {
            name,
            text: text.to_owned(),
        })
}

fn lines(answer: &Value, dimensions: &[&str], has_buckets: bool) -> Vec<String> {
    const FIGURES: [&str; 8] = [
        "requests",
        "ok",
        "p50 ms",
        "p95 ms",
        "first token",
        "tokens in",
        "out",
        "USD",
    ];
    let mut names: Vec<&str> = dimensions.to_vec();
    if has_buckets {
        names.insert(0, "bucket");
    }
    let head: Vec<&str> = names.iter().copied().chain(FIGURES).collect();
    let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let mut told = if rows.is_empty() {
        vec!["no requests in that time".to_owned()]
    } else {
        let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, &names)).collect();
        table(names.len(), &head, &cells)
    };
    let missing = answer["pods"]["missing"].as_array().into_iter().flatten();
    let missing: Vec<&str> = missing.filter_map(Value::as_str).collect();
    if !missing.is_empty() {
        told.push(format!(
            "not counted, because they did not answer: pods {}",
            missing.join(", ")
        ));
    }
    told
}

fn cells(row: &Value, names: &[&str]) -> Vec<String> {
    let number = |name: &str| row[name].to_string();
    let ms = |name: &str| {
        row[name]
            .as_f64()
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
    };
    let rate = row["success_rate"].as_f64();
    let usd = row["cost_micro_usd"].as_i64().unwrap_or_default();
    let names = names.iter().map(|name| row[*name].as_str().unwrap_or("-").to_owned());
    let figures = [
        number("requests"),
        rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1}%", rate * 100.0)),
        ms("p50_latency_ms"),
        ms("p95_latency_ms"),
        ms("p50_first_token_ms"),
        number("prompt_tokens"),
        number("completion_tokens"),
        format!("{}.{:06}", usd / 1_000_000, usd % 1_000_000),
    ];
    names.chain(figures).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_a_table() {
        let row = json!({
            "route": "default/chat", "bucket": "2026-03-01T00:00:00Z", "requests": 12, "success_rate": 0.875, "p50_latency_ms": 3.25,
            "p95_latency_ms": 20.0, "p50_first_token_ms": null, "prompt_tokens": 100, "completion_tokens": 7, "cost_micro_usd": 1_500_000,
        });
        let told = lines(&json!({ "rows": [row] }), &["route"], true);
        assert_eq!(told.len(), 2);
        let cells: Vec<&str> = told[1].split_whitespace().collect();
        assert_eq!(
            cells,
            [
                "2026-03-01T00:00:00Z",
                "default/chat",
                "12",
                "87.5%",
                "3.2",
                "20.0",
                "-",
                "100",
                "7",
                "1.500000"
            ]
        );
        assert_eq!(
            lines(&json!({ "rows": [] }), &["route"], false),
            ["no requests in that time"]
        );
        let told = lines(
            &json!({ "rows": [], "pods": { "missing": ["1", "2"] } }),
            &["route"],
            false,
        );
        assert!(told[1].ends_with("pods 1, 2"), "{told:?}");
    }

    #[test]
    fn times_are_read_and_what_is_none_is_refused() {
        let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(time("since", "1h", now).unwrap(), now.as_microsecond() - 3_600_000_000);
        assert_eq!(
            time("since", "2026-02-01T00:00:00Z", now).unwrap(),
            now.as_microsecond()
        );
        assert!(time("since", "yesterday", now).is_err());
    }
}
