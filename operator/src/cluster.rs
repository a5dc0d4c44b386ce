//! What there is in the cluster: watches fill stores, and stores give [`Resources`].
//!
//! Each kind has one store a namespace: a store that two watches fed would keep what the last one listed. Stores hold what the compiler
//! takes, read once when it comes, so that a compilation copies names and no objects.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::{
    compiler::{CREDENTIAL_LABEL, Resources, Submitted},
    object::{ObjectId, ObjectName},
    prompt_revision::PromptRevision,
    prompt_template::PromptTemplate,
    provider::Provider,
    route::Route,
};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject},
    runtime::watcher,
};
use tokio::{sync::watch, time::timeout};

use crate::{admin::Readiness, metrics::Metrics, settings::Settings};
use changes::Changes;
use follow::{Follower, Listing};
pub use kinds::Unreadable;
use kinds::{Custom, Found};
use references::References;
use store::Store;

pub mod changes;
mod definitions;
mod follow;
mod inputs;
mod kinds;
mod references;
mod store;

/// The label of client keys.
const API_KEY_LABEL: &str = "routeswitch.io/api-key";
/// How long a fresh listing of everything may take.
const CONFIRM: Duration = Duration::from_secs(5);
/// A watch call lasts so long, so that a connection that died silently is noticed.
const WATCH_SECONDS: u32 = 60;

/// Everything that is watched.
pub struct Cluster {
    providers: Vec<Arc<Store<Found<Provider>>>>,
    routes: Vec<Arc<Store<Found<Route>>>>,
    prompt_templates: Vec<Arc<Store<Found<PromptTemplate>>>>,
    prompt_revisions: Vec<Arc<Store<Found<PromptRevision>>>>,
    secrets: Vec<Arc<Store<Arc<Secret>>>>,
    config_maps: Vec<Arc<Store<Arc<ConfigMap>>>>,
    references: References,
    changes: Arc<Changes>,
    synced: watch::Receiver<usize>,
    watches: usize,
    listings: Vec<Listing>,
}

/// All that there is at one time.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    pub resources: Resources,
    /// What could be read of the objects among them that could not be read.
    pub unreadable: BTreeMap<ObjectId, Unreadable>,
}

/// Watches to run, and what they share.
struct Watches {
    client: Client,
    resync: Duration,
    changes: Arc<Changes>,
    readiness: Readiness,
    metrics: Metrics,
    synced: watch::Sender<usize>,
    running: Vec<BoxFuture<'static, ()>>,
    listings: Vec<Listing>,
}

