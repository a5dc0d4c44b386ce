//! Secrets that Providers name and that are not among those that are watched: is there none, or one without the label? Their metadata is
//! asked for, one by one and not too often; what is in them is never read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crds::{
    compiler::{CREDENTIAL_LABEL, Resources, Submitted},
    object::ObjectName,
};
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::ObjectMeta};
use tokio::time::timeout;

use crate::settings::Namespaces;

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(10);
/// How soon is asked again what was not answered.
const UNANSWERED: Duration = Duration::from_secs(2);
/// How long a compilation may be held up by questions.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many questions are asked at once.
const AT_ONCE: usize = 16;
/// So many names are asked about; the others count as not there.
const MOST: usize = 256;

/// What is known of them.
pub(super) struct References {
    client: Client,
    namespaces: Namespaces,
    known: Mutex<BTreeMap<ObjectName, Known>>,
}

#[derive(Clone)]
struct Known {
    /// Without the label, that is.
    found: Option<Arc<Secret>>,
    /// When it is asked for again.
    again: Instant,
}

impl References {
    pub(super) fn new(client: Client, namespaces: Namespaces) -> Self {
        Self {
            client,
            namespaces,
            known: Mutex::default(),
        }
    }

    /// Adds Secrets that are there without the label, and without what is in them.
    pub(super) async fn fill(&self, resources: &mut Resources) {
        let wanted = self.wanted(resources);
        let now = Instant::now();
        let questions: Vec<ObjectName> = {
            let mut known = self.lock();
            known.retain(|name, _| wanted.contains(name));
            let is_fresh = |name: &ObjectName| known.get(name).is_some_and(|known| now < known.again);
            let questions: Vec<ObjectName> = wanted.iter().filter(|&name| !is_fresh(name)).cloned().collect();
            for name in &questions {
                // What was known holds until there is an answer; one that does not come is asked for again.
                let found = known.get(name).and_then(|known| known.found.clone());
                let again = now + UNANSWERED;
                known.insert(name.clone(), Known { found, again });
            }
            questions
        };
        if !questions.is_empty() {
            let asked = stream::iter(questions)
                .map(|name| self.ask(name))
                .buffer_unordered(AT_ONCE);
            let answers = asked.for_each(|(name, found)| {
                let again = Instant::now() + FRESH;
                self.lock().insert(name, Known { found, again });
                std::future::ready(())
            });
            let _ = timeout(PATIENCE, answers).await;
        }
        for (name, known) in self.lock().iter() {
            if let Some(found) = &known.found {
                resources
                    .secrets
                    .entry(name.clone())
                    .or_insert_with(|| Arc::clone(found));
            }
        }
    }

    /// When the oldest answer is to be asked for again.
    pub(super) fn stale_at(&self) -> Option<Instant> {
        self.lock().values().map(|known| known.again).min()
    }

    fn wanted(&self, resources: &Resources) -> BTreeSet<ObjectName> {
        let mut wanted = BTreeSet::new();
        for (name, provider) in &resources.providers {
            let Submitted::WellFormed(provider) = provider else {
                continue;
            };
            let keys = provider.spec.auth.iter().flat_map(|auth| auth.keys.iter().flatten());
            for key in keys {
                let secret = ObjectName::new(&*name.namespace, &*key.secret_ref.name);
                if !resources.secrets.contains_key(&secret) && self.namespaces.contains(&secret.namespace) {
                    wanted.insert(secret);
                }
                if wanted.len() == MOST {
                    return wanted;
                }
            }
        }
        wanted
    }

    async fn ask(&self, name: ObjectName) -> (ObjectName, Option<Arc<Secret>>) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &name.namespace);
        let found = match api.get_metadata_opt(&name.name).await {
            Ok(found) => found,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(secret = %name, error, "failed to ask whether a Secret is there");
                None
            }
        };
        let labels = found.map(|found| found.metadata.labels.unwrap_or_default());
        let is_labelled =
            |labels: &BTreeMap<String, String>| labels.get(CREDENTIAL_LABEL).is_some_and(|value| value == "true");
        // One with the label is about to come by the watch.
        let unlabelled = labels.filter(|labels| !is_labelled(labels)).map(|labels| {
            Arc::new(Secret {
                metadata: ObjectMeta {
                    name: Some(name.name.to_string()),
                    namespace: Some(name.namespace.to_string()),
                    labels: Some(labels),
                    ..ObjectMeta::default()
                },
                ..Secret::default()
            })
        });
        (name, unlabelled)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Known>> {
        // Nobody panics while holding it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
