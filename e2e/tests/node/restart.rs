//! The node goes down and comes back without the operator: the pods serve as before, from what is on their own volumes.

use std::time::Duration;

use anyhow::ensure;
use e2e::client::Client;
use e2e::fleet::objects::Objects;
use e2e::node::command::{cluster, kubectl};
use e2e::node::{APP_KEY, gateways, rows};
use e2e::wait::within;
use serde_json::Value;
use tokio::time::Instant;

use crate::{GATEWAYS, Suite, tell};

const LIMIT: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(100);
const OPERATOR: &str = "route-switch-operator";

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let before = suite.installed().await?;
    let service = suite.service().await?;
    let rows_before = rows::all(service).await?;
    let pushes = gateways::snapshots(&suite.objects, &before).await?;
    operators(&suite.objects, 0).await?;

    cluster("node stop").await?;
    let asked = Client::fresh(service)?.with_key(APP_KEY)?.chat(&rows::short()).await;
    ensure!(asked.is_err(), "the node is down, and somebody answers {asked:?}");
    let began = Instant::now();
    cluster("node start").await?;
    let after = restarted(suite, &before).await?;
    e2e::wait::until("an answer through the Service", async || {
        let asked = Client::fresh(service)?.with_key(APP_KEY)?.chat(&rows::short()).await;
        Ok(asked.is_ok_and(|answer| answer.status == 200).then_some(()))
    })
    .await?;
    let took = began.elapsed();
    for (push, now) in pushes.iter().zip(gateways::snapshots(&suite.objects, &after).await?) {
        ensure!(
            now.snapshot.revision == push.snapshot.revision && now.order == push.order,
            "{:?} where it had {:?}",
            now.order,
            push.order
        );
    }
    let rows_after = rows::all(service).await?;
    let lost: Vec<&String> = rows_before.difference(&rows_after).collect();
    ensure!(lost.is_empty(), "{lost:?} were there before");
    tell(&format!(
        "for the reader: node down and up without an operator: {GATEWAYS} gateways serve again after {:.1} s, with all {} rows and their Snapshot",
        took.as_secs_f64(),
        rows_before.len()
    ));
    operators(&suite.objects, 2).await
}

/// Waits until every gateway runs again, which kubelet shows by a restart of its container.
async fn restarted(suite: &Suite, before: &[gateways::Gateway]) -> anyhow::Result<Vec<gateways::Gateway>> {
    within(LIMIT, PAUSE, "the gateways to run again", async || {
        for gateway in before {
            let pod = suite.objects.existing("Pod", &gateway.name).await?;
            let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
            if pod["metadata"]["uid"] == gateway.uid.as_str() && restarts.as_u64().unwrap_or_default() == 0 {
                return Ok(None);
            }
        }
        gateways::ready(&suite.objects, GATEWAYS).await.map(Some)
    })
    .await
}

/// Scales the operator and waits until that is so.
async fn operators(objects: &Objects, count: u64) -> anyhow::Result<()> {
    kubectl(&format!("scale deployment/{OPERATOR} --replicas={count}")).await?;
    within(LIMIT, PAUSE, &format!("{count} operators"), async || {
        let deployment = objects.existing("Deployment", OPERATOR).await?;
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or_default();
        let pods = objects.list("Pod").await?;
        let is_operator = |pod: &&Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == "operator";
        let there = pods.iter().filter(is_operator).count() as u64;
        Ok((ready == count && there == count).then_some(()))
    })
    .await
}
