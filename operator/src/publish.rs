//! From a Snapshot to every pod: the newest offer is pushed to one pod, then to the others, and what each made of it comes back.
//!
//! ```text
//! offer -> guard against mass removal -> (epoch, sequence) -> sealed and serialized once -> wave over the pods -> Fleet
//! Secret -> fleet_key      Pods -> pods      takeover: what the pods have -> previous
//! ```
//!
//! **Invariant**: nothing is sent while another process leads; what is on its way then is cut off.
//! **Invariant**: a wave that two pods refuse whole goes no further.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::{
    fleet::{Order, digest::Digests},
    object::ObjectId,
    snapshot::Snapshot,
};
use futures_util::future::BoxFuture;
use kube::Api;
use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use crate::leader::{Leader, Work};
use client::Client;
pub use metrics::Metrics;
pub use removal::Removal;

mod acknowledgement;
mod body;
mod client;
mod errand;
mod fleet_key;
mod lead;
mod metrics;
mod order;
mod pods;
mod removal;
mod takeover;
#[cfg(test)]
mod tests;
mod wave;

/// A compiled Snapshot that the pods shall have.
#[derive(Clone, Debug)]
pub struct Offer {
    pub snapshot: Arc<Snapshot>,
    /// Of `snapshot`.
    pub digests: Arc<Digests>,
    /// When the oldest watch event came that is first in this one.
    pub changed: Instant,
}

/// The pods, and what they have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// What every pod shall have; none before the first offer.
    pub desired: Option<Order>,
    /// The wave of the newest offer is over: every counted pod has answered, refused, or was given up for now.
    pub settled: bool,
    /// By ordinal, then name.
    pub pods: Vec<Pod>,
    /// The newest offer is held back until a fresh LIST confirms that so much is gone.
    pub held: Option<Removal>,
}

/// A gateway pod. It serves an object as desired if its digest of the object is the desired one and it does not refuse the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    /// The last number of its name.
    pub ordinal: Option<u32>,
    /// Ready and not terminating: objects are Ready when all counted pods have them.
    pub counted: bool,
    /// Neither ready nor terminating.
    pub starting: bool,
    pub terminating: bool,
    /// Of the Snapshot that it holds; none when it holds none or has not said.
    pub order: Option<Order>,
    /// Of the Snapshot that it holds; empty as long as that is not known.
    pub digests: Arc<Digests>,
    /// Objects of that Snapshot that it does not serve as they are there, with its words.
    pub refused: Arc<BTreeMap<ObjectId, String>>,
    /// Why it does not get what is desired: the pod's own words, or ours.
    pub trouble: Option<String>,
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's own namespace, where the fleet key's Secret is.
    pub namespace: String,
    /// Name of that Secret.
    pub fleet_key_secret: String,
    /// It is made when it is missing; else somebody else makes it.
    pub create_fleet_key: bool,
    pub gateway_namespace: String,
    /// Label selector of the gateway pods.
    pub gateway_selector: String,
    /// Of pods without a container port named `admin`.
    pub gateway_admin_port: u16,
    /// How often pods and the fleet key are listed anew, in case that a watch lost something.
    pub resync: Duration,
}

/// Asks for an epoch above another; it comes through the leadership.
type RaiseEpoch = Box<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;
/// Asks whether a mass removal is real.
pub type ConfirmRemoval = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What publishing needs of the rest of the program.
pub struct Surroundings {
    pub client: kube::Client,
    pub leader: Leader,
    /// Dropped when this process has led, and nothing is on its way to a pod any more.
    pub work: Work,
    /// Lists all kinds afresh and says whether that is what the stores hold.
    pub confirm_removal: ConfirmRemoval,
    pub metrics: Metrics,
    /// Seeded: for nonces, the fleet key and waits.
    pub random: StdRng,
}

/// A handle on the publishing task.
#[derive(Clone, Debug)]
pub struct Publisher {
    offers: watch::Sender<Offered>,
    fleet: watch::Sender<Arc<Fleet>>,
    takeover: watch::Receiver<Takeover>,
}

/// The newest offer, and how many there were.
#[derive(Clone, Debug, Default)]
struct Offered {
    count: u64,
    newest: Option<Offer>,
}

/// How far a new leader is.
#[derive(Clone, Debug, Default)]
enum Takeover {
    #[default]
    Pending,
    Done(Option<Arc<Snapshot>>),
}

impl Publisher {
    /// The task runs until it is dropped.
    pub fn new(settings: Settings, surroundings: Surroundings) -> (Self, impl Future<Output = ()> + Send) {
        let Surroundings {
            client,
            leader,
            work,
            confirm_removal,
            metrics,
            mut random,
        } = surroundings;
        let leadership = leader.leadership();
        let (found, gateways) = watch::channel(None);
        let (read, keys) = watch::channel(fleet_key::State::Unknown);
        let pods = pods::watch(
            Api::namespaced(client.clone(), &settings.gateway_namespace),
            pods::Search {
                selector: settings.gateway_selector,
                admin_port: settings.gateway_admin_port,
                resync: settings.resync,
            },
            found,
        );
        let source = fleet_key::Source {
            api: Api::namespaced(client, &settings.namespace),
            place: fleet_key::Place {
                namespace: settings.namespace,
                name: settings.fleet_key_secret,
            },
            create: settings.create_fleet_key,
            resync: settings.resync,
        };
        let fleet_key = fleet_key::watch(source, leadership.clone(), read, StdRng::from_rng(&mut random));
        let (publisher, publishing) = Self::with(lead::Inputs {
            client: Client::new(jiff::Timestamp::now),
            leadership,
            work,
            gateways,
            keys,
            raise_epoch_above: Box::new(move |above| Box::pin(raise(leader.clone(), above))),
            confirm_removal,
            metrics,
            random,
        });
        let task = async move {
            tokio::join!(pods, fleet_key, publishing);
        };
        (publisher, task)
    }

    /// Without Kubernetes.
    fn with(inputs: lead::Inputs) -> (Self, impl Future<Output = ()> + Send) {
        let (offers, _) = watch::channel(Offered::default());
        let (fleet, _) = watch::channel(Arc::default());
        let (takeover, taken_over) = watch::channel(Takeover::default());
        let publisher = Self {
            offers: offers.clone(),
            fleet: fleet.clone(),
            takeover: taken_over,
        };
        (
            publisher,
            lead::run(
                inputs,
                lead::Outputs {
                    offers,
                    fleet,
                    takeover,
                },
            ),
        )
    }

    /// The newest offer wins. From now on, until its wave is over, the fleet is not settled.
    pub fn offer(&self, offer: Offer) {
        self.offers.send_modify(|offered| {
            offered.count += 1;
            offered.newest = Some(offer);
        });
        self.fleet.send_modify(|fleet| Arc::make_mut(fleet).settled = false);
    }

    /// Has a new value only when something in it does.
    pub fn fleet(&self) -> watch::Receiver<Arc<Fleet>> {
        self.fleet.subscribe()
    }

    /// What the pods had when this process began to lead; it waits until that is known, and for as long as another leads.
    pub async fn previous(&self) -> Option<Arc<Snapshot>> {
        let mut takeover = self.takeover.clone();
        let done = takeover
            .wait_for(|takeover| matches!(takeover, Takeover::Done(_)))
            .await;
        match done.as_deref() {
            Ok(Takeover::Done(snapshot)) => snapshot.clone(),
            Ok(Takeover::Pending) | Err(_) => None,
        }
    }
}

async fn raise(leader: Leader, above: u64) {
    if let Err(error) = leader.raise_epoch_above(above).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed to raise the epoch");
    }
}
