//! One watch that feeds one store, for as long as the program runs.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::object::ObjectName;
use futures_util::{StreamExt as _, future::BoxFuture};
use kube::{
    Api,
    api::ListParams,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use prometheus::IntCounter;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

use super::{
    changes::Changes,
    store::{Kept, Store},
};
use crate::admin::Readiness;

/// The first wait after a failure; it doubles.
const SHORTEST: Duration = Duration::from_millis(200);
/// The longest one. An API server that comes back is not to be waited for longer.
const LONGEST: Duration = Duration::from_secs(5);

/// A watch and what it feeds.
pub(super) struct Follower<V: Kept> {
    pub(super) api: Api<V::Wire>,
    pub(super) config: watcher::Config,
    pub(super) store: Arc<Store<V>>,
    /// What is watched, for people.
    pub(super) subject: String,
    pub(super) resync: Duration,
    pub(super) changes: Arc<Changes>,
    pub(super) readiness: Readiness,
    pub(super) failures: IntCounter,
    /// Counts the stores that were listed once.
    pub(super) synced: watch::Sender<usize>,
    /// Told when the store is to be filled anew.
    pub(super) restart: watch::Receiver<()>,
}

/// Lists what a store should hold.
pub(super) struct Listing {
    names: Box<dyn Fn() -> BoxFuture<'static, Result<BTreeSet<ObjectName>, kube::Error>> + Send + Sync>,
    held: Box<dyn Fn() -> BTreeSet<ObjectName> + Send + Sync>,
    anew: watch::Sender<()>,
}

/// Waits between tries: doubling, up to a bound.
struct Doubling(Duration);

/// What one watch has done so far.
#[derive(Default)]
struct Progress {
    /// It was listed once.
    is_listed: bool,
    /// It is being listed.
    is_listing: bool,
    /// It failed, and nothing came since.
    is_failing: bool,
}

impl<V: Kept> Follower<V> {
    pub(super) async fn run(mut self) {
        let mut progress = Progress::default();
        loop {
            let began = Instant::now();
            let mut events = pin!(watcher(self.api.clone(), self.config.clone()).backoff(Doubling(SHORTEST)));
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(Ok(event)) => self.absorb(event, &mut progress),
                        Some(Err(error)) => self.failed(&error, &mut progress),
                        None => break,
                    },
                    // What is being listed is being listed anew already.
                    () = sleep_until((began + self.resync).into()), if !progress.is_listing => break,
                    Ok(()) = self.restart.changed() => break,
                }
            }
            // A stream that ends at once must not keep a core busy.
            sleep(SHORTEST.saturating_sub(began.elapsed())).await;
        }
    }

    fn absorb(&self, event: Event<V::Wire>, progress: &mut Progress) {
        match &event {
            Event::Init => progress.is_listing = true,
            Event::InitApply(_) => {}
            Event::InitDone | Event::Apply(_) | Event::Delete(_) => {
                progress.is_listing = false;
                if std::mem::take(&mut progress.is_failing) {
                    tracing::info!(watch = self.subject, "the watch goes on");
                }
            }
        }
        let is_done = matches!(event, Event::InitDone);
        if let Some(change) = self.store.absorb(event) {
            self.changes.note(change, Instant::now());
        }
        if is_done && !std::mem::replace(&mut progress.is_listed, true) {
            self.readiness.is_there(&self.subject);
            self.synced.send_modify(|synced| *synced += 1);
        }
    }

    fn failed(&self, error: &watcher::Error, progress: &mut Progress) {
        self.failures.inc();
        let error: &dyn std::error::Error = error;
        if std::mem::replace(&mut progress.is_failing, true) {
            tracing::debug!(watch = self.subject, error, "the watch still fails");
        } else {
            tracing::warn!(watch = self.subject, error, "the watch failed; it begins anew");
        }
        if !progress.is_listed {
            self.readiness.waits(&*self.subject, error.to_string());
        }
    }
}

impl Listing {
    pub(super) fn new<V: Kept>(
        api: Api<V::Wire>,
        labels: Option<String>,
        store: Arc<Store<V>>,
        anew: watch::Sender<()>,
    ) -> Self {
        let names = move || -> BoxFuture<'static, _> {
            let (api, labels) = (api.clone(), labels.clone());
            Box::pin(async move {
                let parameters = ListParams {
                    label_selector: labels,
                    ..ListParams::default()
                };
                let listed = api.list_metadata(&parameters).await?;
                let name = |object: &kube::core::PartialObjectMeta<V::Wire>| {
                    let namespace = object.metadata.namespace.clone().unwrap_or_default();
                    ObjectName::new(namespace, object.metadata.name.clone().unwrap_or_default())
                };
                Ok(listed.items.iter().map(name).collect())
            })
        };
        Self {
            names: Box::new(names),
            held: Box::new(move || store.names().into_iter().collect()),
            anew,
        }
    }

    /// Whether the store holds what there is. If not, it is filled anew.
    pub(super) async fn confirm(&self) -> bool {
        match (self.names)().await {
            Ok(names) if names == (self.held)() => true,
            Ok(_) => {
                self.anew.send_replace(());
                false
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "failed to list what there is");
                false
            }
        }
    }
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.0;
        self.0 = (2 * wait).min(LONGEST);
        Some(wait)
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.0 = SHORTEST;
    }
}
