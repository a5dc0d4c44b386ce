//! A fleet on a real control plane: operators and gateways as plain processes beside an API server of `e2e/cluster`, all inside its
//! network namespace, with Pod objects whose status a stand-in for kubelet writes.
//!
//! **Invariant**: the operators run with the account and the rules that ship, and the gateways without any.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::fleet::account::Account;
use crate::fleet::audit::Audit;
use crate::fleet::control_plane::ControlPlane;
use crate::fleet::objects::Objects;
use crate::fleet::operator::Operator;
use crate::fleet::pod::{Pod, PodSettings};
use crate::manifest;
use crate::wait::{until, within};

pub mod account;
pub mod audit;
pub mod control_plane;
pub mod kstatus;
pub mod kubelet;
pub mod objects;
pub mod operator;
pub mod pod;
pub mod proxy;
pub mod record;
pub mod signed;
pub mod statuses;
pub mod tap;
pub mod traffic;
pub mod volume;

/// The Secret with the fleet key, by the operator's default.
pub const FLEET_KEY: &str = "route-switch-fleet-key";
/// The Lease, by the operator's default.
pub const LEASE: &str = "route-switch-operator";
/// What the load sends as its key.
pub const CLIENT_KEY: &str = "rs-fleet-client-8d1f03b7c6";
/// How long a thousand objects may take on two busy cores.
const MANY: Duration = Duration::from_mins(3);

/// What runs together in one namespace. Dropped, its processes are killed; the objects stay.
pub struct Fleet {
    pub objects: Objects,
    pub namespace: String,
    pub operators: Vec<Operator>,
    pub pods: Vec<Pod>,
    pub account: Account,
    /// Logs, data and volumes of all its programs.
    pub directory: PathBuf,
    pub audit: Audit,
    /// Addresses 127.0.`block`.* are this fleet's.
    block: u8,
    simulator: String,
}

