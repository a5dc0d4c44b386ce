//! What a pod serves of a Snapshot. Pure.
//!
//! An object that this pod cannot serve as it is there is refused, with words for its status. In its place what was served before goes
//! on, marked stale, as far as what it needs is still there: what was withdrawn is gone at once. What never was good is left out. An
//! object of which nothing is wrong never suffers for another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    object::{Kind, ObjectId, ObjectName},
    reference::{both_allow, is_allowed},
    snapshot::{
        CredentialEntry, PromptEntry, PromptReference, ProviderEntry, RevisionEntry, RouteEntry, Snapshot, TargetEntry,
    },
};

#[cfg(test)]
mod tests;

/// Longest words of a refusal, in characters; a status holds no more.
const MAX_WORDS: usize = 512;

/// Objects that are not served as they are in the Snapshot, each with why.
pub type Refused = BTreeMap<ObjectId, String>;
/// What became of opening the credentials of each Provider.
pub type Opened = BTreeMap<ObjectName, Result<Vec<CredentialEntry>, Unopened>>;

/// Credentials of a Provider that do not open.
#[derive(Clone, Debug)]
pub struct Unopened {
    /// Of all that the Provider has now.
    pub names: Vec<String>,
    pub words: String,
}

/// What was served before.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub snapshot: &'a Snapshot,
    /// See [`Composed::partial`].
    pub partial: &'a BTreeSet<ObjectName>,
}

/// What came of a Snapshot.
pub struct Composed {
    /// Served from now on; its revision is that of the Snapshot.
    pub snapshot: Snapshot,
    pub refused: Refused,
    /// The entries of `snapshot` that stand there for refused ones.
    pub kept: Snapshot,
    /// Routes that are refused and never were good: what they serve with some of their targets is no last good entry.
    pub partial: BTreeSet<ObjectName>,
}

/// Composes what is served of `desired`. `judge` says what is wrong with a revision of a prompt.
pub fn compose(
    desired: Snapshot,
    opened: Opened,
    before: Before<'_>,
    judge: impl Fn(&ObjectName, &RevisionEntry) -> Result<(), String>,
) -> Composed {
    let Snapshot {
        version,
        revision,
        providers,
        routes,
        prompts,
        revisions,
        keys,
    } = desired;
    let mut composing = Composing {
        good: before.snapshot,
        were_partial: before.partial,
        snapshot: Snapshot {
            version,
            revision,
            keys,
            ..Snapshot::default()
        },
        refused: Refused::new(),
        kept: Snapshot::default(),
        partial: BTreeSet::new(),
    };
    composing.providers(providers, opened);
    composing.revisions(revisions, judge);
    composing.prompts(prompts);
    composing.routes(routes);
    let Composing {
        snapshot,
        refused,
        kept,
        partial,
        ..
    } = composing;
    Composed {
        snapshot,
        refused,
        kept,
        partial,
    }
}

/// A composition under way; it goes from what is needed to what needs it.
struct Composing<'a> {
    good: &'a Snapshot,
    were_partial: &'a BTreeSet<ObjectName>,
    snapshot: Snapshot,
    refused: Refused,
    kept: Snapshot,
    partial: BTreeSet<ObjectName>,
}

