//! Sequences of random applies and deletes, through a proxy that does its worst, with `kill -9` after random writes. When it is quiet
//! again, the pods and every status are what a fresh start makes of the objects, and what the compiler says of them.

mod oracle;
mod universe;

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Context as _, ensure};
use e2e::fleet::proxy::Proxy;
use e2e::fleet::{Fleet, LEASE};
use e2e::wait::{until, within};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::oneshot::Receiver;
use tokio::time::sleep;

use crate::{Suite, tell};
use oracle::State;
use universe::Universe;

pub(crate) const NAMESPACE: &str = "chaos";
const SEQUENCES: u64 = 30;
const LONG_SEQUENCES: u64 = 500;
/// Names other sequences, for instance `125-249`: several clusters can share the long run.
const SEEDS: &str = "ROUTE_SWITCH_CHAOS_SEEDS";
const STEPS: usize = 12;
/// A leader is killed after at most so many of its writes, in every second sequence.
const MOST_WRITES: u32 = 8;
/// At most so long between two steps, so that some meet in one compile and some do not.
const LONGEST_PAUSE_MILLIS: u64 = 120;
/// Beyond the longest pause before a watch or a write is tried again.
const LONGEST: Duration = Duration::from_secs(90);
const QUIET: Duration = Duration::from_millis(1500);
/// The operator behind the proxy, and the one that starts afresh.
const DISTURBED: usize = 0;
const FRESH: usize = 1;

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let seeds = seeds(if suite.is_long { LONG_SEQUENCES } else { SEQUENCES })?;
    let proxy = Proxy::start(&suite.plane).await?;
    let mut fleet = suite.fleet(NAMESPACE, 6, 0, 0).await?;
    fleet.add_operator(&proxy.url).await?;
    for _ in 0..2 {
        fleet
            .add_pod(e2e::fleet::pod::PodSettings::default())
            .await?
            .ready()
            .await?;
    }
    fleet.add_operator(suite.plane.server()).await?.stop().await?;
    let mut kills = 0;
    for seed in seeds.clone() {
        let played = sequence(&mut fleet, &proxy, seed, &mut kills).await;
        played.with_context(|| format!("sequence {seed}"))?;
    }
    ensure!(kills > 0, "no leader was killed");
    tell(&format!(
        "for the reader: chaos: sequences {seeds:?}, {kills} kills, 0 divergences; {}",
        proxy.told()
    ));
    Ok(())
}

/// Those that the environment names, or the first `count`.
fn seeds(count: u64) -> anyhow::Result<RangeInclusive<u64>> {
    let Some(named) = std::env::var_os(SEEDS) else {
        return Ok(0..=count - 1);
    };
    let named = named.to_string_lossy();
    let range = named
        .split_once('-')
        .and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range
        .filter(|range| !range.is_empty())
        .with_context(|| format!("{SEEDS} is {named}: write the first and the last, for instance 125-249"))
}

async fn sequence(fleet: &mut Fleet, proxy: &Proxy, seed: u64, kills: &mut u32) -> anyhow::Result<()> {
    let mut random = SmallRng::seed_from_u64(seed);
    proxy.disturb(seed);
    let kill = seed
        .is_multiple_of(2)
        .then(|| proxy.after_writes(random.random_range(1..=MOST_WRITES)));
    disturbed(fleet, &mut random, kill, kills).await?;
    proxy.calm();
    keep_running(fleet)?;
    let before = settled(fleet).await?;

    // A fresh start finds nothing to correct.
    fleet.operators[DISTURBED].stop().await?;
    fleet.operators[FRESH].run()?;
    fleet.operators[FRESH].ready().await?;
    until("the fresh operator to lead", async || {
        Ok((fleet.leader().await? == Some(FRESH)).then_some(()))
    })
    .await?;
    fleet.quiet(QUIET).await?;
    let after = State::of(fleet).await?;
    fleet.operators[FRESH].stop().await?;
    fleet.operators[DISTURBED].run()?;
    before.is(&after)
}

/// What it comes to when nothing is written any more.
async fn settled(fleet: &mut Fleet) -> anyhow::Result<State> {
    let mut last = None;
    let settled = within(
        LONGEST,
        QUIET,
        "pods and statuses to be what the objects say",
        async || {
            fleet.quiet(QUIET).await?;
            let state = State::of(fleet).await?;
            last = state.agrees_with_the_compiler().err();
            Ok(last.is_none().then_some(state))
        },
    );
    let settled = settled.await;
    settled.with_context(|| format!("{last:#?}"))
}

async fn disturbed(
    fleet: &mut Fleet,
    random: &mut SmallRng,
    mut kill: Option<Receiver<()>>,
    kills: &mut u32,
) -> anyhow::Result<()> {
    let universe = Universe::new(NAMESPACE);
    for _ in 0..STEPS {
        universe.step(&fleet.objects, random).await?;
        sleep(Duration::from_millis(random.random_range(0..LONGEST_PAUSE_MILLIS))).await;
        if kill.as_mut().is_some_and(|kill| kill.try_recv().is_ok()) {
            kill = None;
            *kills += 1;
            fleet.operators[DISTURBED].kill()?;
            // What a wait for the end of the Lease would come to; `leader` waits for it.
            let nobody = json!({ "spec": { "holderIdentity": "" } });
            fleet.objects.merge("Lease", LEASE, &nobody).await?;
            fleet.operators[DISTURBED].run()?;
        }
        keep_running(fleet)?;
    }
    Ok(())
}

/// As kubelet does: an operator that could not renew its Lease has ended.
fn keep_running(fleet: &mut Fleet) -> anyhow::Result<()> {
    let operator = &mut fleet.operators[DISTURBED];
    if operator.program.as_mut().context("it runs")?.exited()?.is_some() {
        operator.run()?;
    }
    Ok(())
}
