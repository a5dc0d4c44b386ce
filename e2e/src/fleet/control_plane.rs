//! The control plane of `e2e/cluster`, from inside its network namespace.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::audit::Audit;
use super::objects::Objects;
use crate::fleet::statuses;
use crate::wait::until;

/// Where its API server is.
const SERVER: &str = "https://192.0.2.10:6443";

/// An API server of our own.
pub struct ControlPlane {
    client: kube::Client,
    /// `CLUSTER_DIR`.
    directory: PathBuf,
}

impl ControlPlane {
    /// The one whose namespace this process is in, with the definitions installed.
    pub async fn enter() -> anyhow::Result<Self> {
        let plane = Self::connect().await?;
        plane.install().await?;
        Ok(plane)
    }

    /// The one whose namespace this process is in, as it is.
    pub async fn connect() -> anyhow::Result<Self> {
        // Fails only when there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = std::env::var_os("CLUSTER_DIR").map(PathBuf::from).unwrap_or_default();
        let own = directory.join("admin.kubeconfig");
        // Any other cluster is somebody's.
        if std::env::var_os("KUBECONFIG").map(PathBuf::from) != Some(own) {
            bail!(
                "this is not inside a cluster of e2e/cluster: run this suite with e2e/test, or by `e2e/cluster up` and `e2e/cluster run ...`"
            );
        }
        let client = kube::Client::try_default()
            .await
            .context("failed to read the kubeconfig")?;
        Ok(Self { client, directory })
    }

    /// Applies the definitions that ship and waits until they are served.
    async fn install(&self) -> anyhow::Result<()> {
        let objects = self.objects("default");
        for entry in fs::read_dir(repository().join("deploy/crds"))? {
            let definition: Value = serde_yaml::from_str(&fs::read_to_string(entry?.path())?)?;
            let name = definition["metadata"]["name"]
                .as_str()
                .context("a definition has a name")?;
            let kind = definition["spec"]["names"]["kind"].as_str().context("and a kind")?;
            objects.apply(&definition).await?;
            until(&format!("{name} to be served"), async || {
                let stored = objects.existing("CustomResourceDefinition", name).await?;
                let established = statuses::has(&stored, "Established", "True");
                Ok((established && objects.list(kind).await.is_ok()).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    pub fn objects(&self, namespace: &str) -> Objects {
        Objects::new(self.client.clone(), namespace)
    }

    pub fn server(&self) -> &'static str {
        SERVER
    }

    /// The authority that the API server's certificate is from, as PEM.
    pub fn authority(&self) -> anyhow::Result<Vec<u8>> {
        Ok(fs::read(self.directory.join("pki/ca.crt"))?)
    }

    /// What is written from now on.
    pub fn audit(&self) -> anyhow::Result<Audit> {
        Audit::from_now(&self.audit_log())
    }

    pub fn audit_log(&self) -> PathBuf {
        self.directory.join("log/audit.log")
    }

    /// Kills the API server.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.api("stop").await
    }

    /// Starts it again on what etcd has kept, and waits until it is ready.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.api("start").await
    }

    async fn api(&self, what: &str) -> anyhow::Result<()> {
        let mut command = Command::new(repository().join("e2e/cluster"));
        let output = command.args(["api", what]).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "e2e/cluster api {what}: {said}");
        Ok(())
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
