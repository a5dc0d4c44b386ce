//! Edits of the manifests while requests run.

mod bad_edits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, Client};
use e2e::manifest::{file, provider, route, target};
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{ask, ask_stream, worked};

const EDITS: usize = 500;
const CONNECTIONS: usize = 4;
/// Two files that land further apart than this may be two edits, and what lies between them a state of its own.
const TOGETHER: Duration = Duration::from_millis(50);

/// The Provider tells the edit's number in a header, which the simulator echoes; the Route in the name of its target.
fn edit(number: usize) -> (Value, Value) {
    let provider = provider(
        "edited",
        json!({ "vendor": "Simulated", "headers": { "x-edit": format!("{number}") } }),
    );
    let route = route(
        "edited",
        json!({ "targets": [target(&format!("t-{number}"), "edited", "sim-echo-chunks-4", 1)] }),
    );
    (provider, route)
}

/// The edits that the two halves of an answer are of: the Provider's and the Route's.
type Halves = (usize, usize);

/// What the answers under load said.
#[derive(Default)]
struct Seen {
    answers: usize,
    snapshots: BTreeMap<String, Halves>,
}

/// Told to all connections of the load.
struct Load {
    client: Client,
    over: AtomicBool,
    /// The newest edit that an answer has shown.
    newest: AtomicUsize,
}

impl Seen {
    /// One Snapshot is one state.
    fn note(&mut self, snapshot: String, halves: Halves) -> anyhow::Result<()> {
        let known = *self.snapshots.entry(snapshot).or_insert(halves);
        ensure!(
            known == halves,
            "answers of one Snapshot show the edits {known:?} and {halves:?}"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_edits_under_load_fail_no_request_and_mix_in_none() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    publish(&stage, 0)?;
    let gateway = stage.gateway(&[]).await?;
    let load = Load {
        client: gateway.client.clone(),
        over: AtomicBool::new(false),
        newest: AtomicUsize::new(0),
    };
    let load = Arc::new(load);
    let mut connections: JoinSet<_> = (0..CONNECTIONS)
        .map(|number| keep_asking(Arc::clone(&load), number))
        .collect();
    let mut torn = BTreeSet::new();
    let mut number = 0;
    while number - torn.len() < EDITS {
        number += 1;
        if publish(&stage, number)? > TOGETHER {
            torn.insert(number);
        }
        until(&format!("edit {number} in an answer"), async || {
            if let Some(failed) = connections.try_join_next() {
                failed??;
            }
            Ok((load.newest.load(Ordering::Relaxed) >= number).then_some(()))
        })
        .await?;
    }
    load.over.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    while let Some(seen) = connections.join_next().await {
        let Seen { answers, snapshots } = seen??;
        all.answers += answers;
        snapshots
            .into_iter()
            .try_for_each(|(snapshot, halves)| all.note(snapshot, halves))?;
    }
    let mixed: Vec<&Halves> = all
        .snapshots
        .values()
        .filter(|(provider, route)| provider != route)
        .collect();
    let shown: BTreeSet<usize> = all.snapshots.values().map(|(_, route)| *route).collect();
    eprintln!(
        "{} answers of {} Snapshots; edits that this machine tore apart: {torn:?}",
        all.answers,
        all.snapshots.len()
    );
    ensure!(
        mixed.iter().all(|(provider, route)| torn.contains(provider.max(route))),
        "mixed answers: {mixed:?}"
    );
    ensure!(shown.len() == number + 1, "{} edits were shown", shown.len());
    Ok(())
}

/// Changes the Provider and the Route together, each in its file; tells how far apart the two landed.
fn publish(stage: &Stage, number: usize) -> anyhow::Result<Duration> {
    let (provider, route) = edit(number);
    let drafts = [
        stage.draft("provider.yaml", &file(&[provider]))?,
        stage.draft("route.yaml", &file(&[route]))?,
    ];
    let began = Instant::now();
    for draft in &drafts {
        stage.publish(draft)?;
    }
    Ok(began.elapsed())
}

async fn keep_asking(load: Arc<Load>, connection: usize) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    while !load.over.load(Ordering::Relaxed) {
        let streamed = (seen.answers + connection) % 2 == 1;
        let body = if streamed { ask_stream("edited") } else { ask("edited") };
        let answer = worked(load.client.chat(&body).await?)?;
        let halves = halves(&answer)?;
        let snapshot = answer.header("x-route-switch-snapshot");
        ensure!(
            !snapshot.is_empty(),
            "the answer names no Snapshot: {:?}",
            answer.headers
        );
        seen.note(snapshot.to_owned(), halves)?;
        load.newest.fetch_max(halves.1, Ordering::Relaxed);
        seen.answers += 1;
    }
    Ok(seen)
}

/// The edits that the Provider and the Route of an answer are of.
fn halves(answer: &Answer) -> anyhow::Result<Halves> {
    let echo: Value = serde_json::from_str(&answer.content()?).with_context(|| answer.text())?;
    let of_provider = echo["headers"]["x-edit"].as_str().unwrap_or_default();
    let target = answer.header("x-route-switch-target");
    if answer.header("content-type").starts_with("text/event-stream") {
        let own = answer.transcript()?.route_switch();
        ensure!(
            own["target"] == target,
            "the head names {target}, the last chunk says {own}"
        );
    }
    Ok((
        of_provider.parse()?,
        target.strip_prefix("t-").unwrap_or_default().parse()?,
    ))
}

/// As a `ConfigMap` in a pod: files are links into a directory that is swapped as a whole.
#[tokio::test]
async fn a_directory_that_is_swapped_by_a_link_is_one_edit() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    let manifests = stage.manifests();
    let fill = |number: usize| {
        let version = manifests.join(format!("..version-{number}"));
        std::fs::create_dir(&version)?;
        let (provider, route) = edit(number);
        std::fs::write(version.join("provider.yaml"), file(&[provider]))?;
        std::fs::write(version.join("route.yaml"), file(&[route]))?;
        std::os::unix::fs::symlink(format!("..version-{number}"), manifests.join("..draft"))?;
        std::fs::rename(manifests.join("..draft"), manifests.join("..data"))
    };
    fill(0)?;
    for name in ["provider.yaml", "route.yaml"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), manifests.join(name))?;
    }
    let gateway = stage.gateway(&[]).await?;
    for number in 1..=5 {
        let before = gateway.snapshot().await?;
        fill(number)?;
        gateway.snapshot_after(&before).await?;
        let answer = worked(gateway.client.chat(&ask("edited")).await?)?;
        ensure!(halves(&answer)? == (number, number), "{:?}", answer.headers);
        std::fs::remove_dir_all(manifests.join(format!("..version-{}", number - 1)))?;
    }
    Ok(())
}
