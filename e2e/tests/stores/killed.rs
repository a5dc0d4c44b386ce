//! A gateway that is killed at any moment loses at most its last second, and its files open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::client::{CHAT, Client};
use e2e::stage::{Gateway, Stage};
use e2e::stores;
use e2e::work::{self, Begun, Work};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

const SEED: u64 = 9;
const REQUESTS: usize = 10_000;
const KILLS: usize = 20;
const WORKERS: usize = 4;
/// What may be lost.
const SECOND: Duration = Duration::from_secs(1);

/// What one life of a gateway gave its clients.
#[derive(Debug, Default)]
struct Life {
    /// Whole answers, and when they were there.
    answered: Vec<(Begun, Instant)>,
    /// Requests that got no answer, or not all of it.
    broken: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_twenty_moments_it_loses_at_most_a_second_and_doubles_nothing() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.write("work.yaml", &e2e::manifest::file(&work::objects()))?;
    let mut random = SmallRng::seed_from_u64(SEED);
    let work = Arc::new(Work::new(REQUESTS));
    let mut answered: BTreeMap<String, Begun> = BTreeMap::new();
    let mut must_be_there = Vec::new();
    let mut broken = 0;
    for life in 0..=KILLS {
        let mut gateway = stage.gateway(&[]).await?;
        let began = Instant::now();
        let is_last = life == KILLS;
        let quota = if is_last { REQUESTS } else { REQUESTS / (KILLS + 1) };
        let is_over = Arc::new(AtomicBool::new(false));
        let workers = start(&work, &gateway, quota, &is_over);
        let killed = if is_last {
            None
        } else {
            let moment = Duration::from_millis(random.random_range(200..2200));
            tokio::time::sleep_until((began + moment).into()).await;
            is_over.store(true, Ordering::Relaxed);
            gateway.program.kill()?;
            Some(Instant::now())
        };
        for life in workers.join_all().await {
            let life = life?;
            broken += life.broken;
            for (begun, at) in life.answered {
                if killed.is_none_or(|killed| at + SECOND < killed) {
                    must_be_there.push(begun.id.clone());
                }
                answered.insert(begun.id.clone(), begun);
            }
        }
        if is_last {
            gateway.stop().await?;
        }
    }
    ensure!(
        answered.len() + broken >= REQUESTS && must_be_there.len() > REQUESTS / 3,
        "{} whole answers, {} of them to be kept, {broken} broken",
        answered.len(),
        must_be_there.len()
    );
    let (requests, examples) = (stores::requests(&stage.data())?, stores::examples(&stage.data())?);
    for id in &must_be_there {
        let begun = &answered[id];
        let request = requests.get(id).with_context(|| format!("lost: {begun:?}"))?;
        ensure!(
            request.outcome == begun.outcome,
            "{request:?}, the client saw {begun:?}"
        );
        if begun.is_captured {
            let example = examples
                .get(id)
                .with_context(|| format!("lost the content of {begun:?}"))?;
            ensure!(
                example.request == begun.body.as_bytes() && example.output == begun.content,
                "{example:?}, the client saw {begun:?}"
            );
        }
    }
    let unseen = requests.keys().filter(|id| !answered.contains_key(*id)).count();
    ensure!(
        unseen <= broken,
        "{unseen} rows of which no client knows, of {broken} broken requests"
    );
    eprintln!(
        "{} whole answers, {} kept, {} at least a second old: all kept; {broken} broken by {KILLS} kills",
        answered.len(),
        requests.len(),
        must_be_there.len()
    );
    Ok(())
}

/// Workers that together take about `quota` requests, or fewer if the gateway is gone before.
fn start(
    work: &Arc<Work>,
    gateway: &Gateway,
    quota: usize,
    is_over: &Arc<AtomicBool>,
) -> JoinSet<anyhow::Result<Life>> {
    let run = |client: Client, work: Arc<Work>, is_over: Arc<AtomicBool>| async move {
        let mut life = Life::default();
        for _ in 0..quota / WORKERS {
            let Some(job) = work.take() else { break };
            let Ok(open) = client.open(CHAT, job.body.clone()).await else {
                life.broken += 1;
                break;
            };
            let answer = open.whole().await;
            // From then on somebody else may listen on the same port: what comes from there says nothing.
            if answer.broken.is_some() || is_over.load(Ordering::Relaxed) {
                life.broken += 1;
                break;
            }
            life.answered.push((job.check(&answer)?, Instant::now()));
        }
        Ok(life)
    };
    (0..WORKERS)
        .map(|_| run(gateway.client.clone(), Arc::clone(work), Arc::clone(is_over)))
        .collect()
}