impl Composing<'_> {
    fn refuse(&mut self, kind: Kind, name: &ObjectName, words: &str) {
        let id = ObjectId {
            kind,
            name: name.clone(),
        };
        self.refused.insert(id, words.chars().take(MAX_WORDS).collect());
    }

    fn why(&self, kind: Kind, name: &ObjectName) -> Option<&String> {
        let id = ObjectId {
            kind,
            name: name.clone(),
        };
        self.refused.get(&id)
    }

    /// A Provider whose credentials do not open keeps its last good entry, base URL and credentials together, without the credentials
    /// that it names no more.
    fn providers(&mut self, desired: BTreeMap<ObjectName, ProviderEntry>, mut opened: Opened) {
        for (name, mut entry) in desired {
            match opened.remove(&name).unwrap_or(Ok(Vec::new())) {
                Ok(credentials) => {
                    entry.credentials = credentials;
                    self.snapshot.providers.insert(name, entry);
                }
                Err(Unopened { names, words }) => {
                    self.refuse(Kind::Provider, &name, &words);
                    let Some(mut kept) = self.good.providers.get(&name).cloned() else {
                        continue;
                    };
                    kept.credentials.retain(|credential| names.contains(&credential.name));
                    if kept.credentials.is_empty() {
                        continue;
                    }
                    kept.stale = true;
                    kept.allowed_namespaces = both_allow(&kept.allowed_namespaces, &entry.allowed_namespaces);
                    self.kept.providers.insert(name.clone(), kept.clone());
                    self.snapshot.providers.insert(name, kept);
                }
            }
        }
    }

    fn revisions(
        &mut self,
        desired: BTreeMap<ObjectName, RevisionEntry>,
        judge: impl Fn(&ObjectName, &RevisionEntry) -> Result<(), String>,
    ) {
        for (name, entry) in desired {
            match judge(&name, &entry) {
                Ok(()) => drop(self.snapshot.revisions.insert(name, entry)),
                Err(words) => self.refuse(Kind::PromptRevision, &name, &words),
            }
        }
    }

    /// A prompt whose active revision is refused goes on with the one before.
    fn prompts(&mut self, desired: BTreeMap<ObjectName, PromptEntry>) {
        for (name, entry) in desired {
            let active = ObjectName::new(&*name.namespace, &*entry.active_revision);
            let Some(words) = self.why(Kind::PromptRevision, &active) else {
                self.snapshot.prompts.insert(name, entry);
                continue;
            };
            let words = format!("its active PromptRevision {active}: {words}");
            self.refuse(Kind::PromptTemplate, &name, &words);
            let Some(mut kept) = self.good.prompts.get(&name).cloned() else {
                continue;
            };
            let before = ObjectName::new(&*name.namespace, &*kept.active_revision);
            if !self.snapshot.revisions.contains_key(&before) {
                let Some(revision) = self.good.revisions.get(&before) else {
                    continue;
                };
                self.kept.revisions.insert(before.clone(), revision.clone());
                self.snapshot.revisions.insert(before, revision.clone());
            }
            kept.stale = true;
            kept.allowed_namespaces = both_allow(&kept.allowed_namespaces, &entry.allowed_namespaces);
            self.kept.prompts.insert(name.clone(), kept.clone());
            self.snapshot.prompts.insert(name, kept);
        }
    }

    /// A Route that needs something refused keeps its last good entry; one that has none serves with those of its targets that are
    /// there.
    fn routes(&mut self, desired: BTreeMap<ObjectName, RouteEntry>) {
        let mut refused = Vec::new();
        for (name, entry) in desired {
            match self.trouble(&entry) {
                None => drop(self.snapshot.routes.insert(name, entry)),
                Some(words) => refused.push((name, entry, words)),
            }
        }
        let mut claimed: BTreeSet<(Arc<str>, String)> = BTreeSet::new();
        for (name, entry) in &self.snapshot.routes {
            claimed.extend(
                entry
                    .names
                    .iter()
                    .map(|claim| (Arc::clone(&name.namespace), claim.clone())),
            );
        }
        for (name, entry, words) in refused {
            self.refuse(Kind::Route, &name, &words);
            let known = self.good.routes.get(&name);
            let known = known.filter(|_| !self.were_partial.contains(&name));
            let mut route = known.cloned().unwrap_or_else(|| entry.clone());
            if known.is_some() {
                route.stale = true;
                let allowed = both_allow(&route.allowed_namespaces, &entry.allowed_namespaces);
                Arc::make_mut(&mut route.terms).allowed_namespaces = allowed;
            }
            route
                .names
                .retain(|claim| claimed.insert((Arc::clone(&name.namespace), claim.clone())));
            self.settle(&name.namespace, &mut route);
            if known.is_some() {
                self.kept.routes.insert(name.clone(), route.clone());
            } else {
                self.partial.insert(name.clone());
            }
            self.snapshot.routes.insert(name, route);
        }
    }

    /// The first thing that a Route needs and that is refused.
    fn trouble(&self, route: &RouteEntry) -> Option<String> {
        route
            .targets
            .iter()
            .filter(|target| target.resolved)
            .find_map(|target| {
                let provider = self.why(Kind::Provider, &target.provider);
                if let Some(words) = provider {
                    return Some(format!("target {}: {words}", target.name));
                }
                let revision = target.prompt.as_ref()?.revision.as_ref()?;
                let words = self.why(Kind::PromptRevision, revision)?;
                Some(format!("target {}: PromptRevision {revision}: {words}", target.name))
            })
    }

    /// Looks up afresh what the targets of a Route need. A target that could not be used before, cannot now.
    fn settle(&self, namespace: &str, route: &mut RouteEntry) {
        for target in &mut Arc::make_mut(&mut route.terms).targets {
            target.resolved = target.resolved && self.settles(namespace, target);
        }
    }

    fn settles(&self, namespace: &str, target: &mut TargetEntry) -> bool {
        let provider = self.snapshot.providers.get(&target.provider);
        let may_use =
            |entry: &ProviderEntry| is_allowed(&target.provider.namespace, &entry.allowed_namespaces, namespace);
        if !provider.is_some_and(may_use) {
            return false;
        }
        let Some(used) = &mut target.prompt else { return true };
        let (template, revision) = match &used.reference {
            PromptReference::Follow(template) => {
                let active = self.snapshot.prompts.get(template);
                let active = active.map(|entry| ObjectName::new(&*template.namespace, &*entry.active_revision));
                (template.clone(), active)
            }
            PromptReference::Pin(revision) => {
                let Some(entry) = self.snapshot.revisions.get(revision) else {
                    return false;
                };
                let template = ObjectName::new(&*revision.namespace, &*entry.template);
                (template, Some(revision.clone()))
            }
        };
        let allowed = self.snapshot.prompts.get(&template);
        let allowed = allowed.map_or(&[][..], |entry| &entry.allowed_namespaces);
        used.revision = revision.filter(|revision| self.snapshot.revisions.contains_key(revision));
        used.revision.is_some() && is_allowed(&template.namespace, allowed, namespace)
    }
}
