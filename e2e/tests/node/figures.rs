//! What a pod costs, in words for the reader: the sizes of the images, a cold start, and the memory of programs that have nothing to do.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::fleet::text;
use e2e::node::gateways::Gateway;
use e2e::wait::within;

use crate::{GATEWAYS, Suite, tell};

/// By the goals of the project, compressed.
const LARGEST_IMAGE_MEGABYTES: f64 = 60.0;
/// Set by `e2e/test`.
const IMAGES: &str = "ROUTE_SWITCH_IMAGES";
/// On two busy cores.
const SLOWEST_START: Duration = Duration::from_secs(10);
const MOST_IDLE_KILOBYTES: u64 = 100_000;
/// The programs, as Linux cuts their names off.
const GATEWAY: &str = "route-switch";
const OPERATOR: &str = "route-switch-op";
const OPERATORS: usize = 2;
/// What Linux tells times in, on every machine.
const MILLISECONDS_A_TICK: u64 = 10;
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let gateways = suite.installed().await?;
    images()?;
    memory(suite).await?;
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

/// What cannot be taken back from them, of programs that have just been started and have nothing to do.
async fn memory(suite: &Suite) -> anyhow::Result<()> {
    let mut told = Vec::new();
    for pod in suite.objects.list("Pod").await? {
        let program = match pod["metadata"]["labels"]["app.kubernetes.io/component"].as_str() {
            Some("gateway") => GATEWAY,
            Some("operator") => OPERATOR,
            _ => continue,
        };
        let (name, uid) = (text(&pod, "/metadata/name")?, text(&pod, "/metadata/uid")?);
        let process = process_of((uid, program), None)?.with_context(|| format!("{name} has no process"))?;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = kilobytes.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.context("no RssAnon")?.trim().parse()?;
        ensure!(kilobytes <= MOST_IDLE_KILOBYTES, "{name} holds {kilobytes} kB");
        told.push(format!("{name} {} MB", kilobytes / 1000));
    }
    ensure!(told.len() == GATEWAYS + OPERATORS, "{told:?}");
    tell(&format!(
        "for the reader: anonymous memory when idle: {}",
        told.join(", ")
    ));
    Ok(())
}

/// Kills the process and watches its successor in the same pod.
async fn cold_start(gateway: &Gateway) -> anyhow::Result<Duration> {
    let old = process_of((&gateway.uid, GATEWAY), None)?.context("the gateway has no process")?;
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
            let Some(process) = process_of((&gateway.uid, GATEWAY), Some(old))? else {
                return Ok(None);
            };
            Ok(Some(now.saturating_sub(started(process)?)))
        },
    )
    .await
}

/// The process of a program in a pod, but not this one.
fn process_of((pod, program): (&str, &str), not: Option<u32>) -> anyhow::Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let process = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // One that ends meanwhile is none.
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        if process.is_some() && process != not && read("comm").trim() == program && read("cgroup").contains(pod) {
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
