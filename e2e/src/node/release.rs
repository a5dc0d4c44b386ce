//! The chart, installed and taken away by either helm.

use std::time::Duration;

use tokio::time::Instant;

use super::command::run;
use super::{NAMESPACE, RELEASE};

/// The chart of this tree.
pub const CHART: &str = "charts/route-switch";
/// What the suite says of it: its own images and small volumes.
const VALUES: &str = "e2e/tests/node/values.yaml";
/// Helm's own, after which it gives up.
const LIMIT: &str = "3m";

/// A major version of helm, as `e2e/cluster` names its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helm {
    Three,
    Four,
}

impl Helm {
    pub fn program(self) -> &'static str {
        match self {
            Self::Three => "helm3",
            Self::Four => "helm",
        }
    }

    /// Installs a chart and waits as helm does; gives how long that took.
    pub async fn install(self, chart: &str, more: &[&str]) -> anyhow::Result<Duration> {
        self.put("install", chart, more).await
    }

    /// Upgrades the release to a chart and waits as helm does.
    pub async fn upgrade(self, chart: &str, more: &[&str]) -> anyhow::Result<Duration> {
        self.put("upgrade", chart, more).await
    }

    async fn put(self, what: &str, chart: &str, more: &[&str]) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let arguments = [
            what,
            RELEASE,
            chart,
            "--namespace",
            NAMESPACE,
            "--values",
            VALUES,
            "--wait",
            "--timeout",
            LIMIT,
        ];
        run(self.program(), &[&arguments, more].concat()).await?;
        Ok(began.elapsed())
    }

    /// Takes the release away and waits until its objects are gone.
    pub async fn uninstall(self) -> anyhow::Result<()> {
        let arguments = [
            "uninstall",
            RELEASE,
            "--namespace",
            NAMESPACE,
            "--wait",
            "--timeout",
            LIMIT,
        ];
        run(self.program(), &arguments).await.map(drop)
    }

    /// Runs the chart's own test.
    pub async fn test(self) -> anyhow::Result<String> {
        run(
            self.program(),
            &["test", RELEASE, "--namespace", NAMESPACE, "--timeout", LIMIT],
        )
        .await
    }

    /// Whether the release is there.
    pub async fn is_installed(self) -> anyhow::Result<bool> {
        let list = run(self.program(), &["list", "--short", "--namespace", NAMESPACE]).await?;
        Ok(list.lines().any(|name| name == RELEASE))
    }
}
