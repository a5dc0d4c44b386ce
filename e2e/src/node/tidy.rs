//! As if nothing had ever been installed: what a release leaves on purpose (objects, definitions, claims) is taken away by hand.

use super::command::{cluster, kubectl};
use super::release::Helm;
use crate::fleet::objects::Objects;

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
    // An operator whose rights go with it cannot give it up, and the next one would wait for its end.
    kubectl("delete lease route-switch-operator --ignore-not-found").await?;
    kubectl("delete pvc --all --wait").await?;
    cluster("volumes clear").await.map(drop)
}
