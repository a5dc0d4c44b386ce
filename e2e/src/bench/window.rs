//! One window: a fixed number of requests to one program, and what it cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::dress::KEY;
use super::options::GatewayOptions;
use super::subjects::{Role, Stage, Subject};
use crate::load::{Keep, Ledger, Pace, Plan, Until, fetch, run};
use crate::machine::{CoreClock, CoreUse, load_average};
use crate::schedstat::{Clocks, Memory};

const PATIENCE: Duration = Duration::from_secs(20);
const MEMORY_INTERVAL: Duration = Duration::from_millis(500);
/// A process is at rest when it uses less than a hundredth of a core over such a span.
const REST_SPAN: Duration = Duration::from_millis(50);
const REST_LIMIT: Duration = Duration::from_secs(20);

/// What was read around one window. Times in microseconds, memory in bytes, shares of 1.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Window {
    pub(super) role: Role,
    pub(super) requests: u64,
    /// What processor time is divided by: requests, or chunks of streams.
    pub(super) units: u64,
    pub(super) elapsed_micros: f64,
    pub(super) cpu_micros: f64,
    /// The part of it that came after the last answer.
    pub(super) deferred_cpu_micros: f64,
    /// The parts of it by the names of the threads.
    pub(super) thread_cpu_micros: BTreeMap<String, f64>,
    /// The same as `cpu_micros` by `/proc/PID/stat`.
    pub(super) stat_cpu_micros: f64,
    /// Ready to run, but something else had the core (or another thread of the program).
    pub(super) waited_micros: f64,
    pub(super) mock_cpu_micros: f64,
    pub(super) loader_cpu_micros: f64,
    pub(super) p50_micros: u64,
    pub(super) p99_micros: u64,
    pub(super) first_content_p50_micros: Option<u64>,
    pub(super) resident_bytes: u64,
    pub(super) anonymous_bytes: u64,
    pub(super) subject_core: CoreUse,
    pub(super) loader_core: CoreUse,
    pub(super) load_average: f64,
}

/// The clocks of all that takes part.
struct Reading {
    subject: Clocks,
    mock: Clocks,
    loader: Clocks,
    subject_core: CoreClock,
    loader_core: CoreClock,
}

impl Reading {
    fn take(options: &GatewayOptions, stage: &Stage, subject: &Subject) -> anyhow::Result<Self> {
        Ok(Self {
            subject: Clocks::of(subject.process.pid)?,
            mock: Clocks::of(stage.mock.pid)?,
            loader: Clocks::of(std::process::id())?,
            subject_core: CoreClock::of(options.subject_core)?,
            loader_core: CoreClock::of(options.loader_core)?,
        })
    }
}

/// Puts `requests` on the program of `role` and waits until nothing is left of them.
pub(super) async fn measure(
    options: &GatewayOptions,
    stage: &mut Stage,
    role: Role,
    requests: u64,
) -> anyhow::Result<Window> {
    let first_number = stage.next_number;
    stage.next_number += requests;
    if role == Role::Gateway {
        stage.sent_to_gateway += requests;
    }
    let (stage, subject) = (&*stage, stage.subject(role));
    let before = Reading::take(options, stage, subject)?;
    let (ledger, memory) = load(stage, subject, first_number, requests).await?;
    let loaded = Reading::take(options, stage, subject)?;
    ensure_all_right(&ledger, requests)?;
    if subject.admin.is_some() {
        flush(subject, &ledger).await?;
    }
    let rested = rest(subject.process.pid).await?;
    let used = rested.since(&before.subject);
    let units = if stage.lane.chunks.is_some() {
        ledger.chunks
    } else {
        ledger.ok
    };
    Ok(Window {
        role,
        requests,
        units,
        elapsed_micros: micros(ledger.elapsed),
        cpu_micros: micros(used.processor),
        deferred_cpu_micros: micros(rested.since(&loaded.subject).processor),
        thread_cpu_micros: used
            .by_thread
            .into_iter()
            .map(|(name, time)| (name, micros(time)))
            .collect(),
        stat_cpu_micros: micros(used.by_stat),
        waited_micros: micros(used.waited),
        mock_cpu_micros: micros(loaded.mock.since(&before.mock).processor),
        loader_cpu_micros: micros(loaded.loader.since(&before.loader).processor),
        p50_micros: ledger.latency.value_at_quantile(0.5),
        p99_micros: ledger.latency.value_at_quantile(0.99),
        first_content_p50_micros: stage.lane.chunks.map(|_| ledger.first_content.value_at_quantile(0.5)),
        resident_bytes: memory.resident,
        anonymous_bytes: memory.anonymous,
        subject_core: loaded.subject_core.since(before.subject_core),
        loader_core: loaded.loader_core.since(before.loader_core),
        load_average: load_average().unwrap_or(0.0),
    })
}

/// Runs the load, and looks at the program's memory twice a second meanwhile.
async fn load(stage: &Stage, subject: &Subject, first_number: u64, requests: u64) -> anyhow::Result<(Ledger, Memory)> {
    let plan = Plan {
        target: subject.address,
        connections: stage.lane.connections,
        until: Until::Count(requests),
        pace: Pace::Closed,
        requests: subject.requests.clone(),
        first_number,
        patience: PATIENCE,
        keep: Keep::Failures,
    };
    let over = Arc::new(Notify::new());
    let watch = tokio::spawn(watch_memory(subject.process.pid, Arc::clone(&over)));
    let ledger = run(plan).await;
    over.notify_one();
    Ok((ledger, watch.await.context("the memory watch was aborted")??))
}

async fn watch_memory(pid: u32, over: Arc<Notify>) -> anyhow::Result<Memory> {
    let mut most = Memory::default();
    loop {
        let ended = timeout(MEMORY_INTERVAL, over.notified()).await.is_ok();
        most = most.max(Memory::of(pid)?);
        if ended {
            return Ok(most);
        }
    }
}

fn ensure_all_right(ledger: &Ledger, requests: u64) -> anyhow::Result<()> {
    if ledger.failed > 0 {
        bail!(
            "{} of {requests} requests failed:\n  {}",
            ledger.failed,
            ledger.failures().join("\n  ")
        );
    }
    ensure!(
        ledger.ok == requests,
        "{} of {requests} requests were answered",
        ledger.ok
    );
    Ok(())
}

/// Asks for the record of the last request, which the gateway can tell only when its stores have taken it in.
async fn flush(gateway: &Subject, ledger: &Ledger) -> anyhow::Result<()> {
    let last = ledger.last.as_ref().context("the window had no answer")?;
    let id = last
        .generation
        .as_deref()
        .context("the last answer had no x-generation-id")?;
    let path = format!("/v1/generation?id={id}");
    let answer = fetch(gateway.address, &path, Some(KEY))
        .await
        .with_context(|| format!("GET {path}"))?;
    let told = String::from_utf8_lossy(&answer.body);
    ensure!(
        answer.status == 200 && told.contains(id),
        "GET {path} answered {}: {told}",
        answer.status
    );
    Ok(())
}

/// Waits until the process is at rest, and reads its clocks.
async fn rest(pid: u32) -> anyhow::Result<Clocks> {
    let began = Instant::now();
    let mut before = Clocks::of(pid)?;
    loop {
        sleep(REST_SPAN).await;
        let now = Clocks::of(pid)?;
        if now.since(&before).processor < REST_SPAN / 100 {
            return Ok(now);
        }
        ensure!(
            began.elapsed() < REST_LIMIT,
            "the program is not at rest {REST_LIMIT:?} after its last answer"
        );
        before = now;
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
