//! Two objects that claim one name: the older one has it; without times, the first by namespace and name.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Diagnostic, Reason, diagnostic::Report};
use crate::{
    object::{Kind, ObjectName},
    snapshot::{KeyEntry, RouteEntry},
};

/// Names in order of their right to a claim. What has no time comes first: files never have one, and an object that cannot be
/// read any more was there before it became unreadable.
fn by_seniority<'a, E>(
    entries: &BTreeMap<ObjectName, E>,
    created: impl Fn(&ObjectName) -> Option<&'a Time>,
) -> Vec<ObjectName> {
    let mut names: Vec<ObjectName> = entries.keys().cloned().collect();
    names.sort_by(|one, other| (created(one), one).cmp(&(created(other), other)));
    names
}

/// Leaves each Route the names that no senior Route of its namespace claims, and drops those that have none left.
pub(super) fn routes<'a>(
    mut entries: BTreeMap<ObjectName, RouteEntry>,
    created: impl Fn(&ObjectName) -> Option<&'a Time>,
    report: &mut Report,
) -> BTreeMap<ObjectName, RouteEntry> {
    let mut holders: BTreeMap<(Arc<str>, String), ObjectName> = BTreeMap::new();
    for name in by_seniority(&entries, created) {
        let Some(route) = entries.get_mut(&name) else { continue };
        let claims = std::mem::take(&mut route.names);
        route.names.reserve_exact(claims.len());
        for (index, claim) in claims.into_iter().enumerate() {
            match holders.entry((Arc::clone(&name.namespace), claim.clone())) {
                Entry::Vacant(free) => {
                    free.insert(name.clone());
                    route.names.push(claim);
                }
                // A name that a last good entry has lost is not in the next one: nothing is said of it.
                Entry::Occupied(_) if route.stale => {}
                Entry::Occupied(taken) => {
                    let field = match index {
                        0 => "spec.model".to_owned(),
                        _ => format!("spec.aliases[{}]", index - 1),
                    };
                    let message = format!(
                        "`{claim}` is already a name of Route {}, which is older or first by name",
                        taken.get()
                    );
                    report.add(
                        Kind::Route,
                        &name,
                        Diagnostic::not_accepted(Reason::Conflicted, field, message),
                    );
                }
            }
        }
        if route.names.is_empty() {
            entries.remove(&name);
        }
    }
    entries
}

/// Leaves each client key to the senior one of the Secrets that hold it.
pub(super) fn keys<'a>(
    mut entries: BTreeMap<ObjectName, KeyEntry>,
    created: impl Fn(&ObjectName) -> Option<&'a Time>,
    report: &mut Report,
) -> BTreeMap<ObjectName, KeyEntry> {
    let mut holders: BTreeMap<String, ObjectName> = BTreeMap::new();
    for name in by_seniority(&entries, created) {
        let Some(key) = entries.get(&name) else { continue };
        match holders.entry(key.sha256.clone()) {
            Entry::Vacant(free) => {
                free.insert(name);
            }
            Entry::Occupied(taken) => {
                let message = format!(
                    "Secret {} holds the same key, and is older or first by name",
                    taken.get()
                );
                report.add(
                    Kind::Secret,
                    &name,
                    Diagnostic::not_accepted(Reason::Conflicted, "", message),
                );
                entries.remove(&name);
            }
        }
    }
    entries
}
