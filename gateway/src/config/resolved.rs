//! The Snapshot with everything looked up: what one request runs on, from its start to its end. Immutable.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use crds::{
    object::{DEFAULT_NAMESPACE, ObjectName},
    provider::Dialect,
    reference::is_allowed,
    route::SessionAffinity,
    snapshot::{KeyEntry, KeyRoutes, RetryEntry, Role, RouteEntry, Snapshot, TargetEntry},
};
use http::{HeaderMap, HeaderValue, Uri};

use crate::{
    capture::policy::{LimitsByRoute, Policy},
    prompts::{library::Library, parameters::Defaults, prompt::Prompt},
    providers::price::Price,
    routing::{
        account::Account,
        breaker::Rules,
        choice::{Candidate, Sequence},
        health::Health,
    },
    telemetry::metrics::{ModelMetrics, RouteMetrics, TargetMetrics},
};

mod account;
mod target;
#[cfg(test)]
mod tests;
mod words;

use words::Words;

/// One configuration.
pub struct Config {
    pub snapshot: Snapshot,
    pub revision: Arc<str>,
    pub revision_header: HeaderValue,
    pub library: Library,
    keys: HashMap<[u8; 32], Arc<ClientKey>>,
    accounts: Accounts,
    /// By namespace, then by the name that clients send.
    routes: HashMap<String, HashMap<Box<str>, Arc<Route>>>,
    models: Models,
    /// Callers on this machine need no key: so under `--manifests`, and never in a fleet.
    pub trusts_this_machine: bool,
}

/// By Provider and model.
type Models = BTreeMap<(Arc<str>, Arc<str>), ModelMetrics>;
/// By Provider.
type Accounts = BTreeMap<ObjectName, Arc<Account>>;

/// What the targets of Routes refer to.
struct Surroundings<'a> {
    snapshot: &'a Snapshot,
    accounts: &'a Accounts,
    /// By Provider.
    destinations: BTreeMap<&'a ObjectName, Arc<Destination>>,
    library: &'a Library,
    words: Words,
}

/// A client key.
#[derive(Debug)]
pub struct ClientKey {
    pub sha256: [u8; 32],
    /// `namespace/name` of its Secret.
    pub name: Arc<str>,
    pub namespace: Box<str>,
    pub role: Role,
    routes: KeyRoutes,
}

/// Who asks, as far as Routes are concerned.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Without a key, from this machine: Admin of everything; names without a namespace are those of `default`.
    Local,
    Key(Arc<ClientKey>),
}

/// A Route.
pub struct Route {
    /// `namespace/name`.
    pub name: Arc<str>,
    pub object: ObjectName,
    /// The name that clients send.
    pub model: Box<str>,
    pub header: HeaderValue,
    allowed_namespaces: Vec<String>,
    /// Those that resolved.
    pub targets: Vec<Target>,
    pub sequence: Sequence,
    pub retry: RetryEntry,
    pub breaker: Rules,
    pub affinity: SessionAffinity,
    pub commit_after: Duration,
    pub capture: Policy,
    pub metrics: RouteMetrics,
    /// Tokens of the models behind it, the smallest of each: what a client may count on.
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
}

/// A target, with its provider's data at hand.
#[derive(Debug)]
pub struct Target {
    pub name: Arc<str>,
    pub header: HeaderValue,
    /// The name as a JSON string.
    pub name_json: Bytes,
    /// `namespace/name` of the Provider.
    pub provider: Arc<str>,
    /// The Provider's name as a JSON string.
    pub provider_json: Bytes,
    pub model: Arc<str>,
    /// The model as a JSON string.
    pub model_json: Bytes,
    pub dialect: Dialect,
    pub destination: Arc<Destination>,
    /// The Provider's keys and places.
    pub account: Arc<Account>,
    pub health: Arc<Health>,
    pub timeouts: Timeouts,
    pub price: Option<Price>,
    /// What is put in front of the messages of each request, unless it wants another prompt.
    pub prompt: Option<Arc<Prompt>>,
    /// Parameters where the request says nothing; they come before those of the prompt.
    pub defaults: Defaults,
    /// The longest answer of the model, in tokens, if it is known.
    pub max_output_tokens: Option<u64>,
    /// What the vendor calls the limit of an answer in `OpenAI`'s dialect.
    pub output_limit_field: &'static str,
    pub metrics: TargetMetrics,
}

