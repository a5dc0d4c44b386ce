//! No credential in any status, event, log or file, nor unsealed on the wire: searched byte by byte, over all that the suite has left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use e2e::fleet::pod::PodSettings;
use e2e::fleet::tap::Tap;
use e2e::fleet::volume;
use e2e::fleet::{CLIENT_KEY, Fleet};
use e2e::manifest::{credential, key, provider, route, target};
use e2e::wait::until;
use k8s_openapi::ByteString;
use memchr::memmem;
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Edit, propagated};
use crate::{Suite, tell};

const TEN: Catalogue = Catalogue {
    namespace: "secrecy",
    routes: 10,
    prompts: 0,
};
const CREDENTIAL: &str = "sk-provider-0c7f2e9d51ab";
const MALFORMED: &str = "rs-malformed-61e0c9ab42f7";
const NEW_FLEET_KEY: [u8; 32] = *b"\x93a fleet key that a person made\xfe";
/// What pods announce in place of their admin port, so that what goes there passes a tap.
const TAPPED: u16 = 9190;

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let mut fleet = suite.fleet(TEN.namespace, 7, 1, 0).await?;
    let wire = fleet.directory.join("wire");
    let mut taps = Vec::new();
    for _ in 0..2 {
        let settings = PodSettings {
            admin_port: Some(TAPPED),
            ..PodSettings::default()
        };
        let pod = fleet.add_pod(settings).await?;
        let mut listen = pod.admin;
        listen.set_port(TAPPED);
        taps.push(Tap::start(listen, pod.admin, &wire).await?);
        pod.ready().await?;
    }
    let old = volume::data(&fleet.fleet_key().await?)?;
    use_credentials(&fleet).await?;
    turn_the_key(&mut fleet, &old).await?;
    fleet.operators[0].stop().await?;
    drop(taps);

    let mut needles: Vec<Vec<u8>> = [CREDENTIAL, MALFORMED, CLIENT_KEY, &fleet.account.token]
        .map(|text| text.as_bytes().to_vec())
        .into();
    let ByteString(old) = old.get("current").context("the fleet key has a current one")?;
    for key in [old.as_slice(), &NEW_FLEET_KEY] {
        needles.push(key.to_vec());
        needles.push(
            serde_json::to_value(ByteString(key.to_vec()))?
                .as_str()
                .unwrap_or_default()
                .into(),
        );
        needles.push(key.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    }
    let places = everything(suite, &fleet).await?;
    for (place, bytes) in &places {
        for needle in &needles {
            // Without its beginning, too.
            let tail = &needle[needle.len().saturating_sub(12)..];
            let found = memmem::find(bytes, tail).is_some();
            ensure!(
                !found,
                "a credential is in {place}: {}",
                String::from_utf8_lossy(needle)
            );
        }
    }
    let wire: Vec<&Vec<u8>> = places
        .iter()
        .filter(|(place, _)| place.contains("/wire/"))
        .map(|(_, bytes)| bytes)
        .collect();
    // Else the wire would not have been heard: the credential did pass, sealed.
    let name = b"\"sealed\"";
    ensure!(
        wire.iter().any(|bytes| memmem::find(bytes, name).is_some()),
        "no sealed credential passed the taps"
    );
    let size: usize = places.values().map(Vec::len).sum();
    tell(&format!(
        "for the reader: secrecy: {} places, {size} bytes, no credential",
        places.len()
    ));
    Ok(())
}

async fn use_credentials(fleet: &Fleet) -> anyhow::Result<()> {
    let full = |name: &str| format!("{}/{name}", TEN.namespace);
    let keys = json!({ "keys": [{ "secretRef": { "name": "credential", "key": "key" } }] });
    let objects = [
        credential(&full("credential"), CREDENTIAL),
        provider(&full("keyed"), json!({ "vendor": "Simulated", "auth": keys })),
        route(
            &full("keyed"),
            json!({ "targets": [target("only", "keyed", "sim-fast", 1)], "capture": { "content": true } }),
        ),
        key(&full("malformed"), json!({ "key": MALFORMED, "role": "King" })),
    ];
    fleet.objects.apply_all(&objects).await?;
    fleet.objects.apply_all(&TEN.all()).await?;
    fleet.all_ready(&["Provider", "Route"]).await?;
    let ask = json!({ "model": "keyed", "messages": [{ "role": "user", "content": "Hello" }] });
    for pod in &fleet.pods {
        let answer = pod.client.chat(&ask).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    }
    until("an event about the malformed key", async || {
        let events = fleet.objects.list("Event").await?;
        Ok(events
            .iter()
            .any(|event| event["regarding"]["name"] == "malformed")
            .then_some(()))
    })
    .await
}

/// A person replaces the fleet key; pods learn of it one after the other, and everything goes on.
async fn turn_the_key(fleet: &mut Fleet, old: &BTreeMap<String, ByteString>) -> anyhow::Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": TEN.namespace, "name": e2e::fleet::FLEET_KEY },
        "data": { "current": ByteString(NEW_FLEET_KEY.to_vec()), "previous": old.get("current") },
    });
    fleet.objects.apply(&secret).await?;
    let secret = fleet.fleet_key().await?;
    for (number, edit) in [Edit::Route(1, 1), Edit::Route(2, 1)].into_iter().enumerate() {
        propagated(fleet, TEN, edit).await?;
        fleet.pods[number].volume.sync(&secret)?;
    }
    propagated(fleet, TEN, Edit::Route(3, 1)).await?;
    // Its file can be opened after the turn.
    fleet.pods[0].kill()?;
    fleet.pods[0].run()?;
    fleet.pods[0].ready().await?;
    propagated(fleet, TEN, Edit::Route(4, 1)).await.map(drop)
}

/// All that may not hold a credential: objects but Secrets, files but mounted Secrets and kubeconfigs, the audit log, the wire.
async fn everything(suite: &Suite, fleet: &Fleet) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut places = BTreeMap::new();
    for path in [
        "/apis/routeswitch.io/v1alpha1/providers",
        "/apis/routeswitch.io/v1alpha1/routes",
    ]
    .into_iter()
    .chain([
        "/apis/routeswitch.io/v1alpha1/prompttemplates",
        "/apis/routeswitch.io/v1alpha1/promptrevisions",
    ])
    .chain([
        "/apis/events.k8s.io/v1/events",
        "/api/v1/configmaps",
        "/api/v1/pods",
        "/apis/coordination.k8s.io/v1/leases",
    ]) {
        let list: Value = fleet.objects.ask(http::Method::GET, path, "", String::new()).await?;
        places.insert(path.to_owned(), list.to_string().into_bytes());
    }
    let audit = suite.plane.audit_log();
    let mut files = vec![audit];
    collect(suite.directory.path(), &mut files)?;
    for file in files {
        places.insert(file.display().to_string(), fs::read(&file)?);
    }
    let logs = places
        .keys()
        .filter(|place| Path::new(place).extension().is_some_and(|extension| extension == "log"))
        .count();
    ensure!(
        logs >= 4,
        "the logs are not where they are looked for: {:?}",
        places.keys()
    );
    Ok(places)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "fleet-key") {
                collect(&path, files)?;
            }
        } else if path.extension().is_none_or(|extension| extension != "kubeconfig") {
            files.push(path);
        }
    }
    Ok(())
}
