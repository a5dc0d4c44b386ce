//! A gateway of a fleet: a process, its Pod object, and what kubelet would do for both.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use crds::fleet::SNAPSHOT_PATH;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::kubelet::Kubelet;
use super::objects::Objects;
use super::volume::Volume;
use super::{CLIENT_KEY, Fleet, signed, statuses, text};
use crate::client::Client;
use crate::load::fetch;
use crate::program::{Program, route_switch};
use crate::wait::until;

/// The most pods of a fleet; each knows the addresses of all.
const MOST: u8 = 8;
const ADMIN_PORT: u16 = 9090;
pub(super) const TRAFFIC_PORT: u16 = 8080;

/// What is special about a Pod.
#[derive(Clone, Debug, Default)]
pub struct PodSettings {
    /// More arguments of its gateway.
    pub arguments: Vec<String>,
    /// In place of the fleet key.
    pub key: Option<[u8; crds::fleet::key::BYTES]>,
    /// The port that its Pod names `admin`, in place of the gateway's own.
    pub admin_port: Option<u16>,
}

/// A Pod and its gateway. Dropped, the process is killed.
#[derive(Debug)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    /// Where its clients connect.
    pub traffic: SocketAddr,
    /// Its gateway's own admin port.
    pub admin: SocketAddr,
    /// With a key of role Admin.
    pub client: Client,
    /// The fleet key as it is mounted.
    pub volume: Volume,
    pub data: PathBuf,
    pub log: PathBuf,
    /// None while it is killed.
    pub program: Option<Program>,
    arguments: Vec<String>,
    objects: Objects,
    kubelet: Option<Kubelet>,
}

impl Pod {
    pub(super) async fn start(fleet: &Fleet, ordinal: u8, settings: PodSettings) -> anyhow::Result<Self> {
        let name = format!("gateway-{ordinal}");
        let host = ordinal + 1;
        let (traffic, admin) = (fleet.address(host, TRAFFIC_PORT), fleet.address(host, ADMIN_PORT));
        let announced = settings.admin_port.unwrap_or(ADMIN_PORT);
        let object = fleet.objects.apply(&manifest(&name, announced)).await?;
        let directory = fleet.directory.join(&name);
        let mut volume = Volume::new(directory.join("fleet-key"))?;
        match settings.key {
            Some(key) => volume.fill(&BTreeMap::from([("current".to_owned(), ByteString(key.to_vec()))]))?,
            None => volume.sync(&fleet.fleet_key().await?)?,
        }
        let siblings: Vec<String> = (1..=MOST)
            .map(|host| fleet.address(host, ADMIN_PORT).to_string())
            .collect();
        let mut pod = Self {
            uid: text(&object, "/metadata/uid")?.to_owned(),
            traffic,
            admin,
            client: Client::new(traffic)?.with_key(CLIENT_KEY)?,
            volume,
            data: directory.join("data"),
            log: directory.join("gateway.log"),
            program: None,
            arguments: settings.arguments,
            objects: fleet.objects.clone(),
            kubelet: None,
            name,
        };
        pod.arguments.splice(..0, pod.fixed_arguments(&siblings.join(",")));
        pod.run()?;
        let probed = SocketAddr::new(admin.ip(), admin.port());
        pod.kubelet = Some(Kubelet::start(pod.objects.clone(), pod.name.clone(), probed));
        Ok(pod)
    }

    fn fixed_arguments(&self, siblings: &str) -> Vec<String> {
        let listen = [self.traffic.to_string(), self.admin.to_string()];
        let places = [self.volume.path(), &self.data].map(|path| path.display().to_string());
        [
            &["serve", "--fleet", "--fleet-key", &places[0], "--siblings", siblings][..],
            &["--pod-name", &self.name, "--pod-uid", &self.uid],
            &["--listen", &listen[0], "--admin", &listen[1], "--data", &places[1]],
            &["--threads", "1", "--log-format", "json"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    /// Starts its gateway, or starts it again: in the same Pod, on the same data.
    pub fn run(&mut self) -> anyhow::Result<()> {
        self.program = Some(Program::run("gateway", &route_switch()?, &self.arguments, &self.log)?);
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.program.take().context("it was killed before")?.kill()
    }

    /// SIGTERM, and the end.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let mut program = self.program.take().context("it was ended before")?;
        program.terminate()?;
        let status = program.ended().await?;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Waits until its Pod says that it is ready, or that it is not.
    pub async fn says(&self, ready: &str) -> anyhow::Result<()> {
        until(&format!("{} to say Ready={ready}", self.name), async || {
            let pod = self.objects.get("Pod", &self.name).await?.unwrap_or_default();
            Ok(statuses::has(&pod, "Ready", ready).then_some(()))
        })
        .await
    }

    /// Waits until its gateway is ready, whatever the Pod says.
    pub async fn serving(&self) -> anyhow::Result<()> {
        until(&format!("{} to be ready", self.name), async || {
            let answer = fetch(self.admin, "/readyz", None).await;
            Ok(answer.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .await
    }

    /// Waits until it is ready and its Pod says so.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = async {
            self.serving().await?;
            self.says("True").await
        };
        let ready = ready.await;
        ready.with_context(|| format!("its log ends with {}", self.last_words()))
    }

    /// Waits until it no longer believes who signs with these keys.
    pub async fn refuses_the_key(&self, secret: &Value) -> anyhow::Result<()> {
        let keys = signed::keys(secret)?;
        until(&format!("{} to have another key", self.name), async || {
            let (status, _) = signed::ask(&keys, ("GET", SNAPSHOT_PATH, b""), self.admin, &self.uid).await?;
            Ok((status == 401).then_some(()))
        })
        .await
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Ends its gateway and deletes the Pod; the data stays.
    pub async fn remove(mut self) -> anyhow::Result<()> {
        self.kubelet = None;
        if let Some(mut program) = self.program.take() {
            program.kill()?;
        }
        self.objects.delete("Pod", &self.name).await
    }
}

fn manifest(name: &str, admin_port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/component": "gateway" } },
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "gateway",
                "image": "route-switch",
                "ports": [
                    { "name": "http", "containerPort": TRAFFIC_PORT },
                    { "name": "admin", "containerPort": admin_port },
                ],
            }],
        },
    })
}
