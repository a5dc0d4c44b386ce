//! Three gateways of a fleet without an operator: what each stored itself, any of them tells of all.
//!
//! Pods connect to nothing on loopback, so that no request here reaches a provider; each is recorded nevertheless.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use crds::fleet::key::{FleetKey, FleetKeys};
use crds::fleet::{HEARTBEAT_PATH, Heartbeat, Order, Push, SNAPSHOT_PATH};
use e2e::client::Client;
use e2e::fleet::signed;
use e2e::manifest::{key, route, target};
use e2e::program::Program;
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::{Value, json};

use crate::ask;

const ADMIN_KEY: &str = "rs-fleet-reads-admin";
const SECRET: [u8; 32] = [9; 32];

struct Pod {
    uid: String,
    admin: SocketAddr,
    client: Client,
    arguments: Vec<String>,
    log: PathBuf,
    program: Option<Program>,
}

impl Pod {
    /// On addresses that no other program has: the second and third number come from this process.
    fn new(ordinal: u8, directory: &Path) -> anyhow::Result<Self> {
        let process = std::process::id();
        let address = |port: u16| {
            let [.., high, low] = process.to_be_bytes();
            SocketAddr::from(([127, 128 | high, low, ordinal + 1], port))
        };
        let (traffic, admin) = (address(8080), address(9090));
        let uid = format!("uid-{ordinal}");
        let place = |name: &str| directory.join(format!("{name}-{ordinal}"));
        let arguments = [
            &["serve", "--fleet", "--fleet-key"][..],
            &[&directory.join("fleet-key").display().to_string()],
            &["--pod-name", &format!("gateway-{ordinal}"), "--pod-uid", &uid],
            &["--listen", &traffic.to_string(), "--admin", &admin.to_string()],
            &["--data", &place("data").display().to_string()],
            &["--threads", "1", "--log-format", "json"],
        ];
        Ok(Self {
            client: Client::new(traffic)?.with_key(ADMIN_KEY)?,
            arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
            log: place("log"),
            program: None,
            uid,
            admin,
        })
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.program = Some(Program::start("gateway", &self.arguments, &self.log)?);
        Ok(())
    }

    /// Asks its admin port until it answers.
    async fn told(&self, keys: &FleetKeys, method: &str, path: &str, body: &[u8]) -> anyhow::Result<()> {
        until(
            &format!("{} to take {method} {path}", self.uid),
            async || match signed::ask(keys, (method, path, body), self.admin, &self.uid).await {
                Ok((200, _)) => Ok(Some(())),
                Ok((status, body)) => anyhow::bail!("{status}: {}", String::from_utf8_lossy(&body)),
                Err(_) => Ok(None),
            },
        )
        .await
    }

    async fn analytics(&self) -> anyhow::Result<Value> {
        self.client.get_json("/v1/system/analytics?scope=fleet").await
    }
}

struct Fleet {
    pods: Vec<Pod>,
    keys: FleetKeys,
    _stage: Stage,
}

impl Fleet {
    /// Serves what a gateway makes of manifests.
    async fn new() -> anyhow::Result<Self> {
        let objects = [
            route("chat", json!({ "targets": [target("only", "sim", "sim-fast", 1)] })),
            key("admin", json!({ "key": ADMIN_KEY, "role": "Admin" })),
        ];
        let (stage, gateway) = Stage::playing(&objects).await?;
        let push = Push {
            order: Order { epoch: 1, sequence: 1 },
            snapshot: serde_json::from_value(gateway.admin.get_json("/config").await?)?,
            credentials: std::collections::BTreeMap::new(),
        };
        let folder = stage.path().join("fleet-key");
        fs::create_dir(&folder)?;
        fs::write(folder.join("current"), SECRET)?;
        let keys = FleetKeys {
            current: FleetKey::new(&SECRET)?,
            previous: None,
        };
        let mut fleet = Self {
            pods: (0..3)
                .map(|ordinal| Pod::new(ordinal, stage.path()))
                .collect::<Result<_, _>>()?,
            keys,
            _stage: stage,
        };
        let push = serde_json::to_vec(&push)?;
        for pod in &mut fleet.pods {
            pod.start()?;
            pod.told(&fleet.keys, "PUT", SNAPSHOT_PATH, &push).await?;
        }
        for number in 0..3 {
            fleet.heartbeat(number).await?;
        }
        Ok(fleet)
    }

