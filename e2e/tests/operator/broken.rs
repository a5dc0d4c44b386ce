//! Bad objects among a thousand good ones: each says why, what was good keeps serving, and the others notice nothing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use e2e::fleet::Fleet;
use e2e::fleet::statuses::{awaited, condition, is, is_for};
use e2e::fleet::traffic::Traffic;
use e2e::manifest::{credential, prompt, provider, route, target};
use serde_json::{Value, json};

use crate::catalogue::{Edit, propagated, shown};
use crate::thousand::THOUSAND;
use crate::{Suite, tell};

const REQUESTS_A_SECOND: u32 = 100;
/// How soon an object says what is wrong with it, and that it is mended.
const SOON: Duration = Duration::from_secs(2);
/// The Route that is good and becomes bad.
const WAS_GOOD: usize = 500;

/// One object that is bad: how it is made so and mended, and what it says meanwhile.
struct Case {
    bad: Vec<Value>,
    mended: Value,
    /// Kind and name of the object that says it.
    who: (&'static str, &'static str),
    condition: &'static str,
    reason: &'static str,
    /// What the message must hold.
    words: &'static str,
}

fn full(name: &str) -> String {
    format!("{}/{name}", THOUSAND.namespace)
}

fn cases() -> Vec<Case> {
    let message = |content: &str| json!({ "messages": [{ "role": "system", "content": content }] });
    let to = |provider: &str| json!({ "targets": [target("only", provider, "sim-echo", 1)] });
    let keyed =
        json!({ "vendor": "Simulated", "auth": { "keys": [{ "secretRef": { "name": "keyless", "key": "key" } }] } });
    let mut keyless = credential(&full("keyless"), "sk-mended-4bd07e");
    let mended_secret = keyless.clone();
    keyless["stringData"] = json!({ "other": "sk-other-c2f81a" });
    let mut edited = THOUSAND.manifest(Edit::Route(WAS_GOOD, 1));
    let mended_route = edited.clone();
    edited["spec"]["capture"] = json!({ "redact": [{ "regex": "(" }] });
    vec![
        Case {
            bad: vec![prompt(&full("broken"), message("Hello {{ name"))],
            mended: prompt(&full("broken"), message("Hello.")),
            who: ("PromptTemplate", "broken"),
            condition: "Accepted",
            reason: "InvalidTemplate",
            words: "messages[0]",
        },
        Case {
            bad: vec![route(&full("to-nobody"), to("nobody"))],
            mended: provider(&full("nobody"), json!({ "vendor": "Simulated" })),
            who: ("Route", "to-nobody"),
            condition: "ResolvedRefs",
            reason: "ProviderNotFound",
            words: "nobody",
        },
        Case {
            bad: vec![keyless, provider(&full("keyless"), keyed)],
            mended: mended_secret,
            who: ("Provider", "keyless"),
            condition: "ResolvedRefs",
            reason: "SecretKeyMissing",
            words: "keyless",
        },
        Case {
            bad: vec![edited],
            mended: mended_route,
            who: ("Route", "route-500"),
            condition: "Accepted",
            reason: "Invalid",
            words: "redact",
        },
    ]
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let fleet = suite.thousand().await?;
    let doors: Vec<SocketAddr> = fleet.pods.iter().map(|pod| pod.traffic).collect();
    let traffic = Traffic::start(&doors, THOUSAND.routes, REQUESTS_A_SECOND, 9)?;
    let played = bad_and_mended(fleet).await;
    let report = traffic.stop().await?;
    played?;
    ensure!(report.failed.is_empty() && report.misrouted.is_empty(), "{report:#?}");
    ensure!(report.requests > 100, "{} requests", report.requests);
    Ok(())
}

async fn bad_and_mended(fleet: &Fleet) -> anyhow::Result<()> {
    let cases = cases();
    for case in &cases {
        for object in &case.bad {
            fleet.objects.apply(object).await?;
        }
        let (object, took) = awaited(&fleet.objects, case.who, (SOON, "why it is bad"), |object| {
            is_for(object, case.condition, "False", case.reason)
        })
        .await?;
        let said = condition(&object, case.condition)["message"]
            .as_str()
            .unwrap_or_default();
        ensure!(said.contains(case.words), "{:?} says: {said}", case.who);
        tell(&format!(
            "for the reader: {} {} says {} after {took:.0?}: {said}",
            case.who.0, case.who.1, case.reason
        ));
    }
    keeps_serving(fleet).await?;
    // All are bad now, and the others go on.
    for edit in [Edit::Route(801, 1), Edit::Prompt(101, 2)] {
        propagated(fleet, THOUSAND, edit).await?;
        awaited(
            &fleet.objects,
            (edit.kind(), &edit.name()),
            (SOON, "its edit to be acknowledged"),
            |object| is(object, "Ready", "True"),
        )
        .await?;
    }
    for case in &cases {
        fleet.objects.apply(&case.mended).await?;
        let (_, took) = awaited(&fleet.objects, case.who, (SOON, "that it is mended"), |object| {
            ["Accepted", "ResolvedRefs", "Ready"]
                .iter()
                .all(|condition| is(object, condition, "True"))
                && condition(object, "Stalled").is_null()
                && condition(object, "Reconciling").is_null()
        })
        .await?;
        tell(&format!(
            "for the reader: {} {} is mended after {took:.0?}",
            case.who.0, case.who.1
        ));
    }
    for pod in &fleet.pods {
        shown(pod, Edit::Route(WAS_GOOD, 1), tokio::time::Instant::now()).await?;
    }
    Ok(())
}

/// The Route that was good serves what it last said when it was, and says so.
async fn keeps_serving(fleet: &Fleet) -> anyhow::Result<()> {
    for pod in &fleet.pods {
        shown(pod, Edit::Route(WAS_GOOD, 0), tokio::time::Instant::now()).await?;
    }
    let name = Edit::Route(WAS_GOOD, 0).name();
    let object = fleet.objects.existing("Route", &name).await?;
    ensure!(
        is(&object, "Ready", "True"),
        "the pods serve it, yet it says {:#}",
        object["status"]
    );
    let said = condition(&object, "Accepted")["message"].as_str().unwrap_or_default();
    ensure!(said.contains("generation"), "it does not say what is served: {said}");
    Ok(())
}
