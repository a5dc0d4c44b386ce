//! The loop of the leader: what changed is compiled and offered to the pods, and whatever is known then is told to the controllers.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::{
    compiler::{self, Compiled},
    object::Kind,
    snapshot::Snapshot,
};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::sleep_until,
};

use crate::{
    cluster::{Cluster, Holdings, changes::Change},
    controllers::{Controllers, Identity, View},
    leader::{Leadership, Work},
    metrics::Metrics,
    publish::{Fleet, Offer, Publisher},
};
use pace::Pace;

mod pace;

/// Answers of pods that come within this time are told together.
const ANSWERS: Duration = Duration::from_millis(20);

/// What the loop needs.
pub struct Reconciler {
    pub client: kube::Client,
    pub identity: Identity,
    pub cluster: Arc<Cluster>,
    pub publisher: Publisher,
    pub leadership: watch::Receiver<Leadership>,
    /// Dropped when nothing is written any more.
    pub work: Work,
    pub settings: compiler::Settings,
    pub metrics: Metrics,
}

/// What the last compilation took and gave.
struct Round {
    holdings: Holdings,
    compiled: Compiled,
    /// When the oldest change was seen that is first in it.
    changed: Instant,
}

impl Reconciler {
    /// Waits until this replica leads, then compiles and tells for as long as it does. A process leads once.
    pub async fn run(mut self) {
        self.cluster.synced().await;
        tracing::info!("everything was listed once; this replica can lead");
        let leads = |leadership: &Leadership| matches!(leadership, Leadership::Leader { .. });
        if self.leadership.wait_for(leads).await.is_err() {
            return;
        }
        self.metrics.leader.set(1);
        let mut leadership = self.leadership.clone();
        tokio::select! {
            _ = leadership.wait_for(|leadership| *leadership == Leadership::Standby) => {}
            () = self.reign() => {}
        }
        self.metrics.leader.set(0);
    }

    /// Never ends by itself; what it writes and waits for ends with it.
    async fn reign(&self) {
        let previous = self.publisher.previous().await;
        let (controllers, writing) = Controllers::new(self.client.clone(), self.identity.clone());
        tokio::join!(writing, self.compile_and_tell(controllers, previous));
    }

    async fn compile_and_tell(&self, mut controllers: Controllers, mut previous: Option<Arc<Snapshot>>) {
        let changes = self.cluster.changes();
        let mut fleet = self.publisher.fleet();
        let mut pace = Pace::default();
        let mut round: Option<Round> = None;
        let mut tell_at: Option<Instant> = None;
        changes.note(Change::Input, Instant::now());
        loop {
            let due = changes.pending().map(|pending| pace.due(pending));
            tokio::select! {
                () = at(due) => {
                    let Some(span) = changes.take() else { continue };
                    match self.round(round.take(), previous.clone(), span.input).await {
                        Ok(new) => {
                            previous = Some(Arc::clone(&new.compiled.snapshot));
                            round = Some(new);
                        }
                        Err(error) => tracing::error!(%error, "a compilation ended badly; the next change begins another"),
                    }
                    pace.compiled(Instant::now());
                    tell_at = Some(Instant::now());
                }
                () = changes.noted() => {}
                () = at(self.cluster.look_again_at()) => changes.note(Change::Input, Instant::now()),
                Ok(()) = fleet.changed() => tell_at = tell_at.or_else(|| Some(Instant::now() + ANSWERS)),
                () = at(tell_at) => {
                    tell_at = None;
                    if let Some(round) = &round {
                        let fleet = Arc::clone(&fleet.borrow_and_update());
                        controllers.look(&round.view(&fleet));
                    }
                }
            }
        }
    }

    /// Compiles what there is now, if the compiler could tell it from before, and offers what is new.
    async fn round(
        &self,
        before: Option<Round>,
        previous: Option<Arc<Snapshot>>,
        changed: Option<Instant>,
    ) -> Result<Round, JoinError> {
        let holdings = self.cluster.holdings().await;
        let (before, changed) = match (before, changed) {
            // What came since is compiled at once: a status must not say of a newer object what came of an older one.
            (Some(before), None) if holdings.are_same_input(&before.holdings) => {
                return Ok(Round { holdings, ..before });
            }
            (before, changed) => (before, changed.unwrap_or_else(Instant::now)),
        };
        let settings = self.settings.clone();
        let timer = self.metrics.compile_seconds.start_timer();
        let compiling = spawn_blocking(move || {
            let compiled = compiler::compile(&holdings.resources, &settings, previous.as_deref());
            (holdings, compiled)
        });
        let (holdings, compiled) = compiling.await?;
        timer.observe_duration();
        self.count(&holdings, &compiled);
        let is_known = |before: &Round| before.compiled.snapshot.revision == compiled.snapshot.revision;
        if !before.as_ref().is_some_and(is_known) {
            tracing::debug!(revision = compiled.snapshot.revision, "compiled");
            self.publisher.offer(Offer {
                snapshot: Arc::clone(&compiled.snapshot),
                digests: Arc::clone(&compiled.digests),
                changed,
            });
        }
        Ok(Round {
            holdings,
            compiled,
            changed,
        })
    }

    fn count(&self, holdings: &Holdings, compiled: &Compiled) {
        let compiler::Resources {
            providers,
            routes,
            prompt_templates,
            prompt_revisions,
            secrets,
            config_maps,
        } = &holdings.resources;
        let mut faulty: BTreeMap<Kind, i64> = BTreeMap::new();
        for object in compiled.diagnostics.keys() {
            *faulty.entry(object.kind).or_default() += 1;
        }
        for (kind, count) in [
            (Kind::Provider, providers.len()),
            (Kind::Route, routes.len()),
            (Kind::PromptTemplate, prompt_templates.len()),
            (Kind::PromptRevision, prompt_revisions.len()),
            (Kind::Secret, secrets.len()),
            (Kind::ConfigMap, config_maps.len()),
        ] {
            let label = kind.to_string();
            let objects = self.metrics.objects.with_label_values(&[&label]);
            objects.set(i64::try_from(count).unwrap_or(i64::MAX));
            let faulty = faulty.get(&kind).copied().unwrap_or(0);
            self.metrics.faulty_objects.with_label_values(&[&label]).set(faulty);
        }
    }
}

impl Round {
    fn view<'a>(&'a self, fleet: &'a Fleet) -> View<'a> {
        View {
            resources: &self.holdings.resources,
            unreadable: &self.holdings.unreadable,
            compiled: &self.compiled,
            digests: &self.compiled.digests,
            fleet,
            changed: self.changed,
            at: Instant::now(),
            now: Timestamp::now(),
        }
    }
}

/// Waits until then; for ever without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