/// Where requests to a Provider go. All its targets share one: thousands of Routes have the same few Providers.
#[derive(Debug)]
pub struct Destination {
    pub uri: Uri,
    /// All headers of a request but its length and the credential: host, content type, those of the Provider.
    pub headers: HeaderMap,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_token: Duration,
    pub idle: Duration,
    pub total: Duration,
}

impl Config {
    /// Looks everything up. What was counted and learnt of Routes, targets and Providers goes on from `previous`, and what is as it was
    /// there is taken over as it is, so that a change of one object among thousands costs little.
    pub fn resolve(snapshot: Snapshot, previous: Option<&Self>) -> Self {
        let library = Library::of(&snapshot, previous.map(|config| &config.library));
        let mut routes: HashMap<String, HashMap<Box<str>, Arc<Route>>> = HashMap::new();
        let mut models = BTreeMap::new();
        let before: HashMap<&ObjectName, &Arc<Route>> = previous
            .iter()
            .flat_map(|config| config.routes.values().flat_map(HashMap::values))
            .map(|route| (&route.object, route))
            .collect();
        let accounts: Accounts = snapshot
            .providers
            .iter()
            .map(|(object, entry)| {
                let before = previous.and_then(|config| config.accounts.get(object));
                let known = previous.and_then(|config| config.snapshot.providers.get(object));
                let account = match before.filter(|_| known == Some(entry)) {
                    Some(same) => Arc::clone(same),
                    None => Arc::new(account::resolve(entry, before.map(AsRef::as_ref))),
                };
                (object.clone(), account)
            })
            .collect();
        let destinations = snapshot.providers.iter();
        let surroundings = Surroundings {
            snapshot: &snapshot,
            accounts: &accounts,
            destinations: destinations
                .filter_map(|(object, entry)| Some((object, Arc::new(Destination::of(entry)?))))
                .collect(),
            library: &library,
            words: Words::default(),
        };
        for (object, entry) in &snapshot.routes {
            let before = before.get(object).copied();
            let is_same = |config: &Self| config.has_route((object, entry), &accounts, &library);
            let route = if let Some(same) = before.filter(|_| previous.is_some_and(is_same)) {
                same.go_on_counting(&mut models);
                Arc::clone(same)
            } else {
                let before = before.map(AsRef::as_ref);
                let mut route = Route::resolve(object, entry, &surroundings, before);
                route.keep_counting(before, previous, &mut models);
                Arc::new(route)
            };
            let names = routes.entry(object.namespace.clone()).or_default();
            names.extend(
                entry
                    .names
                    .iter()
                    .map(|name| (name.as_str().into(), Arc::clone(&route))),
            );
        }
        let keys = snapshot
            .keys
            .iter()
            .filter_map(|(object, entry)| ClientKey::resolve(object, entry))
            .collect();
        let revision: Arc<str> = snapshot.revision.as_str().into();
        Self {
            revision_header: header_value(&revision),
            revision,
            library,
            keys,
            accounts,
            routes,
            models,
            trusts_this_machine: true,
            snapshot,
        }
    }

    /// Whether a Route is the same here, with all that its targets need.
    fn has_route(&self, (object, entry): (&ObjectName, &RouteEntry), accounts: &Accounts, library: &Library) -> bool {
        let is_same = |target: &TargetEntry| {
            let account = (accounts.get(&target.provider), self.accounts.get(&target.provider));
            let revision = target.prompt.as_ref().and_then(|used| used.revision.as_ref());
            let prompt = revision.map(|revision| (library.revision(revision), self.library.revision(revision)));
            are_one(account) && prompt.is_none_or(are_one)
        };
        self.snapshot.routes.get(object) == Some(entry) && entry.targets.iter().all(is_same)
    }

