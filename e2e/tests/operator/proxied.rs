//! The fault proxy itself: a client that does what Kubernetes asks of clients sees everything through it in the end. What does not
//! come through chaos is the operator's fault, then, and not the proxy's.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use e2e::fleet::proxy::Proxy;
use e2e::wait::within;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta};
use kube::runtime::reflector::store;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Client, Config};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::time::sleep;

use crate::{Suite, tell};

const STEPS: usize = 300;
/// So that the events of most steps travel alone.
const LONGEST_STEP_MILLIS: u64 = 20;
const NAMES: u32 = 40;
const LONGEST: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let objects = suite.plane.objects("proxied");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "proxied" } });
    objects.apply(&namespace).await?;
    let proxy = Proxy::start(&suite.plane).await?;
    let account = e2e::fleet::account::Account::new(&suite.plane, &objects).await?;
    let mut config = Config::new(proxy.url.parse()?);
    config.auth_info.token = Some(account.token.clone().into());
    let api: Api<ConfigMap> = Api::namespaced(Client::try_from(config)?, "proxied");
    let (reader, writer) = store();
    let events = reflector(writer, watcher(api, watcher::Config::default().timeout(60)));
    let watching = tokio::spawn(events.default_backoff().for_each(async |_| {}));

    let mut random = SmallRng::seed_from_u64(9);
    proxy.disturb(9);
    for step in 0..STEPS {
        let name = format!("c-{}", random.random_range(0..NAMES));
        if random.random_bool(0.4) {
            objects.delete("ConfigMap", &name).await?;
        } else {
            let metadata = json!({ "namespace": "proxied", "name": name });
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "step": step.to_string() } });
            objects.apply(&object).await?;
        }
        sleep(Duration::from_millis(random.random_range(0..LONGEST_STEP_MILLIS))).await;
    }
    proxy.calm();
    let stored = objects.list("ConfigMap").await?;
    let expected: BTreeSet<String> = stored
        .iter()
        .map(|object| object["metadata"]["resourceVersion"].to_string())
        .collect();
    within(LONGEST, PAUSE, "the client to see what is stored", async || {
        let state = reader.state();
        let version = |ObjectMeta { resource_version, .. }: &ObjectMeta| json!(resource_version).to_string();
        let seen: BTreeSet<String> = state.iter().map(|object| version(&object.metadata)).collect();
        Ok((seen == expected).then_some(()))
    })
    .await?;
    watching.abort();
    let told = proxy.told();
    ensure!(
        told.contains("dropped events") && told.contains("watches cut"),
        "the faults were {told}"
    );
    tell(&format!("for the reader: the proxy's client saw everything; {told}"));
    Ok(())
}
