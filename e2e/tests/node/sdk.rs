//! OpenAI's own Python SDK as a client of the Service (`e2e/sdk/python/service.py`).

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use e2e::fleet::control_plane::repository;
use e2e::node::APP_KEY;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Set by `e2e/test`: a Python that has the SDK.
const PYTHON: &str = "ROUTE_SWITCH_PYTHON";
const SCRIPT: &str = "e2e/sdk/python/service.py";

/// Clients that retry as the SDK does by itself.
pub(crate) struct Retrying {
    child: Child,
}

/// What they saw.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) answered: Vec<String>,
    pub(crate) failed: Vec<String>,
}

fn command(service: SocketAddr, arguments: &[&str]) -> anyhow::Result<Command> {
    let python = std::env::var_os(PYTHON)
        .with_context(|| format!("{PYTHON} must name a Python that has OpenAI's SDK; e2e/test node has one"))?;
    let mut command = Command::new(python);
    command
        .args(["-B", SCRIPT])
        .args(arguments)
        .env("OPENAI_BASE_URL", format!("http://{service}/v1"))
        .env("OPENAI_API_KEY", APP_KEY)
        .current_dir(repository())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Asks so many times, each time over a new connection; gives the ids of the answers.
pub(crate) async fn each(service: SocketAddr, count: usize) -> anyhow::Result<Vec<String>> {
    let output = command(service, &["each", &count.to_string()])?.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{SCRIPT}: {said}");
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

impl Retrying {
    /// Starts so many, which ask until they are stopped, and waits until each has been answered.
    pub(crate) async fn start(service: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut command = command(service, &["keep", &count.to_string()])?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.as_mut().context("its output was just asked for")?;
        let mut line = String::new();
        BufReader::with_capacity(1, output).read_line(&mut line).await?;
        ensure!(line.trim() == "asking", "{SCRIPT} says {line:?}");
        Ok(Self { child })
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<Report> {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().await?;
        ensure!(output.status.success(), "{SCRIPT} ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("it printed no report")
    }
}
