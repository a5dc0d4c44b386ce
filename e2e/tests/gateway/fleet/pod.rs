//! A pod as a plain process, and whoever holds the fleet key as its client.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use crds::fleet::{
    HEARTBEAT_PATH, Heartbeat, Order, PodReport, Push, SNAPSHOT_PATH,
    key::FleetKeys,
    signature::{self, HEADER, Request, Verifier, sign},
};
use e2e::{
    client::{Answer, Client},
    process::free_address,
    program::Program,
    wait::until,
};

use super::pushes::{FIRST_SECRET, key};

/// A running pod; its directory outlives it.
pub(super) struct Pod {
    pub(super) program: Program,
    pub(super) uid: String,
    pub(super) admin: Client,
    pub(super) address: SocketAddr,
    traffic: SocketAddr,
    /// Of the last known good Snapshot.
    file: PathBuf,
    http: reqwest::Client,
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Pod {
    /// Starts a pod whose data are in `fleet`, under its name. The fleet key is the one that is there, or the first.
    pub(super) async fn start(fleet: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let (address, traffic) = (free_address()?, free_address()?);
        let keys = Self::keys(fleet)?;
        let (keys, data) = (keys.to_string_lossy().into_owned(), Self::data(fleet, name));
        let data = data.to_string_lossy();
        // A pod that is started again in its place keeps its uid.
        let uid = format!("uid-of-{name}");
        let (admin, listen) = (address.to_string(), traffic.to_string());
        let mut all = vec![
            "serve",
            "--fleet",
            "--fleet-key",
            &keys,
            "--data",
            &data,
            "--pod-name",
            name,
        ];
        all.extend(["--pod-uid", &uid, "--admin", &admin, "--listen", &listen]);
        all.extend(["--threads", "1", "--log-format", "json", "--log", "debug"]);
        all.extend(arguments);
        let mut program = Program::start("pod", &all, &fleet.join(format!("{name}.log")))?;
        let admin = Client::new(address)?;
        program
            .says("its first line of log", 0, |output| output.contains('{').then_some(()))
            .await?;
        until("the admin port", async || {
            Ok(admin.get("/healthz").await.ok().filter(|answer| answer.status == 200))
        })
        .await?;
        Ok(Self {
            program,
            uid,
            admin,
            address,
            traffic,
            file: Self::file(fleet, name),
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// The directory of the fleet key; one is put there if there is none.
    pub(super) fn keys(fleet: &Path) -> anyhow::Result<PathBuf> {
        let keys = fleet.join("keys");
        fs::create_dir_all(&keys)?;
        if !keys.join("current").exists() {
            fs::write(keys.join("current"), [FIRST_SECRET; 32])?;
        }
        Ok(keys)
    }

    pub(super) fn data(fleet: &Path, name: &str) -> PathBuf {
        fleet.join(name)
    }

    /// Its file of the last known good Snapshot.
    pub(super) fn file(fleet: &Path, name: &str) -> PathBuf {
        Self::data(fleet, name).join("fleet/last-known-good")
    }

    /// What a program says that must not start.
    pub(super) async fn fails(directory: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let log = directory.join("fails.log");
        let _ = fs::remove_file(&log);
        let mut program = Program::start("a pod that must not start", arguments, &log)?;
        let status = program.ended().await?;
        ensure!(!status.success(), "{arguments:?} was accepted");
        program.output()
    }

    /// Where applications connect; nobody has a key yet.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::new(self.traffic)
    }

    pub(super) async fn becomes_ready(&self) -> anyhow::Result<()> {
        until("the pod to be ready", async || {
            Ok((self.admin.get("/readyz").await?.status == 200).then_some(()))
        })
        .await
    }

    /// Pushes, and gives the report; anything else than 200 is an error.
    pub(super) async fn push(&self, push: &Push) -> anyhow::Result<PodReport> {
        let answer = self.push_with(push, &key(1)).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok(serde_json::from_slice(&answer.body)?)
    }

    pub(super) async fn push_with(&self, push: &Push, keys: &FleetKeys) -> anyhow::Result<Answer> {
        self.ask("PUT", SNAPSHOT_PATH, &serde_json::to_vec(push)?, keys).await
    }

    pub(super) async fn read(&self) -> anyhow::Result<Answer> {
        self.ask("GET", SNAPSHOT_PATH, b"", &key(1)).await
    }

    /// A heartbeat.
    pub(super) async fn report(&self, keys: &FleetKeys) -> anyhow::Result<PodReport> {
        let body = serde_json::to_vec(&Heartbeat::default())?;
        let answer = self.ask("POST", HEARTBEAT_PATH, &body, keys).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Waits until the pod reports what `find` looks for.
    pub(super) async fn reports<T>(
        &self,
        what: &str,
        keys: &FleetKeys,
        find: impl Fn(&PodReport) -> Option<T>,
    ) -> anyhow::Result<T> {
        until(what, async || {
            // A key may just be turning.
            Ok(self.report(keys).await.ok().as_ref().and_then(&find))
        })
        .await
    }

    /// Waits until the file holds the Snapshot of this order.
    pub(super) async fn keeps(&self, order: Order) -> anyhow::Result<()> {
        let order = format!("\"order\":{}", serde_json::to_string(&order)?);
        until(&format!("{order} in the file"), async || {
            let text = fs::read_to_string(&self.file).unwrap_or_default();
            Ok(text.contains(&order).then_some(()))
        })
        .await
    }

    /// Sends a signed request, and believes no answer that is not signed.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &[u8], keys: &FleetKeys) -> anyhow::Result<Answer> {
        let request = Request {
            method,
            path,
            body,
            receiver: &self.uid,
        };
        let asked = sign(keys, keys.current.id(), request, now(), rand::random());
        let answer = self.send(method, path, body, Some(&asked)).await?;
        if answer.status != 401 {
            let status = answer.status.to_string();
            let given = signature::answer(&status, path, &answer.body, &asked);
            let header = Some(answer.header(HEADER)).filter(|header| !header.is_empty());
            Verifier::default().verify(keys, header, given, now())?;
        }
        Ok(answer)
    }

    /// Sends a request with any signature, or none.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.request(method.parse()?, url).body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header(HEADER, signature);
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
            broken: None,
        })
    }

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.program.kill()
    }
}
