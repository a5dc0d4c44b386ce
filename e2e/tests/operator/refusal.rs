//! A pod that does not take what it is sent: the objects that it is about name it and repeat its words, until it does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use e2e::fleet::Fleet;
use e2e::fleet::pod::PodSettings;
use e2e::fleet::statuses::{awaited, is};
use e2e::manifest::{prompt, route, target};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Edit, propagated};
use crate::{Suite, tell};

const PLAIN: Catalogue = Catalogue {
    namespace: "refusal",
    routes: 2,
    prompts: 0,
};
const MOST_PROMPT_BYTES: usize = 2000;
const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let mut fleet = suite.fleet(PLAIN.namespace, 2, 1, 2).await?;
    let bounded = PodSettings {
        arguments: vec!["--max-prompt-bytes".to_owned(), MOST_PROMPT_BYTES.to_string()],
        ..PodSettings::default()
    };
    fleet.add_pod(bounded).await?.ready().await?;
    fleet.objects.apply_all(&PLAIN.all()).await?;
    fleet.all_ready(&["Provider", "Route"]).await?;
    too_long(&fleet).await?;
    without_the_key(&mut fleet).await
}

/// A prompt that is longer than one pod takes.
async fn too_long(fleet: &Fleet) -> anyhow::Result<()> {
    let long = |bytes: usize| {
        let spec = json!({ "messages": [{ "role": "system", "content": "x".repeat(bytes) }] });
        prompt(&format!("{}/long", PLAIN.namespace), spec)
    };
    let spec = json!({ "targets": [target("only", "sim", "sim-fast", 1)], "promptRef": { "name": "long" } });
    fleet.objects.apply(&long(2 * MOST_PROMPT_BYTES)).await?;
    fleet
        .objects
        .apply(&route(&format!("{}/long", PLAIN.namespace), spec))
        .await?;
    for who in [("Route", "long"), ("PromptTemplate", "long")] {
        let (object, took) = awaited(&fleet.objects, who, (SOON, "who refuses it"), |object| {
            is(object, "Ready", "False") && behind(object, "gateway-2").is_some()
        })
        .await?;
        let words = behind(&object, "gateway-2").unwrap_or_default();
        ensure!(words.contains("--max-prompt-bytes"), "{who:?} says {words}");
        tell(&format!(
            "for the reader: {} {} after {took:.0?}: gateway-2: {words}",
            who.0, who.1
        ));
        ensure!(behind(&object, "gateway-0").is_none(), "{:#}", object["status"]);
    }
    let others = fleet.objects.existing("Route", "route-0").await?;
    ensure!(is(&others, "Ready", "True"), "{:#}", others["status"]);
    fleet.objects.apply(&long(MOST_PROMPT_BYTES / 2)).await?;
    for who in [("Route", "long"), ("PromptTemplate", "long")] {
        let (object, took) = awaited(&fleet.objects, who, (SOON, "that it is taken"), |object| {
            is(object, "Ready", "True")
        })
        .await?;
        ensure!(behind(&object, "gateway-2").is_none(), "{:#}", object["status"]);
        tell(&format!(
            "for the reader: {} {} is taken after {took:.0?}",
            who.0, who.1
        ));
    }
    Ok(())
}

/// A pod whose key is another one: the fleet's was replaced, and its volume was not.
async fn without_the_key(fleet: &mut Fleet) -> anyhow::Result<()> {
    let secret = fleet.fleet_key().await?;
    let pod = &mut fleet.pods[1];
    pod.volume
        .fill(&BTreeMap::from([("current".to_owned(), ByteString(vec![7; 32]))]))?;
    pod.refuses_the_key(&secret).await?;
    let edit = Edit::Route(1, 1);
    fleet.objects.apply(&PLAIN.manifest(edit)).await?;
    let name = edit.name();
    let who = ("Route", &*name);
    let (object, took) = awaited(&fleet.objects, who, (SOON, "who refuses it"), |object| {
        is(object, "Ready", "False") && behind(object, "gateway-1").is_some()
    })
    .await?;
    let words = behind(&object, "gateway-1").unwrap_or_default();
    ensure!(words.contains("fleet key"), "it says {words}");
    tell(&format!(
        "for the reader: Route {name} after {took:.0?}: gateway-1: {words}"
    ));
    fleet.pods[1].volume.sync(&secret)?;
    let (object, took) = awaited(&fleet.objects, who, (SOON, "that it is taken"), |object| {
        is(object, "Ready", "True")
    })
    .await?;
    ensure!(
        object["status"]["propagation"]["summary"] == "3/3",
        "{:#}",
        object["status"]
    );
    tell(&format!("for the reader: Route {name} is taken after {took:.0?}"));
    propagated(fleet, PLAIN, Edit::Route(0, 1)).await.map(drop)
}

/// What the object says of a pod that is behind.
fn behind(object: &Value, pod: &str) -> Option<String> {
    let all = object["status"]["propagation"]["behind"].as_array()?;
    let found = all.iter().find(|entry| entry["pod"] == pod)?;
    Some(found["message"].as_str().unwrap_or_default().to_owned())
}
