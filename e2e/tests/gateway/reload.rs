//! Edits of the manifests while requests run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, CHAT, Client};
use e2e::manifest::{file, provider, route, target};
use e2e::stage::{Gateway, Stage};
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
    let provider = provider("edited", json!({ "vendor": "Simulated", "headers": { "x-edit": format!("{number}") } }));
    let route = route("edited", json!({ "targets": [target(&format!("t-{number}"), "edited", "sim-echo-chunks-4", 1)] }));
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
        ensure!(known == halves, "answers of one Snapshot show the edits {known:?} and {halves:?}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_edits_under_load_fail_no_request_and_mix_in_none() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    publish(&stage, 0)?;
    let gateway = stage.gateway(&[]).await?;
    let load = Load { client: gateway.client.clone(), over: AtomicBool::new(false), newest: AtomicUsize::new(0) };
    let load = Arc::new(load);
    let mut connections: JoinSet<_> = (0..CONNECTIONS).map(|number| keep_asking(Arc::clone(&load), number)).collect();
    let mut torn = BTreeSet::new();
    for number in 1..=EDITS {
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
        snapshots.into_iter().try_for_each(|(snapshot, halves)| all.note(snapshot, halves))?;
    }
    let mixed: Vec<&Halves> = all.snapshots.values().filter(|(provider, route)| provider != route).collect();
    let shown: BTreeSet<usize> = all.snapshots.values().map(|(_, route)| *route).collect();
    eprintln!("{} answers of {} Snapshots; edits that this machine tore apart: {torn:?}", all.answers, all.snapshots.len());
    ensure!(mixed.iter().all(|(provider, route)| torn.contains(provider.max(route))), "mixed answers: {mixed:?}");
    ensure!(torn.len() < EDITS / 20 && shown.len() == EDITS + 1, "{} edits were shown", shown.len());
    Ok(())
}

/// Changes the Provider and the Route together, each in its file; tells how far apart the two landed.
fn publish(stage: &Stage, number: usize) -> anyhow::Result<Duration> {
    let (provider, route) = edit(number);
    let drafts = [stage.draft("provider.yaml", &file(&[provider]))?, stage.draft("route.yaml", &file(&[route]))?];
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
        ensure!(!snapshot.is_empty(), "the answer names no Snapshot: {:?}", answer.headers);
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
        ensure!(own["target"] == target, "the head names {target}, the last chunk says {own}");
    }
    Ok((of_provider.parse()?, target.strip_prefix("t-").unwrap_or_default().parse()?))
}

/// As a ConfigMap in a pod: files are links into a directory that is swapped as a whole.
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

/// A good file of a Provider and a Route, as people write it.
const GOOD: &str = "\
apiVersion: routeswitch.io/v1alpha1
kind: Provider
metadata:
  name: victim
spec:
  vendor: Simulated
  headers: {x-edit: '1'}
  models:
  - name: sim-echo
    inputMicroUsdPerMTok: 100
  timeouts:
    connect: 5s
---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: victim
spec:
  model: victim
  targets:
  - name: t-1
    providerRef: {name: victim}
    model: sim-echo
    weight: 1
  capture: {content: false}
";

