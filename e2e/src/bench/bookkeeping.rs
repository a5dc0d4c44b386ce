//! Whether the gateway wrote down what it was measured for: a gateway that sheds its records is cheap for the wrong reason.

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::dress::KEY;
use super::subjects::Stage;
use crate::load::fetch;

/// What the gateway says of the requests of a whole lane, warm-up included.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Books {
    pub(super) requests: u64,
    /// Requests whose record, or its content, the gateway gave up, by the counters of its metrics.
    pub(super) dropped: f64,
    /// Requests whose content was left out because content came faster than it is taken; their figures were kept.
    pub(super) thinned: f64,
}

#[derive(Deserialize)]
struct Analytics {
    total_requests: u64,
    success_rate: Option<f64>,
}

/// None if the program is not the gateway. An error if its analytics do not hold what was sent.
pub(super) async fn check(stage: &Stage) -> anyhow::Result<Option<Books>> {
    let Some(admin) = stage.gateway.admin else {
        return Ok(None);
    };
    let metrics = fetch(admin, "/metrics", None).await.context("GET /metrics")?;
    ensure!(metrics.status == 200, "GET /metrics answered {}", metrics.status);
    let metrics = String::from_utf8_lossy(&metrics.body);
    let books = Books {
        requests: stage.sent_to_gateway,
        dropped: sum_counters(&metrics, "dropped"),
        thinned: sum_counters(&metrics, "thinned"),
    };

    let path = "/v1/system/analytics";
    let answer = fetch(stage.gateway.address, path, Some(KEY))
        .await
        .with_context(|| format!("GET {path}"))?;
    ensure!(answer.status == 200, "GET {path} answered {}", answer.status);
    let counted: Analytics = serde_json::from_slice(&answer.body).with_context(|| format!("GET {path}"))?;
    let complete = counted.total_requests == books.requests && counted.success_rate == Some(1.0);
    ensure!(
        complete || books.dropped > 0.0,
        "the gateway was sent {} requests, all answered well; its analytics say {} with a success rate of {:?}",
        books.requests,
        counted.total_requests,
        counted.success_rate
    );
    Ok(Some(books))
}

/// Over all counters that are called so, records and contents alike.
fn sum_counters(metrics: &str, called: &str) -> f64 {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let named = samples.filter(|line| line.split(['{', ' ']).next().is_some_and(|name| name.contains(called)));
    named
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_records_are_summed_over_labels_and_counters() {
        let text = "# HELP a_dropped_total x\na_dropped_total{store=\"examples\"} 2\na_dropped_total{store=\"rows\"} 3\nother 9\n";
        assert!((sum_counters(text, "dropped") - 5.0).abs() < f64::EPSILON);
    }
}
