//! What Helm 4, Flux and kpt make of our objects, over every version of them that there was.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use e2e::fleet::kstatus::{Verdict, verdict};
use e2e::fleet::record::Record;
use e2e::fleet::statuses::{condition, has};
use e2e::fleet::{Fleet, pod::PodSettings};
use e2e::manifest::{prompt, provider, route, target};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::{Suite, tell};

const NAMESPACE: &str = "kstatus";
const KINDS: [&str; 3] = ["Provider", "PromptTemplate", "Route"];
const HELD: &str = "e2e.routeswitch.io/held";

fn full(name: &str) -> String {
    format!("{NAMESPACE}/{name}")
}

fn message(content: &str) -> Value {
    json!({ "messages": [{ "role": "system", "content": content }] })
}

fn to(provider: &str) -> Value {
    json!({ "targets": [target("only", provider, "sim-fast", 1)] })
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let mut fleet = suite.fleet(NAMESPACE, 3, 0, 0).await?;
    let records: Vec<Record> = KINDS.iter().map(|kind| fleet.objects.record(kind)).collect();
    // Nobody has looked at them yet.
    let fresh = [
        provider(&full("fresh"), json!({ "vendor": "Simulated" })),
        prompt(&full("fresh"), message("Hello.")),
        route(&full("fresh"), to("fresh")),
    ];
    for object in &fresh {
        let stored = fleet.objects.apply(object).await?;
        ensure!(verdict(&stored) == Verdict::InProgress, "fresh: {stored:#}");
    }
    fleet.add_operator(suite.plane.server()).await?;
    fleet.add_pod(PodSettings::default()).await?.ready().await?;
    for kind in KINDS {
        says(&fleet, (kind, "fresh"), Verdict::Current).await?;
    }

    fleet.objects.apply(&route(&full("waiting"), to("late"))).await?;
    let waiting = says_with(&fleet, ("Route", "waiting"), "Reconciling").await?;
    ensure!(verdict(&waiting) == Verdict::InProgress, "{:#}", waiting["status"]);
    fleet
        .objects
        .apply(&provider(&full("late"), json!({ "vendor": "Simulated" })))
        .await?;
    says(&fleet, ("Route", "waiting"), Verdict::Current).await?;

    fleet.objects.apply(&prompt(&full("stalled"), message("{{"))).await?;
    let mut conflicted = route(&full("stalled"), to("fresh"));
    conflicted["spec"]["model"] = json!("fresh");
    fleet.objects.apply(&conflicted).await?;
    for kind in ["PromptTemplate", "Route"] {
        let stalled = says_with(&fleet, (kind, "stalled"), "Stalled").await?;
        ensure!(verdict(&stalled) == Verdict::Failed, "{:#}", stalled["status"]);
    }

    let mut held = route(&full("held"), to("fresh"));
    held["metadata"]["finalizers"] = json!([HELD]);
    fleet.objects.apply(&held).await?;
    says(&fleet, ("Route", "held"), Verdict::Current).await?;
    fleet.objects.delete("Route", "held").await?;
    says(&fleet, ("Route", "held"), Verdict::Terminating).await?;
    let none = json!({ "metadata": { "finalizers": null } });
    fleet.objects.merge("Route", "held", &none).await?;

    // An edit that nobody has seen.
    fleet.operators[0].stop().await?;
    let mut edited = fresh[2].clone();
    edited["spec"]["aliases"] = json!(["fresher"]);
    let edited = fleet.objects.apply(&edited).await?;
    ensure!(
        verdict(&edited) == Verdict::InProgress,
        "an edit that nobody saw: {edited:#}"
    );
    checked(records)
}

async fn says(fleet: &Fleet, (kind, name): (&str, &str), expected: Verdict) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    let awaited = format!("{kind} {name} to be {expected:?}");
    let waited = until(&awaited, async || {
        last = fleet.objects.existing(kind, name).await?;
        Ok((verdict(&last) == expected).then(|| last.clone()))
    });
    let waited = waited.await;
    waited.with_context(|| format!("it says {:#}", last["status"]))
}

async fn says_with(fleet: &Fleet, (kind, name): (&str, &str), condition: &str) -> anyhow::Result<Value> {
    until(&format!("{kind} {name} to be {condition}"), async || {
        let object = fleet.objects.existing(kind, name).await?;
        Ok(has(&object, condition, "True").then_some(object))
    })
    .await
}

/// What holds for every version of every object.
fn checked(records: Vec<Record>) -> anyhow::Result<()> {
    let mut versions = 0;
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        let mut earlier: BTreeMap<String, Value> = BTreeMap::new();
        for object in record.all() {
            versions += 1;
            *verdicts.entry(format!("{:?}", verdict(&object))).or_default() += 1;
            by_itself(&object).with_context(|| format!("{object:#}"))?;
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            if let Some(before) = earlier.insert(uid, object.clone()) {
                transitions(&before, &object).with_context(|| format!("{before:#} became {object:#}"))?;
            }
        }
    }
    ensure!(verdicts.len() == 4, "not every verdict was seen: {verdicts:?}");
    tell(&format!(
        "for the reader: kstatus: {versions} versions of objects: {verdicts:?}"
    ));
    Ok(())
}

fn by_itself(object: &Value) -> anyhow::Result<()> {
    for always in ["Accepted", "Ready"] {
        ensure!(!condition(object, always).is_null(), "no {always}");
    }
    ensure!(
        !(has(object, "Reconciling", "True") && has(object, "Stalled", "True")),
        "waiting and stalled"
    );
    for rare in ["Reconciling", "Stalled"] {
        ensure!(
            condition(object, rare).is_null() || has(object, rare, "True"),
            "{rare} is there and not true"
        );
    }
    if verdict(object) == Verdict::Current {
        let observed = &condition(object, "Ready")["observedGeneration"];
        ensure!(
            has(object, "Ready", "True") && *observed == object["metadata"]["generation"],
            "current and not ready"
        );
    }
    Ok(())
}

/// `lastTransitionTime` moves when `status` does, and not otherwise.
fn transitions(before: &Value, after: &Value) -> anyhow::Result<()> {
    for now in after["status"]["conditions"].as_array().into_iter().flatten() {
        let then = condition(before, now["type"].as_str().unwrap_or_default());
        if then["status"] == now["status"] {
            let times = (&then["lastTransitionTime"], &now["lastTransitionTime"]);
            ensure!(
                times.0 == times.1,
                "the time of {} moved from {} to {}",
                now["type"],
                times.0,
                times.1
            );
        }
    }
    Ok(())
}
