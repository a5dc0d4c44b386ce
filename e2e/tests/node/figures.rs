//! What a pod costs, in words for the reader: the sizes of the images, a cold start, and the memory of programs that have nothing to do.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::fleet::text;
use e2e::node::command::kubectl;
use e2e::node::gateways::Gateway;
use e2e::wait::within;
use serde_json::Value;

use crate::{Suite, tell};

/// By the goals of the project, compressed.
const LARGEST_IMAGE_MEGABYTES: f64 = 60.0;
/// Set by `e2e/test`.
const IMAGES: &str = "ROUTE_SWITCH_IMAGES";
/// On two busy cores.
const SLOWEST_START: Duration = Duration::from_secs(10);
const MOST_IDLE_BYTES: u64 = 256 << 20;
const PROGRAM: &str = "route-switch";
/// What Linux tells times in, on every machine.
const MILLISECONDS_A_TICK: u64 = 10;
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let gateways = suite.installed().await?;
    images()?;
    memory().await?;
    let took = cold_start(&gateways[0]).await?;
    tell(&format!(
        "for the reader: cold start of a gateway in its pod, from the start of its process to ready: {:.0} ms",
        took.as_secs_f64() * 1000.0
    ));
    ensure!(took < SLOWEST_START, "{took:?}");
    suite.installed().await.map(drop)
}

/// In the words of `e2e/cluster images`: a line for each, with its size as it is and as a registry has it.
fn images() -> anyhow::Result<()> {
    let sizes = std::env::var(IMAGES).with_context(|| format!("{IMAGES} must tell what e2e/cluster images told"))?;
    for name in ["gateway", "operator"] {
        let line = sizes.lines().find(|line| line.contains(&format!("/{name}:")));
        let line = line.with_context(|| format!("nothing of {name} in {sizes:?}"))?;
        let compressed = line
            .strip_suffix(" MB compressed")
            .and_then(|line| line.rsplit(' ').next());
        let megabytes: f64 = compressed.with_context(|| format!("no size in {line:?}"))?.parse()?;
        ensure!(megabytes <= LARGEST_IMAGE_MEGABYTES, "{line}");
        tell(&format!("for the reader: image {line}"));
    }
    Ok(())
}

/// What kubelet counts: pages that cannot be taken back.
async fn memory() -> anyhow::Result<()> {
    let summary = kubectl(&format!(
        "get --raw /api/v1/nodes/{}/proxy/stats/summary",
        e2e::node::NODE
    ))
    .await?;
    let summary: Value = serde_json::from_str(&summary)?;
    let mut told = Vec::new();
    for pod in summary["pods"].as_array().into_iter().flatten() {
        let name = text(pod, "/podRef/name")?;
        let Some(bytes) = pod["containers"][0]["memory"]["rssBytes"].as_u64() else {
            continue;
        };
        if name.starts_with("route-switch") {
            ensure!(bytes <= MOST_IDLE_BYTES, "{name} holds {bytes} bytes");
            told.push(format!("{name} {} MB", bytes / 1_000_000));
        }
    }
    ensure!(!told.is_empty(), "kubelet tells of no pod");
    tell(&format!(
        "for the reader: anonymous memory when idle: {}",
        told.join(", ")
    ));
    Ok(())
}

/// Kills the process and watches its successor in the same pod.
async fn cold_start(gateway: &Gateway) -> anyhow::Result<Duration> {
    let old = process_of(&gateway.uid, None)?.context("the gateway has no process")?;
    let client = Client::fresh(gateway.admin)?;
    e2e::node::command::run("kill", &["-KILL", &old.to_string()]).await?;
    within(
        Duration::from_mins(1),
        PAUSE,
        "the gateway to be ready again",
        async || {
            if !client.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(None);
            }
            let now = since_boot()?;
            let Some(process) = process_of(&gateway.uid, Some(old))? else {
                return Ok(None);
            };
            Ok(Some(now.saturating_sub(started(process)?)))
        },
    )
    .await
}

/// The process of our program in a pod, but not this one.
fn process_of(pod: &str, not: Option<u32>) -> anyhow::Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let process = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // One that ends meanwhile is none.
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        if process.is_some() && process != not && read("comm").trim() == PROGRAM && read("cgroup").contains(pod) {
            return Ok(process);
        }
    }
    Ok(None)
}

/// When a process began, since the machine did.
fn started(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks: u64 = fields
        .split_ascii_whitespace()
        .nth(19)
        .context("no start time")?
        .parse()?;
    Ok(Duration::from_millis(ticks * MILLISECONDS_A_TICK))
}

fn since_boot() -> anyhow::Result<Duration> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let seconds: f64 = uptime.split(' ').next().context("no time")?.parse()?;
    Ok(Duration::from_secs_f64(seconds))
}