impl Fleet {
    /// A namespace with the rules that ship, the Provider `sim` and a client key, and nothing that runs.
    pub async fn new(plane: &ControlPlane, site: &Site<'_>) -> anyhow::Result<Self> {
        let Site {
            name,
            block,
            directory,
            simulator,
        } = *site;
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        let objects = plane.objects(name);
        objects
            .apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
            .await?;
        // Pods are refused before it is there, and its controller may lag: after an outage of the API server it waits
        // half a minute and more before it looks again.
        objects
            .apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } }))
            .await?;
        let account = Account::new(plane, &objects).await?;
        let fleet = Self {
            objects,
            namespace: name.to_owned(),
            operators: Vec::new(),
            pods: Vec::new(),
            account,
            directory,
            audit: plane.audit()?,
            block,
            simulator: simulator.to_owned(),
        };
        let own = |object: &str| format!("{name}/{object}");
        let key = json!({ "key": CLIENT_KEY, "role": "Admin" });
        fleet.objects.apply(&manifest::key(&own("client"), key)).await?;
        let provider = json!({ "vendor": "Simulated" });
        fleet.objects.apply(&manifest::provider(&own("sim"), provider)).await?;
        Ok(fleet)
    }

    /// The same with operators and ready gateways.
    pub async fn running(plane: &ControlPlane, site: &Site<'_>, operators: u8, pods: u8) -> anyhow::Result<Self> {
        let mut fleet = Self::new(plane, site).await?;
        for _ in 0..operators {
            fleet.add_operator(plane.server()).await?;
        }
        for _ in 0..pods {
            fleet.add_pod(PodSettings::default()).await?;
        }
        for pod in &fleet.pods {
            pod.ready().await?;
        }
        Ok(fleet)
    }

    /// Starts one more operator, which reaches the API server at `server`.
    pub async fn add_operator(&mut self, server: &str) -> anyhow::Result<&mut Operator> {
        let number = u8::try_from(self.operators.len())?;
        let operator = Operator::start(self, number, server).await?;
        self.operators.push(operator);
        self.operators.last_mut().context("just added")
    }

    /// Makes one more Pod and starts its gateway.
    pub async fn add_pod(&mut self, settings: PodSettings) -> anyhow::Result<&mut Pod> {
        let ordinal = u8::try_from(self.pods.len())?;
        let pod = Pod::start(self, ordinal, settings).await?;
        self.pods.push(pod);
        self.pods.last_mut().context("just added")
    }

    /// The fleet key's Secret, once there is one.
    pub async fn fleet_key(&self) -> anyhow::Result<Value> {
        until("the fleet key", async || self.objects.get("Secret", FLEET_KEY).await).await
    }

    /// The index of the operator that holds the Lease.
    pub async fn leader(&self) -> anyhow::Result<Option<usize>> {
        let lease = self.objects.get("Lease", LEASE).await?.unwrap_or_default();
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        Ok(self
            .operators
            .iter()
            .position(|operator| holder.starts_with(&operator.name)))
    }

    /// The index of the operator that holds the Lease, as soon as one does.
    pub async fn awaited_leader(&self) -> anyhow::Result<usize> {
        until("a leader", async || self.leader().await).await
    }

    /// Waits until every object of these kinds says that it is ready in its newest generation.
    pub async fn all_ready(&self, kinds: &[&str]) -> anyhow::Result<()> {
        let mut behind = String::new();
        let waited = within(
            MANY,
            Duration::from_millis(300),
            "all objects to be ready",
            async || {
                behind.clear();
                for kind in kinds {
                    for object in self.objects.list(kind).await? {
                        if !statuses::is(&object, "Ready", "True") {
                            behind = format!("{kind} {} says {}", object["metadata"]["name"], object["status"]);
                            return Ok(None);
                        }
                    }
                }
                Ok(Some(()))
            },
        );
        let waited = waited.await;
        waited.with_context(|| format!("for instance {behind}"))
    }

    /// Waits until the operators have asked the API server for no write for so long, Leases apart.
    pub async fn quiet(&mut self, time: Duration) -> anyhow::Result<()> {
        let (audit, user) = (&mut self.audit, &self.account.user);
        let mut since = tokio::time::Instant::now();
        let mut last = String::new();
        let waited = within(
            MANY,
            Duration::from_millis(20),
            "the operators to be quiet",
            async || {
                let writes = audit.new_writes()?;
                if let Some(write) = writes
                    .iter()
                    .rfind(|write| write.user == *user && write.resource != "leases")
                {
                    since = tokio::time::Instant::now();
                    last = write.to_string();
                }
                Ok((since.elapsed() >= time).then_some(()))
            },
        );
        let waited = waited.await;
        waited.with_context(|| format!("the last write: {last}"))
    }

    /// Waits until all pods have the same Snapshot and gives its revision.
    pub async fn agreed_revision(&self) -> anyhow::Result<String> {
        let keys = signed::keys(&self.fleet_key().await?)?;
        until("the pods to have one Snapshot", async || {
            let mut revisions = Vec::new();
            for pod in &self.pods {
                let push = signed::snapshot(&keys, pod.admin, &pod.uid).await?;
                revisions.push(push.map(|push| push.snapshot.revision));
            }
            revisions.dedup();
            Ok(match revisions.as_slice() {
                [Some(revision)] => Some(revision.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Where clients of the so many-th pod connect, also before it is there.
    pub fn traffic_of(&self, pod: usize) -> anyhow::Result<SocketAddr> {
        Ok(self.address(u8::try_from(pod)? + 1, pod::TRAFFIC_PORT))
    }

    pub(crate) fn address(&self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, self.block, host], port))
    }

    pub(crate) fn simulator(&self) -> &str {
        &self.simulator
    }
}

/// Where a fleet lives.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its namespace.
    pub name: &'a str,
    /// The third number of its addresses; each fleet has its own.
    pub block: u8,
    /// Where it may make a directory.
    pub directory: &'a Path,
    /// URL of the simulator that its Providers use.
    pub simulator: &'a str,
}

/// One path of an answer, which must be a text.
pub fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    let text = found.with_context(|| format!("no text at {pointer} of {value}"))?;
    ensure!(!text.is_empty(), "an empty text at {pointer} of {value}");
    Ok(text)
}
