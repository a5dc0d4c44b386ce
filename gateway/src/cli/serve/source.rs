//! Where a gateway has its configuration from: manifests in a directory, or the operator of its fleet.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use crds::{
    compiler::Settings,
    snapshot::{Credential, Snapshot},
    vendor,
};
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::{Error, Gateway, fleet};
use crate::{
    app::{App, GenerationIds},
    backup::Backups,
    capture::{self, Queue},
    config::{
        manifests::Loader,
        reload::{self, Reload},
        resolved::Config,
        revisions::{self, Revisions},
        watch,
    },
    fleet::{Fleet, holder, keys, start},
    fleet_reads::{FleetReads, Siblings},
    telemetry::metrics::Metrics,
};

/// Where the configuration comes from.
pub(in crate::cli) enum Source {
    Manifests {
        loader: Loader,
        /// Root URL of the simulator.
        simulator: Option<String>,
    },
    Fleet(fleet::Settings),
}

/// A gateway that does not take requests yet.
pub(super) struct Started {
    pub(super) app: Arc<App>,
    pub(super) source: Running,
}

/// What keeps the configuration up to date.
pub(super) enum Running {
    Manifests(watch::Watch),
    Fleet {
        fleet: Arc<Fleet>,
        holder: holder::Running,
        keys: tokio::task::JoinHandle<()>,
        /// Learns who the siblings are.
        presence: Option<tokio::task::JoinHandle<()>>,
    },
}

impl Source {
    pub(super) fn start(self, gateway: Gateway) -> Result<Started, Error> {
        match self {
            Self::Manifests { loader, simulator } => manifests(loader, simulator, gateway),
            Self::Fleet(settings) => of_fleet(settings, gateway),
        }
    }
}

impl Running {
    /// Returns when there is something to serve.
    pub(super) async fn ready(&self) {
        if let Self::Fleet { fleet, .. } = self {
            start::ready(fleet).await;
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Manifests(watch) => drop(watch),
            Self::Fleet {
                holder, keys, presence, ..
            } => {
                keys.abort();
                if let Some(presence) = presence {
                    presence.abort();
                }
                holder.stop().await;
            }
        }
    }
}

fn manifests(mut loader: Loader, simulator: Option<String>, gateway: Gateway) -> Result<Started, Error> {
    let settings = Settings {
        simulator_url: simulator,
        ambient_credentials: ambient_credentials(),
        secret_namespaces: None,
    };
    let revisions = Revisions::open(gateway.data.join(revisions::DIRECTORY), Timestamp::now);
    let reload = Reload::first(settings, revisions, loader.read());
    let app = Arc::new(build(reload.config(), None, gateway)?);
    app.metrics.config_loaded_unix_seconds.set(app.started.as_second());
    reload.report(&app);
    let watch = watch::watch(loader, reload::applier(Arc::clone(&app), reload))?;
    Ok(Started {
        app,
        source: Running::Manifests(watch),
    })
}

fn of_fleet(settings: fleet::Settings, gateway: Gateway) -> Result<Started, Error> {
    let fleet::Settings {
        pod,
        keys,
        directory,
        siblings,
        holder,
    } = settings;
    let (fleet, commands) = Fleet::new(pod, keys, siblings).map_err(fleet::Error::from)?;
    let fleet = Arc::new(fleet);
    // Nobody is served from this one, which has not even keys.
    let mut empty = Config::resolve(Snapshot::default(), None);
    empty.trusts_this_machine = false;
    let app = Arc::new(build(Arc::new(empty), Some(Arc::clone(&fleet)), gateway)?);
    let holder = holder::Running::start(Arc::clone(&app), Arc::clone(&fleet), commands, holder);
    let presence = app.fleet_reads.clone().map(FleetReads::watch).map(tokio::spawn);
    let source = Running::Fleet {
        presence,
        holder: holder.map_err(Error::Runtime)?,
        keys: tokio::spawn(keys::follow(Arc::clone(&fleet), directory)),
        fleet,
    };
    Ok(Started { app, source })
}

fn build(config: Arc<Config>, fleet: Option<Arc<Fleet>>, gateway: Gateway) -> Result<App, Error> {
    let Gateway {
        listen,
        data,
        data_max_bytes,
        spans,
        lost_lines,
        ..
    } = gateway;
    let settings = capture::Settings {
        max_bytes: data_max_bytes,
        ..capture::Settings::new(data.clone(), || Timestamp::now().as_microsecond())
    };
    let queue = Queue::open(settings).map_err(|source| Error::Stores {
        directory: data.clone(),
        source,
    })?;
    let queue = Arc::new(queue);
    let fleet_reads = fleet.as_ref().map(|fleet| {
        let siblings = Arc::clone(fleet) as Arc<dyn Siblings>;
        let (pod, runtime) = (fleet.pod.clone(), Handle::current());
        let reads = FleetReads::new(pod, fleet.ordinal, Arc::clone(&queue), siblings, &data, runtime);
        Arc::new(reads)
    });
    let pod = fleet.as_ref().map(|fleet| fleet.pod.name.clone());
    let backups = Backups::new(data.clone(), Arc::clone(&queue), pod);
    let ordinal = fleet.as_ref().map_or(0, |fleet| fleet.ordinal);
    Ok(App {
        config: ArcSwap::new(config),
        queue,
        metrics: Arc::new(Metrics::new()?),
        spans,
        lost_lines,
        ids: GenerationIds::new(ordinal, rand::random(), unix_millis),
        faults: ArcSwap::default(),
        backups,
        fleet_reads,
        fleet,
        ready: AtomicBool::new(false),
        started: Timestamp::now(),
        data,
        listen,
    })
}

/// The credentials of vendors in the environment, for Providers without `auth`.
fn ambient_credentials() -> BTreeMap<crds::provider::Vendor, Credential> {
    let read = |row: &vendor::VendorRow| {
        let value = std::env::var(row.ambient_variable?)
            .ok()
            .filter(|value| !value.is_empty())?;
        Some((row.vendor, Credential::new(value)))
    };
    vendor::rows().iter().filter_map(read).collect()
}

fn unix_millis() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
