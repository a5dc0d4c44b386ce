//! Every panel of every dashboard, asked of a real Prometheus that scrapes the real pods while the demo's traffic runs.

use anyhow::ensure;
use e2e::client::Client;
use e2e::demo;
use e2e::node::APP_KEY;
use e2e::node::command::{fed, kubectl, run};
use e2e::prometheus::Prometheus;

use crate::{Suite, tell};

/// Each program of the chart, by a metric that only it has.
const SCRAPED: [(&str, f64); 2] = [
    ("count(route_switch_ready == 1)", 3.0),
    ("count(route_switch_operator_leader)", 2.0),
];

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    suite.installed().await?;
    let directory = tempfile::tempdir()?;
    let pods = kubectl("get pods --output json").await?;
    let folder = directory.path().display().to_string();
    fed("e2e/test.d/scraping", &[folder.as_str()], &pods).await?;
    let prometheus = Prometheus::configured(directory).await?;
    for (what, count) in SCRAPED {
        prometheus.becomes(what, |found| (found - count).abs() < 0.5).await?;
    }
    let client = Client::fresh(suite.service().await?)?.with_key(APP_KEY)?;
    let asking = tokio::spawn(demo::traffic(client));
    let url = prometheus.url();
    let arguments = [
        url.as_str(),
        "deploy/grafana",
        "--rules",
        "deploy/prometheus/rules.yaml",
        "--since",
        "60",
        "--interval",
        "5",
        "--wait",
        "90",
    ];
    let said = run("e2e/test.d/dashboards", &arguments).await?;
    ensure!(!asking.is_finished(), "the traffic broke off: {:?}", asking.await);
    asking.abort();
    let last = said.lines().last().unwrap_or_default();
    ensure!(last.ends_with("all have data"), "{said}");
    tell(&format!("for the reader: dashboards on real pods: {last}"));
    Ok(())
}
