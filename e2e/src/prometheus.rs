//! A real Prometheus, which `e2e/test` names.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::client::Client;
use crate::process::free_address;
use crate::program::{Program, from_environment};
use crate::wait::until;
use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "ROUTE_SWITCH_PROMETHEUS";
const CONFIGURATION: &str = "prometheus.yml";

#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    client: Client,
    _directory: TempDir,
    _program: Program,
}

impl Prometheus {
    /// One that scrapes one gateway.
    pub async fn scraping(admin: SocketAddr) -> anyhow::Result<Self> {
        Self::start(admin, json!([])).await
    }

    /// The same; it evaluates the rules of a file.
    pub async fn with_rules(admin: SocketAddr, rules: &Path) -> anyhow::Result<Self> {
        Self::start(admin, json!([rules])).await
    }

    async fn start(admin: SocketAddr, rule_files: Value) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
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
        fs::write(directory.path().join(CONFIGURATION), config.to_string())?;
        Self::configured(directory).await
    }

    /// One that is configured by the `prometheus.yml` of a directory, and keeps its data there.
    pub async fn configured(directory: TempDir) -> anyhow::Result<Self> {
        let address = free_address()?;
        let arguments = [
            format!("--config.file={}", directory.path().join(CONFIGURATION).display()),
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

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of an expression that gives one; none while it gives nothing.
    pub async fn value(&self, expression: &str) -> anyhow::Result<Option<f64>> {
        let mut query = url_encoded(expression);
        query.insert_str(0, "/api/v1/query?query=");
        let answer = self.client.get_json(&query).await?;
        let result = answer["data"]["result"].as_array().context("no result")?;
        anyhow::ensure!(result.len() <= 1, "{expression} has several values: {answer}");
        let value = result.first().and_then(|sample| sample["value"][1].as_str());
        Ok(value.map(str::parse).transpose()?)
    }

    /// Waits until an expression has a value that is as it should be.
    pub async fn becomes(&self, expression: &str, is_right: impl Fn(f64) -> bool) -> anyhow::Result<f64> {
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
