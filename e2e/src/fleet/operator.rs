//! An operator of a fleet: a process with the account and the rules that ship.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use anyhow::{Context as _, ensure};

use super::Fleet;
use crate::load::fetch;
use crate::program::{self, Program};
use crate::wait::until;

const PROBES_PORT: u16 = 8081;

/// An operator. Dropped, the process is killed.
#[derive(Debug)]
pub struct Operator {
    /// The Lease's holder begins with it.
    pub name: String,
    /// Probes and metrics.
    pub probes: SocketAddr,
    pub log: PathBuf,
    /// None while it is killed.
    pub program: Option<Program>,
    arguments: Vec<String>,
    kubeconfig: PathBuf,
}

impl Operator {
    pub(super) async fn start(fleet: &Fleet, number: u8, server: &str) -> anyhow::Result<Self> {
        let name = format!("operator-{number}");
        let probes = fleet.address(100 + number, PROBES_PORT);
        let kubeconfig = fleet.directory.join(format!("{name}.kubeconfig"));
        fleet.account.write_kubeconfig(server, &fleet.namespace, &kubeconfig)?;
        let listen = probes.to_string();
        let arguments = [
            &[
                "--namespace",
                &fleet.namespace,
                "--pod-name",
                &name,
                "--listen",
                &listen,
            ][..],
            &["--simulator", fleet.simulator(), "--log-format", "json"],
        ];
        let mut operator = Self {
            probes,
            log: fleet.directory.join(format!("{name}.log")),
            program: None,
            arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
            kubeconfig,
            name,
        };
        operator.run()?;
        operator.ready().await?;
        Ok(operator)
    }

    /// Starts it, or starts it again.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let environment: [(&str, &OsStr); 1] = [("KUBECONFIG", self.kubeconfig.as_os_str())];
        let program = program::operator()?;
        self.program = Some(Program::run_with(
            "operator",
            &program,
            &self.arguments,
            &environment,
            &self.log,
        )?);
        Ok(())
    }

    /// Waits until its caches are warm.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let (name, probes) = (&self.name, self.probes);
        let program = &mut self.program;
        until(&format!("{name} to be ready"), async || {
            let running = program.as_mut().context("it was killed")?;
            if let Some(status) = running.exited()? {
                anyhow::bail!("{name} ended with {status}");
            }
            let answer = fetch(probes, "/readyz", None).await;
            Ok(answer.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .await
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.program.take().context("it was killed before")?.kill()
    }

    /// SIGTERM, and the end.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.terminate()?;
        self.ended().await
    }

    /// SIGTERM.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.program.as_ref().context("it was ended before")?.terminate()
    }

    /// The end after it.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.program.take().context("it was ended before")?.ended().await
    }

    pub async fn metrics(&self) -> anyhow::Result<String> {
        let answer = fetch(self.probes, "/metrics", None).await?;
        ensure!(answer.status == 200, "/metrics answers {}", answer.status);
        Ok(String::from_utf8(answer.body)?)
    }
}
