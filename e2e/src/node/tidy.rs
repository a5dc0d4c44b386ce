//! As if nothing had ever been installed: what a release leaves on purpose (objects, definitions, claims) is taken away by hand.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::command::kubectl;
use super::release::Helm;
use crate::fleet::objects::Objects;
use crate::fleet::text;
use crate::wait::until;

/// Our kinds, the revisions last: they are gone with their templates.
const KINDS: [&str; 4] = ["routes", "providers", "prompttemplates", "promptrevisions"];

/// Takes the release and all that it left away.
pub async fn all(objects: &Objects) -> anyhow::Result<()> {
    if Helm::Four.is_installed().await? {
        Helm::Four.uninstall().await?;
    }
    for kind in KINDS {
        let name = format!("{kind}.routeswitch.io");
        if objects.get("CustomResourceDefinition", &name).await?.is_some() {
            kubectl(&format!("delete crd {name} --wait")).await?;
        }
    }
    kubectl("delete secret --selector routeswitch.io/api-key").await?;
    kubectl("delete secret --selector routeswitch.io/credential").await?;
    kubectl("delete secret route-switch-fleet-key --ignore-not-found").await?;
    kubectl("delete pvc --all --wait").await?;
    for volume in objects.list("PersistentVolume").await? {
        empty(objects, &volume).await?;
    }
    Ok(())
}

/// Lets a volume be claimed again, without what was on it.
async fn empty(objects: &Objects, volume: &Value) -> anyhow::Result<()> {
    if volume["spec"]["claimRef"].is_null() {
        return Ok(());
    }
    let (name, folder) = (text(volume, "/metadata/name")?, text(volume, "/spec/local/path")?);
    let entries = fs::read_dir(Path::new(folder)).with_context(|| format!("{folder} of {name}"))?;
    for entry in entries {
        let path = entry?.path();
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| path.display().to_string())?;
    }
    objects
        .merge("PersistentVolume", name, &json!({ "spec": { "claimRef": null } }))
        .await?;
    until(&format!("{name} to be available"), async || {
        let volume = objects.existing("PersistentVolume", name).await?;
        Ok((volume["status"]["phase"] == "Available").then_some(()))
    })
    .await
}
