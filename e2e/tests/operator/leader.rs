//! Two operators: who leads, how soon the other one follows, and that configuration never goes backwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crds::fleet::key::FleetKeys;
use crds::fleet::{Order, Push, SNAPSHOT_PATH};
use e2e::fleet::{Fleet, LEASE, signed};
use e2e::wait::within;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::catalogue::{Catalogue, Edit, propagated, shown};
use crate::{Suite, tell};

const FIFTY: Catalogue = Catalogue {
    namespace: "leader",
    routes: 50,
    prompts: 0,
};
const AFTER_KILL: Duration = Duration::from_secs(20);
const AFTER_SIGTERM: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let mut fleet = suite.fleet(FIFTY.namespace, 5, 2, 3).await?;
    fleet.objects.apply_all(&FIFTY.all()).await?;
    fleet.all_ready(&["Provider", "Route"]).await?;
    let keys = signed::keys(&fleet.fleet_key().await?)?;
    let watch = Backwards::watch(&fleet, &keys);
    let played = takeovers(&mut fleet, &keys).await;
    let looked = watch.stop().await;
    played?;
    let looked = looked?;
    ensure!(looked > 100, "the pods were looked at {looked} times");
    Ok(())
}

async fn takeovers(fleet: &mut Fleet, keys: &FleetKeys) -> anyhow::Result<()> {
    killed(fleet, keys).await?;
    terminated(fleet).await?;
    // Nobody's Lease.
    fleet.objects.delete("Lease", LEASE).await?;
    propagated(fleet, FIFTY, Edit::Route(1, 2)).await?;
    fleet.awaited_leader().await?;
    propagated(fleet, FIFTY, Edit::Route(2, 2)).await?;
    // The same with nobody to remember the old one.
    for operator in &mut fleet.operators {
        ensure!(operator.stop().await?.success(), "{} ended badly", operator.name);
    }
    fleet.objects.delete("Lease", LEASE).await?;
    for operator in &mut fleet.operators {
        operator.run()?;
    }
    propagated(fleet, FIFTY, Edit::Route(3, 2)).await?;
    fleet.all_ready(&["Route"]).await?;
    tell("for the reader: a deleted and a re-created Lease: pods still follow");
    Ok(())
}

/// `kill -9` in the middle of a rollout.
async fn killed(fleet: &mut Fleet, keys: &FleetKeys) -> anyhow::Result<()> {
    fleet.quiet(SETTLED).await?;
    let leader = fleet.awaited_leader().await?;
    let stale = signed::snapshot(keys, fleet.pods[0].admin, &fleet.pods[0].uid).await?;
    let edits: Vec<Edit> = (0..FIFTY.routes).map(|number| Edit::Route(number, 1)).collect();
    let manifests: Vec<_> = edits.iter().map(|edit| FIFTY.manifest(*edit)).collect();
    fleet.objects.apply_all(&manifests[..FIFTY.routes / 2]).await?;
    fleet.operators[leader].kill()?;
    let began = Instant::now();
    fleet.objects.apply_all(&manifests[FIFTY.routes / 2..]).await?;
    let took = taken_over(fleet, leader, AFTER_KILL, began).await?;
    for pod in &fleet.pods {
        for edit in &edits {
            shown(pod, *edit, began).await?;
        }
    }
    fleet.all_ready(&["Route"]).await?;
    tell(&format!(
        "for the reader: kill -9 of the leader in a rollout: taken over after {took:.1?}"
    ));
    fenced(fleet, keys, stale.context("a pod has a Snapshot")?).await?;
    single_writes(fleet).await?;
    fleet.operators[leader].run()?;
    fleet.operators[leader].ready().await
}

async fn terminated(fleet: &mut Fleet) -> anyhow::Result<()> {
    let leader = fleet.awaited_leader().await?;
    let began = Instant::now();
    fleet.operators[leader].terminate()?;
    let took = taken_over(fleet, leader, AFTER_SIGTERM, began).await?;
    ensure!(fleet.operators[leader].ended().await?.success(), "it ended badly");
    tell(&format!(
        "for the reader: SIGTERM to the leader: taken over after {took:.1?}"
    ));
    propagated(fleet, FIFTY, Edit::Route(0, 2)).await?;
    fleet.operators[leader].run()?;
    fleet.operators[leader].ready().await
}

/// How long until another operator holds the Lease.
async fn taken_over(fleet: &Fleet, from: usize, limit: Duration, began: Instant) -> anyhow::Result<Duration> {
    within(limit, PAUSE, "another leader", async || {
        let leader = fleet.leader().await?;
        Ok(leader.is_some_and(|leader| leader != from).then(|| began.elapsed()))
    })
    .await
}

/// What the old leader may still send is refused.
async fn fenced(fleet: &Fleet, keys: &FleetKeys, mut stale: Push) -> anyhow::Result<()> {
    stale.order.sequence += 1_000_000;
    "0123456789abcdef".clone_into(&mut stale.snapshot.revision);
    let body = serde_json::to_vec(&stale)?;
    let pod = &fleet.pods[0];
    let (status, answer) = signed::ask(keys, ("PUT", SNAPSHOT_PATH, &body), pod.admin, &pod.uid).await?;
    ensure!(status == 409, "{status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Both leaders together have written each status once.
async fn single_writes(fleet: &mut Fleet) -> anyhow::Result<()> {
    let mut log = fleet.audit.clone();
    fleet.quiet(SETTLED).await?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for write in log.new_writes()? {
        if write.user == fleet.account.user && write.part == "status" {
            // What a killed process was about to write (504) may have been written or not.
            *counts.entry(write.name).or_default() += usize::from(write.code < 300);
        }
    }
    let more: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    ensure!(more.is_empty(), "written more than once for one edit: {more:?}");
    ensure!(counts.len() == FIFTY.routes, "{} statuses were written", counts.len());
    Ok(())
}

/// Looks at the order of each pod's Snapshot all the time: it only grows.
struct Backwards {
    over: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<usize>>,
}

impl Backwards {
    fn watch(fleet: &Fleet, keys: &FleetKeys) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let pods: Vec<_> = fleet.pods.iter().map(|pod| (pod.admin, pod.uid.clone())).collect();
        let (keys, told) = (keys.clone(), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let mut highest = vec![Order::default(); pods.len()];
            let mut looked = 0;
            while !told.load(Ordering::SeqCst) {
                for ((admin, uid), highest) in pods.iter().zip(&mut highest) {
                    let push = signed::snapshot(&keys, *admin, uid).await?;
                    let order = push.context("a pod lost its Snapshot")?.order;
                    ensure!(order >= *highest, "{admin} went from {highest:?} to {order:?}");
                    *highest = order;
                    looked += 1;
                }
                sleep(PAUSE).await;
            }
            Ok(looked)
        });
        Self { over, task }
    }

    async fn stop(self) -> anyhow::Result<usize> {
        self.over.store(true, Ordering::SeqCst);
        self.task.await?
    }
}
