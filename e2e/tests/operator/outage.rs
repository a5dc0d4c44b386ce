//! Without operators, and without an API server: gateways serve, die, come back and are added. Afterwards nothing goes backwards.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use crds::fleet::Order;
use crds::fleet::key::FleetKeys;
use e2e::fleet::pod::{Pod, PodSettings};
use e2e::fleet::traffic::Traffic;
use e2e::fleet::{Fleet, signed};
use tokio::time::{Instant, sleep_until};

use crate::catalogue::{Catalogue, Edit, propagated};
use crate::{Suite, tell};

const FIFTY: Catalogue = Catalogue {
    namespace: "outage",
    routes: 50,
    prompts: 10,
};
const REQUESTS_A_SECOND: u32 = 100;
const OUTAGE: Duration = Duration::from_secs(20);
const LONG_OUTAGE: Duration = Duration::from_mins(2);
const WEEKS: Duration = Duration::from_hours(24 * 21);
/// Without data of its own, and known to nobody but its siblings.
const ADDED: usize = 3;

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let time = suite.lasting(OUTAGE, LONG_OUTAGE);
    let mut fleet = suite.fleet(FIFTY.namespace, 4, 1, 3).await?;
    fleet.objects.apply_all(&FIFTY.all()).await?;
    fleet.all_ready(&["Provider", "PromptTemplate", "Route"]).await?;
    let keys = signed::keys(&fleet.fleet_key().await?)?;
    let old = fleet.directory.join("weeks-ago");
    keep_files(&mut fleet.pods[2], &old).await?;
    propagated(&fleet, FIFTY, Edit::Route(1, 1)).await?;
    fleet.all_ready(&["Route"]).await?;

    let mut doors: Vec<SocketAddr> = fleet.pods.iter().map(|pod| pod.traffic).collect();
    doors.push(fleet.traffic_of(ADDED)?);
    let traffic = Traffic::start(&doors, FIFTY.routes, REQUESTS_A_SECOND, 9)?;
    traffic.doors[ADDED].close();
    let played = outages(suite, &mut fleet, &traffic, (&keys, time)).await;
    let report = traffic.stop().await?;
    played?;
    ensure!(report.failed.is_empty() && report.misrouted.is_empty(), "{report:#?}");
    tell(&format!(
        "for the reader: outages of {time:?} each: {} requests, 0 failed but {} on connections of killed processes",
        report.requests, report.of_killed
    ));
    ensure!(report.requests > time.as_secs(), "{} requests", report.requests);

    restored(&mut fleet, &old, &keys).await
}

async fn outages(
    suite: &Suite,
    fleet: &mut Fleet,
    traffic: &Traffic,
    (keys, time): (&FleetKeys, Duration),
) -> anyhow::Result<()> {
    let before = order(keys, &fleet.pods[0]).await?;
    let revision = fleet.agreed_revision().await?;
    // No operator.
    let over = Instant::now() + time;
    fleet.operators[0].kill()?;
    kill_and_restart(&mut fleet.pods[1], traffic, 1).await?;
    fleet.add_pod(PodSettings::default()).await?.ready().await?;
    traffic.doors[ADDED].open();
    kill_and_restart(&mut fleet.pods[0], traffic, 0).await?;
    sleep_until(over).await;
    // No API server either.
    let over = Instant::now() + time;
    suite.plane.stop().await?;
    for number in [1, ADDED] {
        kill_and_restart(&mut fleet.pods[number], traffic, number).await?;
    }
    // A pod whose volume is empty.
    let pod = &mut fleet.pods[2];
    traffic.doors[2].close();
    pod.kill()?;
    fs::remove_dir_all(&pod.data)?;
    pod.run()?;
    pod.serving().await?;
    traffic.doors[2].open();
    sleep_until(over).await;
    suite.plane.start().await?;
    // Nothing has changed, so nothing may.
    fleet.operators[0].run()?;
    fleet.operators[0].ready().await?;
    fleet.awaited_leader().await?;
    for pod in &fleet.pods {
        pod.ready().await?;
    }
    ensure!(
        fleet.agreed_revision().await? == revision,
        "the Snapshot is another one"
    );
    let mut orders = vec![before];
    for edit in [Edit::Route(2, 1), Edit::Prompt(2, 1)] {
        propagated(fleet, FIFTY, edit).await?;
        for pod in &fleet.pods {
            let now = order(keys, pod).await?;
            ensure!(now > before, "{} went from {before:?} to {now:?}", pod.name);
            orders.push(now);
        }
    }
    fleet.all_ready(&["Provider", "PromptTemplate", "Route"]).await?;
    let route = fleet.objects.existing("Route", "route-2").await?;
    ensure!(
        route["status"]["propagation"]["summary"] == "4/4",
        "{:#}",
        route["status"]
    );
    Ok(())
}

/// Dies and comes back on its own file, while the others serve.
async fn kill_and_restart(pod: &mut Pod, traffic: &Traffic, door: usize) -> anyhow::Result<()> {
    traffic.doors[door].close();
    pod.kill()?;
    let began = Instant::now();
    pod.run()?;
    pod.serving().await?;
    traffic.doors[door].open();
    tell(&format!(
        "for the reader: {} was killed and is ready again after {:.0?}",
        pod.name,
        began.elapsed()
    ));
    Ok(())
}

async fn order(keys: &FleetKeys, pod: &Pod) -> anyhow::Result<Order> {
    let push = signed::snapshot(keys, pod.admin, &pod.uid).await?;
    Ok(push.with_context(|| format!("{} has no Snapshot", pod.name))?.order)
}

/// A copy of what a pod has kept.
async fn keep_files(pod: &mut Pod, to: &Path) -> anyhow::Result<()> {
    pod.stop().await?;
    copy(&pod.data, to)?;
    pod.run()?;
    pod.serving().await
}

/// A pod whose volume was restored from weeks ago starts with what its siblings have.
async fn restored(fleet: &mut Fleet, old: &Path, keys: &FleetKeys) -> anyhow::Result<()> {
    fleet.operators[0].kill()?;
    let expected = order(keys, &fleet.pods[0]).await?;
    let pod = &mut fleet.pods[2];
    pod.stop().await?;
    fs::remove_dir_all(&pod.data)?;
    copy(old, &pod.data)?;
    pod.run()?;
    pod.serving().await?;
    let found = order(keys, pod).await?;
    ensure!(
        found == expected,
        "it starts with {found:?} where its siblings have {expected:?}"
    );
    tell("for the reader: a volume restored from weeks ago: the pod starts with what its siblings have");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, to) = (entry?.path(), to);
        let to = to.join(path.file_name().context("an entry has a name")?);
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
            File::options()
                .append(true)
                .open(&to)?
                .set_modified(SystemTime::now() - WEEKS)?;
        }
    }
    Ok(())
}
