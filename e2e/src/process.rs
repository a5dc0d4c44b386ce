//! Programs under test, started on a core of their own and ended with the value that holds them.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::load::fetch;

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub pid: u32,
}

impl Process {
    /// Starts `program` on one core. What it writes to standard error goes to `log`.
    pub fn start<I, S>(core: usize, program: &Path, arguments: I, log: std::fs::File) -> anyhow::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        // taskset replaces itself with the program, which so keeps the child's process id.
        let child = Command::new("taskset")
            .arg("--cpu-list")
            .arg(core.to_string())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "failed to start {} under taskset (Debian: util-linux)",
                    program.display()
                )
            })?;
        let pid = child
            .id()
            .context("the program has just been started and ended already")?;
        Ok(Self { child, pid })
    }

    /// The address that the program announces in a line `listening on ADDR`.
    pub async fn announced_address(&mut self) -> anyhow::Result<SocketAddr> {
        let stdout = self.child.stdout.take().context("the address was read before")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix("listening on ") {
                return address.parse().with_context(|| format!("not an address: {address}"));
            }
        }
        bail!("the program ended before it listened")
    }

    /// Waits until GET `path` answers 200.
    pub async fn ready(&mut self, address: SocketAddr, path: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if fetch(address, path, None)
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the program ended with {status} before it was ready");
            }
            if began.elapsed() > START_LIMIT {
                bail!("{address}{path} did not answer 200 within {START_LIMIT:?}");
            }
            sleep(POLL).await;
        }
    }
}

/// A loopback port that nobody listens on at the moment.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?)
}

/// Confines this process, and what it starts later without saying otherwise, to one core.
pub async fn pin_self(core: usize) -> anyhow::Result<()> {
    let output = Command::new("taskset")
        .args([
            "--all-tasks",
            "--cpu-list",
            "--pid",
            &core.to_string(),
            &std::process::id().to_string(),
        ])
        .output()
        .await
        .context("failed to run taskset (Debian: util-linux)")?;
    if !output.status.success() {
        bail!(
            "failed to move to core {core}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
