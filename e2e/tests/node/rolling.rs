//! All gateways replaced one after the other with two hundred streams open, then fewer of them, then all again.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use e2e::node::command::kubectl;
use e2e::node::release::{CHART, Helm};
use e2e::node::streams::Streams;
use e2e::node::{gateways, rows};
use e2e::wait::{until, within};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{GATEWAYS, Suite, tell};

const STREAMS: usize = 200;
/// How long streams may take to open, on two busy cores.
const LIMIT: Duration = Duration::from_mins(1);
/// Set for the time of the scene: a model whose streams last for twenty seconds.
const ROUTE: &str = r"
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata: {name: long-streams}
spec:
  model: long-streams
  targets: [{name: slow, providerRef: {name: simulated-quick}, model: sim-gap-500-words-40-chunks-40}]
";
/// Its requests may be anybody's; this one may use every Route of the namespace.
const KEY: &str = e2e::node::ADMIN_KEY;

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    suite.installed().await?;
    e2e::node::command::fed("kubectl", &["apply", "-f", "-"], ROUTE).await?;
    kubectl("wait --for=condition=Ready --timeout=60s route/long-streams").await?;
    let service = suite.service().await?;
    rolled(suite, service).await?;
    scaled(suite, service).await
}

fn body() -> Value {
    json!({ "model": "long-streams", "stream": true, "messages": [{ "role": "user", "content": "Tell me about rivers." }] })
}

async fn rolled(suite: &Suite, service: SocketAddr) -> anyhow::Result<()> {
    let before = gateways::ready(&suite.objects, GATEWAYS).await?;
    let streams = Streams::start(service, KEY, STREAMS, &body())?;
    let all_open = within(
        LIMIT,
        Duration::from_millis(20),
        "two hundred open streams",
        async || Ok((streams.open() == STREAMS).then_some(())),
    );
    all_open.await?;
    let began = Instant::now();
    kubectl("rollout restart statefulset/route-switch-gateway").await?;
    kubectl("rollout status statefulset/route-switch-gateway --timeout=8m").await?;
    let took = began.elapsed();
    let ended = streams.stop().await?;
    tell(&format!(
        "for the reader: rolling update of {GATEWAYS} gateways in {:.0} s with {STREAMS} streams open all the time: {} whole, {} cut; by pod {:?}",
        took.as_secs_f64(),
        ended.whole.len(),
        ended.cut.len(),
        ended.by_ordinal()?
    ));
    ensure!(ended.cut.is_empty(), "{:#?}", &ended.cut[..ended.cut.len().min(20)]);
    ensure!(ended.by_ordinal()?.len() == GATEWAYS, "not all pods had streams");
    let after = gateways::ready(&suite.objects, GATEWAYS).await?;
    let stayed = before
        .iter()
        .zip(&after)
        .find(|(before, after)| before.uid == after.uid);
    ensure!(stayed.is_none(), "{stayed:?} was not replaced");
    rows::remembered(service, &ended.whole).await
}

/// At one gateway the answer is its own rows, and names the others; at three again it is all rows, none twice.
async fn scaled(suite: &Suite, service: SocketAddr) -> anyhow::Result<()> {
    let gateways = gateways::ready(&suite.objects, GATEWAYS).await?;
    let all = rows::all(service).await?;
    let own = gateways[0].own_requests().await?;
    ensure!(all.len() as u64 > own, "all rows are pod 0's: {own}");
    // By helm, whose the number is: after a `kubectl scale` it would not change it any more.
    Helm::Four.upgrade(CHART, &["--set", "gateway.replicas=1"]).await?;
    let one = gateways::ready(&suite.objects, 1).await?;
    let (told, rows_of_one) = (
        one[0].fleet_requests(&["1", "2"]).await?,
        rows::ids(service, &["1", "2"]).await?,
    );
    ensure!(
        told == own && rows_of_one.len() as u64 == own,
        "{told} told, {} listed, {own} are its own",
        rows_of_one.len()
    );
    ensure!(rows_of_one.is_subset(&all), "rows that were not there before");
    Helm::Four.upgrade(CHART, &[]).await?;
    let three = gateways::ready(&suite.objects, GATEWAYS).await?;
    let told = rows::all(service).await?;
    for gateway in &three {
        // Each hears of the others with the operator's next call.
        until(&format!("{} to tell all rows", gateway.name), async || {
            let told = gateway.fleet_requests(&[]).await.ok();
            Ok((told == Some(all.len() as u64)).then_some(()))
        })
        .await?;
    }
    ensure!(
        told == all,
        "{:?} are not the rows from before",
        told.symmetric_difference(&all)
    );
    tell(&format!(
        "for the reader: scaled 3 -> 1 -> 3: of {} rows one pod told its {own} and named 1 and 2 as missing; then all {} again, none twice",
        all.len(),
        told.len()
    ));
    Ok(())
}
