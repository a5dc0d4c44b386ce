//! `kubectl delete pod` under load: asked to go, and taken by force. It comes back with its data and its configuration, and what fails
//! fails on its own connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::node::askers::{Askers, Seen};
use e2e::node::command::kubectl;
use e2e::node::gateways::{self, Gateway};
use e2e::node::{APP_KEY, rows};
use e2e::wait::within;
use tokio::time::Instant;

use crate::sdk::{Report, Retrying};
use crate::{GATEWAYS, Suite, tell};

/// The pod that goes.
const GOES: usize = 1;
const ASKERS: usize = 12;
const RETRYING: usize = 4;
/// Answers before and after, so that every pod has had its share.
const LOADED: u64 = 60;

/// How a pod is deleted.
struct Deletion {
    words: &'static str,
    options: &'static str,
    /// It gets its time to drain, so that not even its own clients should lose a request.
    is_drained: bool,
}

const DELETIONS: [Deletion; 2] = [
    Deletion {
        words: "kubectl delete pod",
        options: "",
        is_drained: true,
    },
    Deletion {
        words: "kubectl delete pod --force --grace-period=0",
        options: "--force --grace-period=0",
        is_drained: false,
    },
];

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    for deletion in &DELETIONS {
        let gateways = suite.installed().await?;
        let service = suite.service().await?;
        played(suite, (service, &gateways), deletion)
            .await
            .context(deletion.words)?;
    }
    Ok(())
}

async fn played(
    suite: &Suite,
    (service, gateways): (SocketAddr, &[Gateway]),
    deletion: &Deletion,
) -> anyhow::Result<()> {
    let before = rows::all(service).await?;
    let own_before = gateways[GOES].own_requests().await?;
    let revision = gateways::snapshots(&suite.objects, gateways)
        .await?
        .swap_remove(GOES)
        .snapshot
        .revision;
    let askers = Askers::start(service, APP_KEY, ASKERS, &rows::short())?;
    let retrying = Retrying::start(service, RETRYING).await?;
    askers.more(LOADED).await?;

    let began = Instant::now();
    kubectl(&format!(
        "delete pod {} --wait=false {}",
        gateways[GOES].name, deletion.options
    ))
    .await?;
    let gateways = replaced(suite, &gateways[GOES]).await?;
    let took = began.elapsed();
    askers.more(LOADED).await?;
    let (seen, report) = (askers.stop().await?, retrying.stop().await?);

    told(deletion, took, &seen, &report);
    ensure!(report.failed.is_empty(), "clients that retry saw {:#?}", report.failed);
    ensure!(!report.answered.is_empty(), "clients that retry asked nothing");
    let foreign = seen
        .failures
        .iter()
        .find(|failure| failure.ordinal != Some(GOES) && !failure.is_refused);
    ensure!(
        foreign.is_none(),
        "a request of another pod's connection failed: {foreign:#?}"
    );
    if deletion.is_drained {
        ensure!(seen.failures.is_empty(), "it drained, and yet: {:#?}", seen.failures);
        let answered = [seen.answered, report.answered].concat();
        rows::remembered(service, &answered).await?;
    }
    let after = rows::all(service).await?;
    let lost: Vec<&String> = before.difference(&after).collect();
    ensure!(lost.is_empty(), "{lost:?} were remembered before");
    ensure!(gateways[GOES].own_requests().await? >= own_before, "its rows are fewer");
    let push = gateways::snapshots(&suite.objects, &gateways).await?.swap_remove(GOES);
    ensure!(
        push.snapshot.revision == revision,
        "it serves from {}",
        push.snapshot.revision
    );
    Ok(())
}

/// The gateways once this one was replaced by another of its name.
async fn replaced(suite: &Suite, gone: &Gateway) -> anyhow::Result<Vec<Gateway>> {
    let limit = Duration::from_mins(3);
    within(limit, Duration::from_millis(100), "the pod to come back", async || {
        let gateways = gateways::ready(&suite.objects, GATEWAYS).await?;
        Ok((gateways[gone.ordinal].uid != gone.uid).then_some(gateways))
    })
    .await
}

fn told(deletion: &Deletion, took: Duration, seen: &Seen, report: &Report) {
    tell(&format!(
        "for the reader: {}: ready again after {:.1} s; without retries {} answered and {} failed, with the SDK's retries {} and {}",
        deletion.words,
        took.as_secs_f64(),
        seen.answered.len(),
        seen.failures.len(),
        report.answered.len(),
        report.failed.len(),
    ));
}
