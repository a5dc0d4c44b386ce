//! The Snapshot with everything looked up: what one request runs on, from its start to its end. Immutable.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crds::{
    object::{DEFAULT_NAMESPACE, ObjectName},
    reference::is_allowed,
    snapshot::{KeyEntry, KeyRoutes, Role, RouteEntry, Snapshot, TargetEntry},
};
use http::HeaderValue;

use crate::{
    capture::policy::{Limits, LimitsByRoute},
    prompts::library::Library,
    routing::account::Account,
    telemetry::metrics::ModelMetrics,
};

mod account;
mod commons;
mod route;
mod target;
#[cfg(test)]
mod tests;
mod words;

pub use route::Route;
pub use target::Target;

use commons::Commons;
use target::Destination;

/// One configuration.
pub struct Config {
    pub snapshot: Snapshot,
    pub revision: Arc<str>,
    pub revision_header: HeaderValue,
    pub library: Library,
    keys: HashMap<[u8; 32], Arc<ClientKey>>,
    accounts: Accounts,
    /// By namespace, then by the name that clients send.
    routes: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Route>>>,
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
    previous: Option<&'a Config>,
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

impl Config {
    /// Looks everything up. What was counted and learnt of Routes, targets and Providers goes on from `previous`, and what is as it was
    /// there is taken over as it is, so that a change of one object among thousands costs little.
    pub fn resolve(snapshot: Snapshot, previous: Option<&Self>) -> Self {
        let library = Library::of(&snapshot, previous.map(|config| &config.library));
        let before: HashMap<&str, &Arc<Route>> = previous
            .iter()
            .flat_map(|config| config.routes.values().flat_map(HashMap::values))
            .map(|route| (&*route.name, route))
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
            previous,
        };
        let mut commons = Commons::default();
        let mut routes: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Route>>> = HashMap::new();
        for (object, entry) in &snapshot.routes {
            let before = before.get(&*object.to_string()).copied();
            let is_same = |config: &Self| config.has_route((object, entry), &accounts, &library);
            let route = if let Some(same) = before.filter(|_| previous.is_some_and(is_same)) {
                commons.go_on_counting(same);
                Arc::clone(same)
            } else {
                let before = before.map(AsRef::as_ref);
                Arc::new(Route::resolve((object, entry), &surroundings, &mut commons, before))
            };
            let names = routes.entry(Arc::clone(&object.namespace)).or_default();
            names.extend(entry.names.iter().map(|name| {
                let is_first = **name == *route.model;
                let name = if is_first {
                    Arc::clone(&route.model)
                } else {
                    name.as_str().into()
                };
                (name, Arc::clone(&route))
            }));
        }
        routes.values_mut().for_each(HashMap::shrink_to_fit);
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
            models: commons.models,
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
                let is_own = **namespace == *caller.namespace();
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

    /// How much is kept of the requests of each Route that does not have the usual limits.
    pub fn capture_limits(&self) -> LimitsByRoute {
        let routes = self.all_routes().into_iter();
        let special = routes.filter(|route| route.capture.limits != Limits::default());
        special
            .map(|route| (Arc::clone(&route.name), route.capture.limits))
            .collect()
    }

    /// All Routes, once each.
    pub fn all_routes(&self) -> Vec<&Arc<Route>> {
        let mut found: Vec<&Arc<Route>> = self.routes.values().flat_map(HashMap::values).collect();
        found.sort_by(|one, other| one.parts().cmp(&other.parts()));
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
        let own = route.namespace();
        let is_own = *own == *key.namespace;
        is_allowed(own, &route.settings.allowed_namespaces, &key.namespace)
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
                KeyRoutes::Listed(listed) => listed.iter().any(|object| route.is(object)),
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
            namespace: (*object.namespace).into(),
            role: entry.role,
            routes: entry.routes.clone(),
        };
        Some((sha256, Arc::new(key)))
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
