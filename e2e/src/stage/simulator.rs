//! The simulated provider, and what it tells of its clients.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::client::Client;
use crate::program::Program;

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    pub address: SocketAddr,
    pub client: Client,
    _program: Program,
}

impl Simulator {
    pub(super) async fn start(arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        Self::at("127.0.0.1:0", arguments, log).await
    }

    /// Starts a simulator that listens there.
    pub async fn at(listen: &str, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let all = [&["simulate", "--listen", listen, "--seed", "9"], arguments].concat();
        let mut program = Program::start("simulator", &all, log)?;
        let address = program
            .says("an address", 0, |output| {
                let url = output
                    .lines()
                    .find_map(|line| line.strip_prefix("simulator on http://"))?;
                url.split('/').next()?.parse::<SocketAddr>().ok()
            })
            .await?;
        Ok(Self {
            address,
            client: Client::new(address)?,
            _program: program,
        })
    }

    /// The last request, as it stands.
    pub async fn last_request(&self) -> anyhow::Result<Value> {
        let mut told = self.client.get_json("/_simulator/requests?last=1").await?;
        Ok(told["requests"][0].take())
    }

    /// Requests for a model so far.
    pub async fn requests_for(&self, model: &str) -> anyhow::Result<u64> {
        let told = self.client.get_json("/_simulator/stats").await?;
        let by_status = told["models"][model].as_object().cloned().unwrap_or_default();
        Ok(by_status.values().filter_map(Value::as_u64).sum())
    }

    /// Lets one chunk through a gate.
    pub async fn release(&self, gate: u64) -> anyhow::Result<()> {
        let answer = self
            .client
            .post(&format!("/_simulator/release?gate={gate}"), "")
            .await?;
        anyhow::ensure!(answer.status == 200, "no release: {}", answer.text());
        Ok(())
    }

    /// What the provider itself answers to a body.
    pub async fn answer(&self, body: &Value) -> anyhow::Result<crate::client::Answer> {
        self.client.chat(body).await.context("the simulator does not answer")
    }
}
