//! What the objects, their statuses and the pods are at one moment, and whether it all agrees.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use crds::compiler::{Condition, Diagnostic, Resources, Settings, Submitted, compile};
use crds::object::{Kind, ObjectId, ObjectName};
use crds::snapshot::Snapshot;
use e2e::fleet::statuses::{condition, is};
use e2e::fleet::{Fleet, signed};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::SIMULATOR;

const KINDS: [(&str, Kind); 3] = [
    ("Provider", Kind::Provider),
    ("PromptTemplate", Kind::PromptTemplate),
    ("Route", Kind::Route),
];

/// One moment.
pub(super) struct State {
    objects: BTreeMap<&'static str, Vec<Value>>,
    secrets: Vec<Value>,
    /// With its credentials.
    snapshot: Snapshot,
    pods: usize,
}

impl State {
    pub(super) async fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        fleet.agreed_revision().await?;
        let keys = signed::keys(&fleet.fleet_key().await?)?;
        let pod = &fleet.pods[0];
        let push = signed::snapshot(&keys, pod.admin, &pod.uid).await?;
        let mut push = push.context("a pod has no Snapshot")?;
        let names: Vec<ObjectName> = push.snapshot.providers.keys().cloned().collect();
        for name in names {
            let credentials = push.open(&name, &keys)?;
            if let Some(entry) = push.snapshot.providers.get_mut(&name) {
                entry.credentials = credentials;
            }
        }
        let mut objects = BTreeMap::new();
        for kind in ["Provider", "PromptTemplate", "PromptRevision", "Route"] {
            objects.insert(kind, fleet.objects.list(kind).await?);
        }
        Ok(Self {
            objects,
            secrets: fleet.objects.list("Secret").await?,
            snapshot: push.snapshot,
            pods: fleet.pods.len(),
        })
    }

    /// The pods serve what the compiler makes of the objects, given what they served; and each object says what it says.
    pub(super) fn agrees_with_the_compiler(&self) -> anyhow::Result<()> {
        let settings = Settings {
            simulator_url: Some(format!("http://{SIMULATOR}")),
            ..Settings::default()
        };
        let compiled = compile(&self.resources()?, &settings, Some(&self.snapshot));
        let (fresh, served) = (&compiled.snapshot, &self.snapshot);
        ensure!(
            fresh.revision == served.revision,
            "compiled: {fresh:#?}\nserved: {served:#?}"
        );
        for (name, kind) in KINDS {
            for object in &self.objects[name] {
                let id = ObjectId {
                    kind,
                    name: name_of(object)?,
                };
                let faults = compiled.diagnostics.get(&id).map(Vec::as_slice).unwrap_or_default();
                self.says(object, faults)
                    .with_context(|| format!("{id:?}: {faults:#?}\n{:#}", object["status"]))?;
            }
        }
        Ok(())
    }

    fn says(&self, object: &Value, faults: &[Diagnostic]) -> anyhow::Result<()> {
        for (name, which) in [
            ("Accepted", Condition::Accepted),
            ("ResolvedRefs", Condition::ResolvedRefs),
        ] {
            let reasons: Vec<String> = faults
                .iter()
                .filter(|fault| fault.condition == which)
                .map(|fault| format!("{:?}", fault.reason))
                .collect();
            if reasons.is_empty() {
                // What cannot be accepted may leave open what it refers to.
                ensure!(is(object, name, "True") || !faults.is_empty(), "{name} is not true");
            } else {
                ensure!(is(object, name, "False"), "{name} is not false");
                let said = condition(object, name)["reason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                ensure!(reasons.contains(&said), "{name} says {said}");
            }
        }
        if faults.is_empty() {
            ensure!(is(object, "Ready", "True"), "it is not ready");
            let expected = format!("{0}/{0}", self.pods);
            ensure!(object["status"]["propagation"]["summary"] == expected, "not {expected}");
        }
        Ok(())
    }

    /// Every object, every status and the Snapshot are the same.
    pub(super) fn is(&self, other: &Self) -> anyhow::Result<()> {
        ensure!(
            self.snapshot.revision == other.snapshot.revision,
            "the Snapshot was {:#?}\na fresh start makes {:#?}",
            self.snapshot,
            other.snapshot
        );
        for (kind, before) in &self.objects {
            let after = &other.objects[kind];
            ensure!(
                before.len() == after.len(),
                "{kind}s: {} became {}",
                before.len(),
                after.len()
            );
            for (before, after) in before.iter().zip(after) {
                ensure!(
                    before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"],
                    "a fresh start wrote {kind} {}: {:#}\nbecame {:#}",
                    before["metadata"]["name"],
                    before["status"],
                    after["status"]
                );
            }
        }
        Ok(())
    }

    fn resources(&self) -> anyhow::Result<Resources> {
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|secret| anyhow::Ok((name_of(secret)?, serde_json::from_value(secret.clone())?)));
        let secrets = secrets.collect::<Result<_, _>>()?;
        Ok(Resources {
            providers: read(&self.objects["Provider"])?,
            routes: read(&self.objects["Route"])?,
            prompt_templates: read(&self.objects["PromptTemplate"])?,
            prompt_revisions: read(&self.objects["PromptRevision"])?,
            secrets,
            config_maps: BTreeMap::new(),
        })
    }
}

fn read<K: DeserializeOwned>(objects: &[Value]) -> anyhow::Result<BTreeMap<ObjectName, Submitted<K>>> {
    let read = objects.iter().map(|object| {
        let typed: K = serde_json::from_value(object.clone())?;
        anyhow::Ok((name_of(object)?, Submitted::WellFormed(typed.into())))
    });
    read.collect()
}

fn name_of(object: &Value) -> anyhow::Result<ObjectName> {
    let part = |part: &str| object["metadata"][part].as_str().context("an object has a name");
    Ok(ObjectName::new(part("namespace")?, part("name")?))
}