/// What is replaced by what, and a word of the fault's field or message.
const BAD: &[(&str, &str, &str)] = &[
    ("vendor: Simulated", "vendor: simulated", "vendor"),
    ("vendor: Simulated", "vendor: 7", "vendor"),
    ("vendor: Simulated", "vendor:", "vendor"),
    ("vendor: Simulated", "vendors: Simulated", "vendor"),
    ("vendor: Simulated", "vendor: OpenAICompatible", "baseUrl"),
    ("vendor: Simulated", "vendor: OpenAI\n  baseUrl: http://api.example.com/v1", "https"),
    ("vendor: Simulated", "vendor: OpenAI\n  baseUrl: https://169.254.169.254/v1", "link-local"),
    ("vendor: Simulated", "vendor: OpenAI\n  baseUrl: nowhere", "baseUrl"),
    ("vendor: Simulated", "vendor: [Simulated]", "vendor"),
    ("vendor: Simulated", "vendor: Simulated\n  auth: {}", "exactly one of keys and none"),
    ("vendor: Simulated", "vendor: Simulated\n  auth: {keys: []}", "auth.keys"),
    ("vendor: Simulated", "vendor: Simulated\n  auth: {keys: [{secretRef: {name: x}}]}", "secretRef.key"),
    ("vendor: Simulated", "vendor: Simulated\n  colour: red", "colour"),
    ("vendor: Simulated", "vendor: Simulated\n  allowInsecure: maybe", "allowInsecure"),
    ("vendor: Simulated", "vendor: Simulated\n  allowedNamespaces: [Big]", "allowedNamespaces"),
    ("vendor: Simulated", "vendor: Simulated\n  vendor: Simulated", "vendor"),
    ("headers: {x-edit: '1'}", "headers: {x-edit: 1}", "headers"),
    ("headers: {x-edit: '1'}", "headers: {Authorization: Bearer}", "Authorization"),
    ("headers: {x-edit: '1'}", "headers: {x y: z}", "headers"),
    ("headers: {x-edit: '1'}", "headers: {X-a: z, x-A: z}", "headers"),
    ("headers: {x-edit: '1'}", "headers: [x-edit]", "headers"),
    ("headers: {x-edit: '1'}", "headers: {x-edit: '1'", "not valid YAML"),
    ("inputMicroUsdPerMTok: 100", "inputMicroUsdPerMTok: -1", "inputMicroUsdPerMTok"),
    ("inputMicroUsdPerMTok: 100", "inputMicroUsdPerMTok: 0.5", "inputMicroUsdPerMTok"),
    ("inputMicroUsdPerMTok: 100", "inputMicroUsdPerMTok: a lot", "inputMicroUsdPerMTok"),
    ("inputMicroUsdPerMTok: 100", "contextTokens: 0", "contextTokens"),
    ("- name: sim-echo\n", "- name: sim-echo\n  - name: sim-echo\n", "name"),
    ("- name: sim-echo\n", "- title: sim-echo\n", "title"),
    ("connect: 5s", "connect: 5", "connect"),
    ("connect: 5s", "connect: five", "connect"),
    ("connect: 5s", "connects: 5s", "connects"),
    ("  model: victim\n", "", "model"),
    ("  model: victim\n", "  model: vic tim\n", "model"),
    ("  model: victim\n", "  model: victim\n  aliases: [victim]\n", "aliases"),
    ("  model: victim\n", "  model: victim\n  strategy: Random\n", "strategy"),
    ("  model: victim\n", "  model: victim\n  promptRef: {name: x}\n", "promptRef"),
    ("- name: t-1", "- name: T_1", "name"),
    ("- name: t-1", "- nam: t-1", "nam"),
    ("providerRef: {name: victim}", "providerRef: victim", "providerRef"),
    ("providerRef: {name: victim}", "providerRef: {}", "providerRef.name"),
    ("providerRef: {name: victim}", "providerRef: {name: victim, kind: Provider}", "kind"),
    ("model: sim-echo", "model: sim echo", "model"),
    ("weight: 1", "weight: 0", "weight"),
    ("weight: 1", "weight: 1001", "weight"),
    ("weight: 1", "weight: heavy", "weight"),
    ("capture: {content: false}", "capture: {content: maybe}", "content"),
    ("capture: {content: false}", "capture: {contents: false}", "contents"),
    ("kind: Route", "kind: Rout", "kind"),
    ("apiVersion: routeswitch.io/v1alpha1\nkind: Route", "apiVersion: routeswitch.io/v1\nkind: Route", "apiVersion"),
    ("metadata:\n  name: victim\nspec:\n  model", "metadata:\n  nam: victim\nspec:\n  model", "name"),
];

#[tokio::test]
async fn fifty_bad_edits_are_reported_with_file_and_line_and_lose_nothing() -> anyhow::Result<()> {
    ensure!(BAD.len() == 50, "{} bad edits", BAD.len());
    let stage = Stage::new().await?;
    stage.write("victim.yaml", GOOD)?;
    let (provider, route) = edit(1);
    stage.write("bystander.yaml", &file(&[provider, route]))?;
    let gateway = stage.gateway(&[]).await?;
    for (number, (good, bad, word)) in BAD.iter().enumerate() {
        ensure!(GOOD.contains(good), "no {good} in the good file");
        stage.write("victim.yaml", &GOOD.replacen(good, bad, 1))?;
        check_fault(&gateway, word).await.with_context(|| format!("bad edit {number}: {bad}"))?;
        stage.write("victim.yaml", GOOD)?;
        until("the faults to go", async || Ok(faults(&gateway).await?.is_empty().then_some(())))
            .await
            .with_context(|| format!("after bad edit {number}: {bad}"))?;
    }
    Ok(())
}

async fn faults(gateway: &Gateway) -> anyhow::Result<Vec<Value>> {
    let status = gateway.client.get_json("/status").await?;
    let faults = status["faults"].as_array().cloned().context("/status has no faults")?;
    ensure!(status["config"]["faults"] == faults.len(), "{status}");
    Ok(faults)
}

/// The fault is told, with its place, and all that was served before still is.
async fn check_fault(gateway: &Gateway, word: &str) -> anyhow::Result<()> {
    let faults = until("a fault", async || Ok(Some(faults(gateway).await?).filter(|faults| !faults.is_empty()))).await?;
    let told = faults.iter().find(|fault| fault["field"].to_string().contains(word) || fault["message"].to_string().contains(word));
    let told = told.with_context(|| format!("no fault tells of {word}: {faults:?}"))?;
    ensure!(told["file"].as_str().is_some_and(|file| file.ends_with("victim.yaml")), "{told}");
    let lines = GOOD.lines().count() as u64 + 2;
    ensure!(told["line"].as_u64().is_some_and(|line| (1..=lines).contains(&line)), "{told}");
    ensure!(told["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{told}");
    for model in ["victim", "edited"] {
        let answer = worked(gateway.client.post(CHAT, ask(model).to_string()).await?).context(model)?;
        ensure!(halves(&answer)? == (1, 1), "{model}: {:?}", answer.headers);
    }
    Ok(())
}