    /// Tells a pod who the others are, as the operator does.
    async fn heartbeat(&self, number: usize) -> anyhow::Result<()> {
        let others = self.pods.iter().filter(|pod| pod.uid != self.pods[number].uid);
        let heartbeat = Heartbeat {
            siblings: others.map(|pod| pod.admin.to_string()).collect(),
        };
        let body = serde_json::to_vec(&heartbeat)?;
        self.pods[number].told(&self.keys, "POST", HEARTBEAT_PATH, &body).await
    }

    /// So many requests to each; gives their ids.
    async fn send(&self, each: [usize; 3]) -> anyhow::Result<BTreeSet<String>> {
        let mut sent = BTreeSet::new();
        for (pod, count) in self.pods.iter().zip(each) {
            for _ in 0..count {
                let answer = pod.client.chat(&ask("chat")).await?;
                ensure!(!answer.id().is_empty(), "{} {}", answer.status, answer.text());
                sent.insert(answer.id().to_owned());
            }
        }
        Ok(sent)
    }

    /// All pages, each from another pod.
    async fn listed(&self) -> anyhow::Result<Vec<String>> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        for pod in self.pods.iter().cycle() {
            let page = pod.client.get_json(&format!("/v1/generations?limit=5{cursor}")).await?;
            let rows = page["data"].as_array().context("no data")?;
            ids.extend(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        Ok(ids)
    }
}

fn pods(answered: &[&str], missing: &[&str]) -> Value {
    json!({ "answered": answered, "missing": missing })
}

#[tokio::test]
async fn any_gateway_of_a_fleet_tells_of_the_requests_of_all_and_names_who_is_missing() -> anyhow::Result<()> {
    let mut fleet = Fleet::new().await?;
    let sent = fleet.send([9, 7, 5]).await?;
    for (number, pod) in fleet.pods.iter().enumerate() {
        let answer = pod.analytics().await?;
        ensure!(answer["total_requests"] == 21, "{answer:#}");
        ensure!(answer["pods"] == pods(&["0", "1", "2"], &[]), "{answer:#}");
        let own = pod.client.get_json("/v1/system/analytics?scope=pod").await?;
        ensure!(own["total_requests"] == [9, 7, 5][number], "{own:#}");
        for id in sent.iter().step_by(4) {
            ensure!(pod.client.generation(id).await?["id"] == **id, "{id}");
        }
    }
    let listed = fleet.listed().await?;
    ensure!(listed.len() == 21 && listed.into_iter().collect::<BTreeSet<_>>() == sent);

    fleet.pods[2].program.take().context("it runs")?.kill()?;
    let answer = fleet.pods[0].analytics().await?;
    ensure!(answer["total_requests"] == 16, "{answer:#}");
    ensure!(answer["pods"] == pods(&["0", "1"], &["2"]), "{answer:#}");
    let there = sent.iter().find(|id| id.starts_with("gen-2-")).context("none")?;
    let answer = fleet.pods[0].client.get(&format!("/v1/generation?id={there}")).await?;
    ensure!(answer.status == 503, "{} {}", answer.status, answer.text());

    // It starts from its file, and asks nobody for its stores.
    fleet.pods[2].start()?;
    fleet.heartbeat(2).await?;
    for pod in &fleet.pods {
        until(&format!("{} to tell of all again", pod.uid), async || {
            let Ok(answer) = pod.analytics().await else {
                return Ok(None);
            };
            ensure!(answer["total_requests"].as_u64() <= Some(21), "{answer:#}");
            Ok((answer["pods"] == pods(&["0", "1", "2"], &[]) && answer["total_requests"] == 21).then_some(()))
        })
        .await?;
    }
    Ok(())
}