impl Cluster {
    /// Stores, empty yet, and the task that fills them, which never ends.
    pub fn watch(
        client: &Client,
        settings: &Settings,
        readiness: &Readiness,
        metrics: &Metrics,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (synced, is_synced) = watch::channel(0);
        let mut watches = Watches {
            client: client.clone(),
            resync: settings.resync,
            changes: Arc::default(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            synced,
            running: Vec::new(),
            listings: Vec::new(),
        };
        let scopes = settings.watched.scopes();
        let secret_scopes = settings.secrets.scopes();
        let mut secrets = Vec::new();
        for label in [CREDENTIAL_LABEL, API_KEY_LABEL] {
            let config = watcher::Config::default().labels(&format!("{label}=true"));
            let of = |scope: &Option<String>| {
                watches.core::<Secret, _>(&format!("Secrets labelled {label}"), scope.as_deref(), &config)
            };
            secrets.extend(secret_scopes.iter().map(of));
        }
        let config = watcher::Config::default();
        let config_maps = scopes
            .iter()
            .map(|scope| watches.core::<ConfigMap, _>("ConfigMaps", scope.as_deref(), &config));
        let config_maps = config_maps.collect();
        let mut cluster = Self {
            providers: scopes.iter().map(|scope| watches.custom(scope.as_deref())).collect(),
            routes: scopes.iter().map(|scope| watches.custom(scope.as_deref())).collect(),
            prompt_templates: scopes.iter().map(|scope| watches.custom(scope.as_deref())).collect(),
            prompt_revisions: scopes.iter().map(|scope| watches.custom(scope.as_deref())).collect(),
            secrets,
            config_maps,
            references: References::new(client.clone(), settings.secrets.clone()),
            changes: Arc::clone(&watches.changes),
            synced: is_synced,
            watches: watches.running.len(),
            listings: Vec::new(),
        };
        cluster.listings = std::mem::take(&mut watches.listings);
        (cluster, watches.run())
    }

    /// Waits until every store has been listed once.
    pub async fn synced(&self) {
        let mut synced = self.synced.clone();
        let all = self.watches;
        // The sender lives as long as the watches, which never end.
        let _ = synced.wait_for(|synced| *synced >= all).await;
    }

    /// What changed since it was last taken.
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// All that there is now, with what is known of Secrets that are named but not among those that are watched.
    pub async fn holdings(&self) -> Holdings {
        let mut unreadable = BTreeMap::new();
        let mut resources = Resources {
            providers: read(&self.providers, &mut unreadable),
            routes: read(&self.routes, &mut unreadable),
            prompt_templates: read(&self.prompt_templates, &mut unreadable),
            prompt_revisions: read(&self.prompt_revisions, &mut unreadable),
            secrets: gather(&self.secrets),
            config_maps: gather(&self.config_maps),
        };
        self.references.fill(&mut resources).await;
        Holdings { resources, unreadable }
    }

    /// When Secrets that are named and were not there should be looked for again; no sooner than there is such a name.
    pub fn look_again_at(&self) -> Option<Instant> {
        self.references.stale_at()
    }

    /// Lists everything anew and says whether the stores hold just that. A store that does not is filled anew.
    pub async fn confirm(&self) -> bool {
        let mut listed: FuturesUnordered<_> = self.listings.iter().map(Listing::confirm).collect();
        let all = async {
            let mut is_so = true;
            while let Some(confirmed) = listed.next().await {
                is_so &= confirmed;
            }
            is_so
        };
        timeout(CONFIRM, all).await.unwrap_or(false)
    }
}

impl Watches {
    fn custom<K: Custom>(&mut self, scope: Option<&str>) -> Arc<Store<Found<K>>> {
        let resource = ApiResource::erase::<K>(&());
        let api = match scope {
            Some(namespace) => Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        self.follow(&format!("{}s", K::KIND), scope, api, &watcher::Config::default())
    }

    fn core<K, S>(&mut self, subject: &str, scope: Option<&str>, config: &watcher::Config) -> Arc<Store<S>>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
        S: store::Kept<Wire = K>,
        K: kinds::Wire,
    {
        let api = match scope {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        self.follow(subject, scope, api, config)
    }

    fn follow<S>(
        &mut self,
        subject: &str,
        scope: Option<&str>,
        api: Api<S::Wire>,
        config: &watcher::Config,
    ) -> Arc<Store<S>>
    where
        S: store::Kept,
    {
        let place = scope.map(|namespace| format!(" in {namespace}"));
        let subject = format!("{subject}{}", place.unwrap_or_default());
        self.readiness.waits(&*subject, "not listed yet");
        let store = Arc::new(Store::default());
        let (anew, restart) = watch::channel(());
        self.listings.push(Listing::new(
            api.clone(),
            config.label_selector.clone(),
            Arc::clone(&store),
            anew,
        ));
        let follower = Follower {
            api,
            config: config.clone().timeout(WATCH_SECONDS),
            store: Arc::clone(&store),
            subject,
            resync: self.resync,
            changes: Arc::clone(&self.changes),
            readiness: self.readiness.clone(),
            failures: self.metrics.watch_failures.clone(),
            synced: self.synced.clone(),
            restart,
        };
        self.running.push(Box::pin(follower.run()));
        store
    }

    /// Waits for the definitions, then runs all watches.
    async fn run(self) {
        definitions::established(&self.client, &self.readiness).await;
        futures_util::future::join_all(self.running).await;
    }
}

fn read<K: Custom>(
    stores: &[Arc<Store<Found<K>>>],
    unreadable: &mut BTreeMap<ObjectId, Unreadable>,
) -> BTreeMap<ObjectName, Submitted<K>> {
    let found = gather(stores).into_iter().map(|(name, found)| {
        if let Some(bad) = found.unreadable {
            let id = ObjectId {
                kind: K::KIND,
                name: name.clone(),
            };
            unreadable.insert(id, (*bad).clone());
        }
        (name, found.submitted)
    });
    found.collect()
}

fn gather<V: Clone>(stores: &[Arc<Store<V>>]) -> BTreeMap<ObjectName, V> {
    let mut all = BTreeMap::new();
    for store in stores {
        store.copy_into(&mut all);
    }
    all
}
