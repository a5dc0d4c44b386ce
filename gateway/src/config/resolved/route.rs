//! A Route, looked up. There are thousands, most of them made from one template: what they have in common lies apart, once.

use std::{sync::Arc, time::Duration};

use crds::{
    object::ObjectName,
    route::SessionAffinity,
    snapshot::{ModelEntry, RetryEntry, RouteEntry},
};
use http::HeaderValue;

use super::{Surroundings, commons::Commons, header_value, target::Target};
use crate::{
    capture::policy::Policy,
    routing::{
        breaker::Rules,
        choice::{Candidate, Sequence},
    },
    telemetry::metrics::RouteMetrics,
};

/// A Route.
pub struct Route {
    /// `namespace/name`.
    pub name: Arc<str>,
    /// The name that clients send.
    pub model: Arc<str>,
    /// Those that resolved.
    pub targets: Box<[Target]>,
    pub sequence: Sequence,
    pub settings: Arc<Settings>,
    pub capture: Policy,
    pub metrics: RouteMetrics,
}

/// What Routes that are made from one template have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    pub(super) allowed_namespaces: Vec<String>,
    pub retry: RetryEntry,
    pub breaker: Rules,
    pub affinity: SessionAffinity,
    pub commit_after: Duration,
    /// Tokens of the models behind it, the smallest of each: what a client may count on.
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
}

impl Route {
    /// Targets and models count on from where they were in `before`.
    pub(super) fn resolve(
        (object, entry): (&ObjectName, &RouteEntry),
        surroundings: &Surroundings<'_>,
        commons: &mut Commons,
        before: Option<&Self>,
    ) -> Self {
        let mut targets = Vec::with_capacity(entry.targets.len());
        let mut candidates = Vec::with_capacity(entry.targets.len());
        let mut models = Vec::with_capacity(entry.targets.len());
        for target in entry.targets.iter().filter(|target| target.resolved) {
            let Some(provider) = surroundings.snapshot.providers.get(&target.provider) else {
                continue;
            };
            let known = before.and_then(|route| route.targets.iter().find(|known| *known.name == *target.name));
            if let Some(resolved) = Target::resolve((target, &entry.timeouts), surroundings, commons, known) {
                models.push(provider.models.get(&target.model));
                targets.push(resolved);
                candidates.push(Candidate {
                    name: &target.name,
                    weight: target.weight,
                    priority: target.priority,
                });
            }
        }
        let smallest = |tokens: fn(&ModelEntry) -> Option<u64>| {
            models
                .iter()
                .map(|model| model.and_then(tokens))
                .collect::<Option<Vec<u64>>>()?
                .into_iter()
                .min()
        };
        let settings = Settings {
            context_tokens: smallest(|model| model.context_tokens),
            max_output_tokens: smallest(|model| model.max_output_tokens),
            allowed_namespaces: entry.allowed_namespaces.clone(),
            retry: entry.retry.clone(),
            breaker: entry.breaker,
            affinity: entry.affinity,
            commit_after: entry.timeouts.commit_after,
        };
        Self {
            name: object.to_string().into(),
            model: match entry.names.first() {
                // As most Routes have it.
                Some(same) if **same == *object.name => Arc::clone(&object.name),
                first => first.map_or("", String::as_str).into(),
            },
            targets: targets.into(),
            sequence: Sequence::new(entry.strategy, &candidates, before.map(|route| &route.sequence)),
            settings: commons.settings(settings),
            capture: Policy::of(&entry.capture, before.map(|route| &route.capture)),
            metrics: before.map_or_else(RouteMetrics::default, |route| route.metrics.clone()),
        }
    }

    /// Namespace and name.
    pub fn parts(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or_default()
    }

    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    pub fn object(&self) -> ObjectName {
        let (namespace, name) = self.parts();
        ObjectName::new(namespace, name)
    }

    /// Whether it is the Route called `object`.
    pub fn is(&self, object: &ObjectName) -> bool {
        self.parts() == (&*object.namespace, &*object.name)
    }

    /// Its name, for the head of an answer. Made anew, since the name is in the processor's cache then, and one more copy would not be.
    pub fn header(&self) -> HeaderValue {
        header_value(&self.name)
    }
}
