//! From an earlier chart, whose definition of a kind lacks a field, to this one; then taken away: the user's objects stay throughout.
//!
//! The earlier chart is `fixtures/`, packed by the script there. Played with helm 3; the other scenes are helm 4's.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use e2e::fleet::objects::Objects;
use e2e::fleet::text;
use e2e::node::command::{fed, kubectl};
use e2e::node::release::{CHART, Helm};
use e2e::node::{gateways, rows, tidy};
use serde_json::{Value, json};

use crate::{GATEWAYS, Suite, install, sdk, tell};

const EARLIER: &str = "e2e/tests/node/fixtures/route-switch-0.0.1.tgz";
const REQUESTS: usize = 12;
/// What a user has, and what stands for it: claims hold the rows.
const KINDS: [&str; 6] = [
    "Provider",
    "PromptTemplate",
    "PromptRevision",
    "Route",
    "Secret",
    "PersistentVolumeClaim",
];
/// A Route that uses what the earlier definition lacks.
const NEWER: &str = r"
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata: {name: newer}
spec:
  model: newer
  session: {affinity: Session}
  targets: [{name: quick, providerRef: {name: simulated-quick}, model: sim-fast}]
";
const LACKING: &str = "spec.session";

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let helm = Helm::Three;
    tidy::all(&suite.objects).await?;
    helm.install(EARLIER, &[]).await?;
    install::demo().await?;
    gateways::ready(&suite.objects, GATEWAYS).await?;
    let refused = fed("kubectl", &["apply", "-f", "-"], NEWER).await;
    let words = refused
        .err()
        .context("the earlier definition knows the field")?
        .to_string();
    ensure!(words.contains(LACKING), "{words}");
    let service = suite.service().await?;
    let answered = sdk::each(service, REQUESTS).await?;
    rows::remembered(service, &answered).await?;
    let before = kept(&suite.objects).await?;

    let took = helm.upgrade(CHART, &[]).await?;
    gateways::ready(&suite.objects, GATEWAYS).await?;
    nothing_lost(&before, &kept(&suite.objects).await?).context("after the upgrade")?;
    rows::remembered(service, &answered).await?;
    fed("kubectl", &["apply", "-f", "-"], NEWER).await?;
    kubectl("wait --for=condition=Ready --timeout=60s --all providers,prompttemplates,routes").await?;
    let newer = suite.objects.existing("Route", "newer").await?;
    ensure!(newer["spec"]["session"].is_object(), "{newer:#}");

    let before = kept(&suite.objects).await?;
    helm.uninstall().await?;
    nothing_lost(&before, &kept(&suite.objects).await?).context("after helm uninstall")?;
    tell(&format!(
        "for the reader: upgrade from a chart whose definition of Routes lacks {LACKING} in {:.1} s, then helm uninstall: {} objects of users, none lost",
        took.as_secs_f64(),
        before.len()
    ));
    tidy::all(&suite.objects).await
}

/// By kind and name: which object it is, and what it asks for.
async fn kept(objects: &Objects) -> anyhow::Result<BTreeMap<(String, String), (String, Value)>> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        for object in objects.list(kind).await? {
            // Those of helm are the release's history, not a user's.
            if object["type"].as_str().is_some_and(|kind| kind.starts_with("helm.sh/")) {
                continue;
            }
            let (name, uid) = (text(&object, "/metadata/name")?, text(&object, "/metadata/uid")?);
            let asked = json!([object["spec"], object["data"], object["metadata"]["labels"]]);
            all.insert((kind.to_owned(), name.to_owned()), (uid.to_owned(), asked));
        }
    }
    Ok(all)
}

fn nothing_lost(
    before: &BTreeMap<(String, String), (String, Value)>,
    after: &BTreeMap<(String, String), (String, Value)>,
) -> anyhow::Result<()> {
    for (object, (uid, asked)) in before {
        let (uid_now, asked_now) = after.get(object).with_context(|| format!("{object:?} is gone"))?;
        ensure!(uid == uid_now, "{object:?} was made anew");
        ensure!(
            asked == asked_now,
            "{object:?} asks for {asked_now:#} where it asked for {asked:#}"
        );
    }
    Ok(())
}
