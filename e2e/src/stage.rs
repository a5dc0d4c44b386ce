//! A gateway in front of a simulated provider, both real processes, in a directory of their own.

mod simulator;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::manifest;
use crate::program::Program;
use crate::wait::until;

pub use simulator::Simulator;

/// A directory with manifests, the data of a gateway and the logs of both programs.
#[derive(Debug)]
pub struct Stage {
    pub simulator: Simulator,
    directory: TempDir,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    pub program: Program,
    /// Where its clients connect.
    pub traffic: SocketAddr,
    pub admin: Client,
    pub admin_address: SocketAddr,
    /// Without a key: as Admin.
    pub client: Client,
}

impl Stage {
    /// A stage with a simulator on it. Its manifests are empty.
    pub async fn new() -> anyhow::Result<Self> {
        Self::with_simulator(&[]).await
    }

    /// The same; the simulator has more arguments.
    pub async fn with_simulator(arguments: &[&str]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("manifests"))?;
        fs::create_dir(directory.path().join("drafts"))?;
        let simulator = Simulator::start(arguments, &directory.path().join("simulator.log")).await?;
        Ok(Self { simulator, directory })
    }

    /// A stage with the Provider `sim` and these objects, and its gateway.
    pub async fn playing(objects: &[Value]) -> anyhow::Result<(Self, Gateway)> {
        let stage = Self::new().await?;
        stage.write(
            "sim.yaml",
            &manifest::file(&[manifest::provider("sim", json!({ "vendor": "Simulated" }))]),
        )?;
        stage.write("objects.yaml", &manifest::file(objects))?;
        let gateway = stage.gateway(&[]).await?;
        Ok((stage, gateway))
    }

    pub fn manifests(&self) -> PathBuf {
        self.directory.path().join("manifests")
    }

    /// The gateway's stores.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a file among the manifests, at once.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let draft = self.draft(name, text)?;
        self.publish(&draft)
    }

    /// Writes a file beside the manifests.
    pub fn draft(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let draft = self.path().join("drafts").join(name);
        fs::write(&draft, text)?;
        Ok(draft)
    }

    /// Moves a draft to its place among the manifests.
    pub fn publish(&self, draft: &Path) -> anyhow::Result<()> {
        let name = draft.file_name().context("a draft has a name")?;
        Ok(fs::rename(draft, self.manifests().join(name))?)
    }

    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.manifests().join(name))?)
    }

    /// Starts a gateway, on free ports, with two traffic threads.
    pub async fn gateway(&self, arguments: &[&str]) -> anyhow::Result<Gateway> {
        let log = self.path().join("gateway.log");
        let before = fs::metadata(&log).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let (manifests, data) = (self.manifests(), self.data());
        let (manifests, data) = (manifests.to_string_lossy(), data.to_string_lossy());
        let simulator = format!("http://{}", self.simulator.address);
        let mut all = vec![
            "serve",
            "--manifests",
            &*manifests,
            "--data",
            &*data,
            "--simulator",
            &*simulator,
        ];
        all.extend(["--admin", "127.0.0.1:0", "--threads", "2", "--log-format", "json"]);
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut program = Program::start("gateway", &all, &log)?;
        let (traffic, admin) = program.says("an address", before, addresses).await?;
        Ok(Gateway {
            program,
            traffic,
            admin: Client::new(admin)?,
            admin_address: admin,
            client: Client::new(traffic)?,
        })
    }
}

/// What a gateway says of itself once it listens.
fn addresses(output: &str) -> Option<(SocketAddr, SocketAddr)> {
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut serving = lines.filter(|line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("serving;"))
    });
    let line = serving.next()?;
    Some((
        line["listen"].as_str()?.parse().ok()?,
        line["admin"].as_str()?.parse().ok()?,
    ))
}

impl Gateway {
    /// The revision of the Snapshot that new requests run on.
    pub async fn snapshot(&self) -> anyhow::Result<String> {
        let status = self.client.get_json("/status").await?;
        Ok(status["snapshot"]
            .as_str()
            .context("/status names no snapshot")?
            .to_owned())
    }

    /// Waits until new requests run on another Snapshot than this one.
    pub async fn snapshot_after(&self, before: &str) -> anyhow::Result<String> {
        until("another snapshot", async || {
            let now = self.snapshot().await?;
            Ok((now != before).then_some(now))
        })
        .await
    }

    /// Sends SIGTERM and waits for the end, which must be a good one.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.program.terminate()?;
        let status = self.program.ended().await?;
        anyhow::ensure!(status.success(), "the gateway ended with {status}");
        Ok(())
    }
}
