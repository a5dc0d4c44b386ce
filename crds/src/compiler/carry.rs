//! Fresh entries, and last good ones for objects that became bad.

use std::{collections::BTreeMap, sync::Arc};

use serde::de::DeserializeOwned;

use super::{Diagnostic, Submitted, diagnostic::Report};
use crate::{
    object::{Kind, ObjectName},
    reference,
    snapshot::{PromptEntry, ProviderEntry, RevisionEntry, RouteEntry},
};

/// What acceptance says of one object.
pub(super) enum Outcome<E> {
    Accepted(E),
    /// The last good entry stays, without the namespaces that are no longer in `allowed_namespaces`.
    Refused {
        diagnostics: Vec<Diagnostic>,
        allowed_namespaces: Option<Vec<String>>,
    },
    /// What the object needs was taken away: nothing stays.
    Withdrawn(Vec<Diagnostic>),
}

impl<E> Outcome<E> {
    pub(super) fn from(result: Result<E, Vec<Diagnostic>>, allowed_namespaces: Option<&[String]>) -> Self {
        match result {
            Ok(entry) => Outcome::Accepted(entry),
            Err(diagnostics) => Outcome::Refused {
                diagnostics,
                allowed_namespaces: allowed_namespaces.map(<[String]>::to_vec),
            },
        }
    }
}

/// An entry that can outlive the text it came from.
pub(super) trait LastGood: Clone {
    fn mark_stale(&mut self);
    /// The namespaces that may use the object, if its kind has them.
    fn allowed_namespaces(&mut self) -> Option<&mut Vec<String>>;

    /// This entry as it goes on when its object is bad and what can be read of it allows only `allowed`.
    fn kept(&self, allowed: Option<&[String]>) -> Self {
        let mut entry = self.clone();
        entry.mark_stale();
        if let (Some(before), Some(now)) = (entry.allowed_namespaces(), allowed) {
            *before = reference::both_allow(before, now);
        }
        entry
    }
}

impl LastGood for ProviderEntry {
    fn mark_stale(&mut self) {
        self.stale = true;
    }

    fn allowed_namespaces(&mut self) -> Option<&mut Vec<String>> {
        Some(&mut self.allowed_namespaces)
    }
}

impl LastGood for RouteEntry {
    fn mark_stale(&mut self) {
        self.stale = true;
    }

    fn allowed_namespaces(&mut self) -> Option<&mut Vec<String>> {
        Some(&mut Arc::make_mut(&mut self.terms).allowed_namespaces)
    }
}

impl LastGood for PromptEntry {
    fn mark_stale(&mut self) {
        self.stale = true;
    }

    fn allowed_namespaces(&mut self) -> Option<&mut Vec<String>> {
        Some(&mut self.allowed_namespaces)
    }
}

impl LastGood for RevisionEntry {
    fn mark_stale(&mut self) {
        self.stale = true;
    }

    fn allowed_namespaces(&mut self) -> Option<&mut Vec<String>> {
        None
    }
}

/// The entry of each object: fresh where `accept` takes it, else the last good one.
pub(super) fn entries<K: DeserializeOwned, E: LastGood>(
    kind: Kind,
    submitted: &BTreeMap<ObjectName, Submitted<K>>,
    previous: &BTreeMap<ObjectName, E>,
    report: &mut Report,
    accept: impl Fn(&ObjectName, &K) -> Outcome<E>,
) -> BTreeMap<ObjectName, E> {
    let mut entries = BTreeMap::new();
    for (name, object) in submitted {
        let outcome = match object {
            Submitted::WellFormed(object) => accept(name, object),
            Submitted::Written(text) => accept(name, &text.read(name)),
            Submitted::Malformed(faults) => Outcome::Refused {
                diagnostics: faults.iter().map(Diagnostic::malformed).collect(),
                allowed_namespaces: None,
            },
            Submitted::PartlyReadable {
                faults,
                allowed_namespaces,
            } => Outcome::Refused {
                diagnostics: faults.iter().map(Diagnostic::malformed).collect(),
                allowed_namespaces: Some(allowed_namespaces.clone()),
            },
        };
        match outcome {
            Outcome::Accepted(entry) => {
                entries.insert(name.clone(), entry);
            }
            Outcome::Refused {
                diagnostics,
                allowed_namespaces,
            } => {
                report.refuse(kind, name, diagnostics);
                if let Some(last_good) = previous.get(name) {
                    entries.insert(name.clone(), last_good.kept(allowed_namespaces.as_deref()));
                }
            }
            Outcome::Withdrawn(diagnostics) => report.add_all(kind, name, diagnostics),
        }
    }
    // Built anew from what is in order, its nodes are full; what grew in order is half empty.
    entries.into_iter().collect()
}