    /// What is counted for each model of a Provider that a Route uses.
    pub fn models(&self) -> impl Iterator<Item = &ModelMetrics> {
        self.models.values()
    }

    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key with this SHA-256.
    pub fn key(&self, sha256: &[u8; 32]) -> Option<&Arc<ClientKey>> {
        self.keys.get(sha256)
    }

    /// The Route that `model` names for this caller: of its own namespace by name, of another one as `namespace/name`.
    pub fn route(&self, caller: &Caller, model: &str) -> Option<&Arc<Route>> {
        let own = self.routes.get(caller.namespace()).and_then(|names| names.get(model));
        own.filter(|route| caller.may_use_own(route)).or_else(|| {
            let (namespace, name) = model.split_once('/')?;
            self.routes
                .get(namespace)?
                .get(name)
                .filter(|route| caller.may_use(route))
        })
    }

    /// The Routes that a caller may use, each with the name by which it would.
    pub fn routes_of(&self, caller: &Caller) -> Vec<(String, &Arc<Route>)> {
        let mut found: Vec<(String, &Arc<Route>)> = Vec::new();
        for (namespace, names) in &self.routes {
            for (name, route) in names.iter().filter(|(_, route)| caller.may_use(route)) {
                let is_own = namespace == caller.namespace();
                found.push((
                    if is_own {
                        name.to_string()
                    } else {
                        format!("{namespace}/{name}")
                    },
                    route,
                ));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }

    /// The Routes that a caller may use, once for each of their names.
    pub fn usable_routes<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a Arc<Route>> {
        let routes = self.routes.values().flat_map(HashMap::values);
        routes.filter(|route| caller.may_use(route))
    }

    /// The accounts of all Providers.
    pub fn accounts(&self) -> impl Iterator<Item = (&ObjectName, &Account)> {
        self.accounts.iter().map(|(provider, account)| (provider, &**account))
    }

    /// How much of each Route's requests is kept.
    pub fn capture_limits(&self) -> LimitsByRoute {
        let routes = self.all_routes().into_iter();
        routes
            .map(|route| (Arc::clone(&route.name), route.capture.limits))
            .collect()
    }

    /// All Routes, once each.
    pub fn all_routes(&self) -> Vec<&Arc<Route>> {
        let mut found: Vec<&Arc<Route>> = self.routes.values().flat_map(HashMap::values).collect();
        found.sort_by(|one, other| one.object.cmp(&other.object));
        found.dedup_by(|one, other| Arc::ptr_eq(one, other));
        found
    }
}

impl Caller {
    pub fn role(&self) -> Role {
        match self {
            Self::Local => Role::Admin,
            Self::Key(key) => key.role,
        }
    }

    pub fn key_name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Local => None,
            Self::Key(key) => Some(&key.name),
        }
    }

    /// The hash of the key.
    pub fn key_sha256(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Local => None,
            Self::Key(key) => Some(&key.sha256),
        }
    }

    /// The namespace to which the caller is confined.
    pub fn confined_to(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Key(key) => Some(&key.namespace),
        }
    }

    /// The namespace of names that say none.
    pub fn namespace(&self) -> &str {
        self.confined_to().unwrap_or(DEFAULT_NAMESPACE)
    }

    fn may_use(&self, route: &Route) -> bool {
        let Self::Key(key) = self else { return true };
        let own = &route.object.namespace;
        let is_own = **own == *key.namespace;
        is_allowed(own, &route.allowed_namespaces, &key.namespace)
            && (is_own || !matches!(key.routes, KeyRoutes::OwnNamespace))
            && self.is_listed(route)
    }

    /// As [`Self::may_use`], for a Route of the caller's own namespace.
    fn may_use_own(&self, route: &Route) -> bool {
        self.is_listed(route)
    }

    /// Whether the key, if it lists Routes, lists this one.
    fn is_listed(&self, route: &Route) -> bool {
        match self {
            Self::Key(key) => match &key.routes {
                KeyRoutes::Listed(listed) => listed.contains(&route.object),
                KeyRoutes::OwnNamespace | KeyRoutes::All => true,
            },
            Self::Local => true,
        }
    }
}

