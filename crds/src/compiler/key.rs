//! Client keys among the Secrets.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Secret;

use super::{Diagnostic, Reason, diagnostic::Report, resolve::is_labelled};
use crate::{
    api_key::{self, Refused},
    object::{Kind, ObjectName},
    snapshot::KeyEntry,
};

/// The entry of each Secret that is labelled as a client key. A malformed one keeps its last good entry, but never a key that
/// the Secret no longer holds.
pub(super) fn entries(
    secrets: &BTreeMap<ObjectName, Arc<Secret>>,
    previous: &BTreeMap<ObjectName, KeyEntry>,
    report: &mut Report,
) -> BTreeMap<ObjectName, KeyEntry> {
    let mut entries = BTreeMap::new();
    for (name, secret) in secrets.iter().filter(|(_, secret)| is_labelled(secret, api_key::LABEL)) {
        match api_key::read(name, secret) {
            Ok(entry) => {
                entries.insert(name.clone(), entry);
            }
            Err(Refused { problems, holds }) => {
                let told =
                    |api_key::Problem { field, message }| Diagnostic::not_accepted(Reason::InvalidKey, field, message);
                report.refuse(Kind::Secret, name, problems.into_iter().map(told).collect());
                if let Some(last_good) = previous.get(name).filter(|last_good| holds.may_hold(&last_good.sha256)) {
                    entries.insert(
                        name.clone(),
                        KeyEntry {
                            stale: true,
                            ..last_good.clone()
                        },
                    );
                }
            }
        }
    }
    entries
}
