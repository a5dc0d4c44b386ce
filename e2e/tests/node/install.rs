//! From nothing to an answer: both helms install, the demo's manifests are applied as they are, and a vendor's SDK asks every gateway.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use e2e::fleet::objects::Objects;
use e2e::node::command::kubectl;
use e2e::node::gateways::{self, ordinal_of};
use e2e::node::release::{CHART, Helm};
use e2e::node::{rows, tidy};
use tokio::time::Instant;

use crate::{GATEWAYS, Suite, sdk, tell};

/// What goes through a Service's three ends with a chance of one in 10^8 to miss any.
const CONNECTIONS: usize = 48;

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    tidy::all(&suite.objects).await?;
    for helm in [Helm::Three, Helm::Four] {
        let (installed, ready) = all(&suite.objects, helm).await?;
        tell(&format!(
            "for the reader: {} install --wait took {:.1} s; the demo's manifests and every object Ready after {:.1} s in all",
            helm.program(),
            installed.as_secs_f64(),
            ready.as_secs_f64()
        ));
        let said = helm.test().await?;
        ensure!(said.contains("Succeeded"), "{said}");
        if helm == Helm::Three {
            helm.uninstall().await?;
            tidy::all(&suite.objects).await?;
        }
    }
    asked_by_an_sdk(suite).await
}

/// Installs, applies the demo's manifests and waits for every object; gives how long helm took and how long all took.
pub(crate) async fn all(objects: &Objects, helm: Helm) -> anyhow::Result<(Duration, Duration)> {
    let began = Instant::now();
    let installed = helm.install(CHART, &[]).await?;
    demo().await?;
    gateways::ready(objects, GATEWAYS).await?;
    Ok((installed, began.elapsed()))
}

/// The manifests that the demo runs on.
pub(crate) async fn demo() -> anyhow::Result<()> {
    kubectl("apply -f deploy/samples").await?;
    kubectl("wait --for=condition=Ready --timeout=60s --all providers,prompttemplates,routes").await?;
    Ok(())
}

async fn asked_by_an_sdk(suite: &Suite) -> anyhow::Result<()> {
    let service = suite.service().await?;
    let ids = sdk::each(service, CONNECTIONS).await?;
    ensure!(ids.len() == CONNECTIONS, "{ids:?}");
    let ordinals: BTreeSet<usize> = ids.iter().map(|id| ordinal_of(id)).collect::<Result<_, _>>()?;
    ensure!(ordinals.iter().copied().eq(0..GATEWAYS), "answered by {ordinals:?}");
    rows::remembered(service, &ids).await?;
    tell(&format!(
        "for the reader: OpenAI's SDK asked {CONNECTIONS} times over new connections, and pods {ordinals:?} answered"
    ));
    Ok(())
}