impl ClientKey {
    fn resolve(object: &ObjectName, entry: &KeyEntry) -> Option<([u8; 32], Arc<Self>)> {
        let mut sha256 = [0; 32];
        for (index, byte) in sha256.iter_mut().enumerate() {
            *byte = u8::from_str_radix(entry.sha256.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        let key = Self {
            sha256,
            name: object.to_string().into(),
            namespace: object.namespace.as_str().into(),
            role: entry.role,
            routes: entry.routes.clone(),
        };
        Some((sha256, Arc::new(key)))
    }
}

impl Route {
    fn resolve(
        object: &ObjectName,
        entry: &RouteEntry,
        surroundings: &Surroundings<'_>,
        before: Option<&Self>,
    ) -> Self {
        let name: Arc<str> = object.to_string().into();
        let mut targets = Vec::with_capacity(entry.targets.len());
        let mut candidates = Vec::with_capacity(entry.targets.len());
        let mut models = Vec::with_capacity(entry.targets.len());
        for target in entry.targets.iter().filter(|target| target.resolved) {
            let Some(provider) = surroundings.snapshot.providers.get(&target.provider) else {
                continue;
            };
            let known = before.and_then(|route| route.targets.iter().find(|known| *known.name == *target.name));
            if let Some(resolved) = Target::resolve(target, surroundings, known, entry) {
                models.push(provider.models.get(&target.model));
                targets.push(resolved);
                candidates.push(Candidate {
                    name: &target.name,
                    weight: target.weight,
                    priority: target.priority,
                });
            }
        }
        let smallest = |tokens: fn(&crds::snapshot::ModelEntry) -> Option<u64>| {
            models
                .iter()
                .map(|model| model.and_then(tokens))
                .collect::<Option<Vec<u64>>>()?
                .into_iter()
                .min()
        };
        Self {
            header: header_value(&name),
            metrics: before.map_or_else(RouteMetrics::default, |route| route.metrics.clone()),
            sequence: Sequence::new(entry.strategy, &candidates, before.map(|route| &route.sequence)),
            context_tokens: smallest(|model| model.context_tokens),
            max_output_tokens: smallest(|model| model.max_output_tokens),
            model: entry
                .names
                .first()
                .map_or_else(Box::default, |name| name.as_str().into()),
            allowed_namespaces: entry.allowed_namespaces.clone(),
            retry: entry.retry.clone(),
            breaker: entry.breaker,
            affinity: entry.affinity,
            commit_after: entry.timeouts.commit_after,
            capture: Policy::of(&entry.capture, before.map(|route| &route.capture)),
            object: object.clone(),
            targets,
            name,
        }
    }

    /// Lets the models of a Route that stays as it is count on.
    fn go_on_counting(&self, models: &mut Models) {
        for target in &self.targets {
            let model = target.metrics.model();
            let labels = model.labels();
            let key = (Arc::clone(&labels.provider), Arc::clone(&labels.model));
            models.entry(key).or_insert_with(|| model.clone());
        }
    }

    /// Lets targets and models count on from where they were.
    fn keep_counting(&mut self, before: Option<&Self>, previous: Option<&Config>, models: &mut Models) {
        for target in &mut self.targets {
            let labels = target.metrics.model().labels();
            let key = (Arc::clone(&labels.provider), Arc::clone(&labels.model));
            let known = previous.and_then(|config| config.models.get(&key));
            let known = known.filter(|model| model.labels() == labels);
            let model = models
                .entry(key)
                .or_insert_with(|| known.unwrap_or(target.metrics.model()).clone());
            let same = before.and_then(|route| route.targets.iter().find(|other| other.name == target.name));
            let same = same.filter(|other| other.metrics.model().labels() == model.labels());
            target.metrics = same.map_or_else(|| TargetMetrics::new(model.clone()), |other| other.metrics.clone());
        }
    }
}

/// Names of objects and revisions are visible ASCII.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Whether both are the same object, or there is neither.
fn are_one<T>((one, other): (Option<&Arc<T>>, Option<&Arc<T>>)) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
