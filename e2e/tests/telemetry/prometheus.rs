//! A Prometheus that scrapes one gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use e2e::client::Client;
use e2e::process::free_address;
use e2e::program::{Program, from_environment};
use e2e::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "ROUTE_SWITCH_PROMETHEUS";

#[derive(Debug)]
pub(crate) struct Prometheus {
    address: SocketAddr,
    client: Client,
    _directory: TempDir,
    _program: Program,
}

impl Prometheus {
    pub(crate) async fn scraping(admin: SocketAddr) -> anyhow::Result<Self> {
        Self::start(admin, json!([])).await
    }

    /// The same; it evaluates the rules of a file.
    pub(crate) async fn with_rules(admin: SocketAddr, rules: &Path) -> anyhow::Result<Self> {
        Self::start(admin, json!([rules])).await
    }

    async fn start(admin: SocketAddr, rule_files: Value) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = free_address()?;
        // As a scrape by Kubernetes pods labels what it finds.
        let labels = json!({"namespace": "route-switch", "pod": "gateway-0"});
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": rule_files,
            "scrape_configs": [{
                "job_name": "gateway",
                "static_configs": [{"targets": [admin.to_string()], "labels": labels}],
            }],
        });
        fs::write(directory.path().join("prometheus.yml"), config.to_string())?;
        let arguments = [
            format!("--config.file={}", directory.path().join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", directory.path().join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let log = directory.path().join("prometheus.log");
        let mut program = Program::run("prometheus", &from_environment(PROGRAM)?, &arguments, &log)?;
        program
            .says("the start", 0, |output| {
                output.contains("Server is ready to receive web requests").then_some(())
            })
            .await?;
        Ok(Self {
            address,
            client: Client::new(address)?,
            _directory: directory,
            _program: program,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of an expression that gives one; none while it gives nothing.
    pub(crate) async fn value(&self, expression: &str) -> anyhow::Result<Option<f64>> {
        let mut query = url_encoded(expression);
        query.insert_str(0, "/api/v1/query?query=");
        let answer = self.client.get_json(&query).await?;
        let result = answer["data"]["result"].as_array().context("no result")?;
        anyhow::ensure!(result.len() <= 1, "{expression} has several values: {answer}");
        let value = result.first().and_then(|sample| sample["value"][1].as_str());
        Ok(value.map(str::parse).transpose()?)
    }

    /// Waits until an expression has a value that is as it should be.
    pub(crate) async fn becomes(&self, expression: &str, is_right: impl Fn(f64) -> bool) -> anyhow::Result<f64> {
        let mut last = None;
        let awaited = until(expression, async || {
            last = self.value(expression).await?;
            Ok(last.filter(|value| is_right(*value)))
        })
        .await;
        awaited.with_context(|| format!("{expression} is {last:?}"))
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
