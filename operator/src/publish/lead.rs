//! The task that publishes while this process leads.
//!
//! It begins with what the pods have ([`takeover`]), then waits for offers, pods, keys and answers, and after each of them does what
//! the [`Wave`] says is due. When leadership is lost all of it is dropped, with the requests on their way.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::fleet::{Heartbeat, digest::Digests, key::FleetKeys};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::{
    ConfirmRemoval, Fleet, Offer, Offered, RaiseEpoch, Removal, Takeover,
    body::Bodies,
    client::{Answer, Client, Question, Receiver, Signer},
    errand::{self, Done},
    fleet_key::State,
    metrics::Metrics,
    order::Orders,
    pods::Gateways,
    wave::{Errand, Wave},
};
use crate::leader::{Leadership, Work};
use offering::Confirmation;
use telling::outcome;

mod offering;
mod telling;

/// How long a new leader waits for a readable fleet key before it goes on without what the pods have.
const KEY_PATIENCE: Duration = Duration::from_secs(10);

/// Where everything comes from.
pub(super) struct Inputs {
    pub(super) client: Client,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) work: Work,
    pub(super) gateways: watch::Receiver<Option<Arc<Gateways>>>,
    pub(super) keys: watch::Receiver<State>,
    pub(super) raise_epoch_above: RaiseEpoch,
    pub(super) confirm_removal: ConfirmRemoval,
    pub(super) metrics: Metrics,
    pub(super) random: StdRng,
}

/// What the handle reads.
pub(super) struct Outputs {
    pub(super) offers: watch::Sender<Offered>,
    pub(super) fleet: watch::Sender<Arc<Fleet>>,
    pub(super) takeover: watch::Sender<Takeover>,
}

/// Publishes from when this process begins to lead until it ends to: it never leads twice.
pub(super) async fn run(mut inputs: Inputs, outputs: Outputs) {
    let mut lost = inputs.leadership.clone();
    let leads = |leadership: &Leadership| *leadership != Leadership::Standby;
    if inputs.leadership.wait_for(leads).await.is_err() {
        return;
    }
    tokio::select! {
        biased;
        _ = lost.wait_for(|leadership| *leadership == Leadership::Standby) => {}
        () = reigns(&mut inputs, &outputs) => {}
    }
    outputs.takeover.send_replace(Takeover::Pending);
    outputs.fleet.send_replace(Arc::default());
    inputs.metrics.forget();
    // Nothing is on its way any more.
    drop(inputs.work);
}

/// One after the other, for as long as this process leads.
async fn reigns(inputs: &mut Inputs, outputs: &Outputs) {
    loop {
        let Leadership::Leader { epoch } = *inputs.leadership.borrow_and_update() else {
            return;
        };
        outputs.takeover.send_replace(Takeover::Pending);
        Reign::new(inputs, outputs, epoch).run().await;
    }
}

/// Publishing under one leadership.
pub(super) struct Reign<'a> {
    pub(super) client: Client,
    pub(super) metrics: &'a Metrics,
    outputs: &'a Outputs,
    raise_epoch_above: &'a RaiseEpoch,
    confirm_removal: &'a ConfirmRemoval,
    leadership: watch::Receiver<Leadership>,
    gateways: watch::Receiver<Option<Arc<Gateways>>>,
    key_state: watch::Receiver<State>,
    offers: watch::Receiver<Offered>,
    random: StdRng,
    pub(super) keys: Option<Arc<FleetKeys>>,
    pub(super) wave: Wave,
    pub(super) orders: Orders,
    /// What the pods have, before the first offer, or were told to have.
    pub(super) baseline: Option<Arc<Digests>>,
    has_taken_over: bool,
    tasks: JoinSet<Done>,
    is_raising: bool,
    /// Of the newest offer that was looked at.
    count: u64,
    bodies: Option<Bodies>,
    offer: Option<Offer>,
    /// It waits for a higher epoch, or for `held`.
    waiting: Option<Offer>,
    held: Option<Removal>,
    confirmation: Confirmation,
    questions: u64,
    /// Why nothing can be sent.
    fault: Option<String>,
    /// When the changes came that some counted pod has not got yet.
    timed: Vec<Instant>,
    shown: BTreeSet<String>,
}

impl<'a> Reign<'a> {
    fn new(inputs: &'a mut Inputs, outputs: &'a Outputs, epoch: u64) -> Self {
        let random = &mut inputs.random;
        Self {
            wave: Wave::new(StdRng::from_rng(random)),
            random: StdRng::from_rng(random),
            client: inputs.client.clone(),
            metrics: &inputs.metrics,
            outputs,
            raise_epoch_above: &inputs.raise_epoch_above,
            confirm_removal: &inputs.confirm_removal,
            leadership: inputs.leadership.clone(),
            gateways: inputs.gateways.clone(),
            key_state: inputs.keys.clone(),
            offers: outputs.offers.subscribe(),
            keys: None,
            orders: Orders::new(epoch),
            baseline: None,
            has_taken_over: false,
            tasks: JoinSet::new(),
            is_raising: false,
            count: 0,
            bodies: None,
            offer: None,
            waiting: None,
            held: None,
            confirmation: Confirmation::Unasked,
            questions: 0,
            fault: None,
            timed: Vec::new(),
            shown: BTreeSet::new(),
        }
    }

    /// Until the leadership is another one.
    async fn run(mut self) {
        let _ = self.gateways.wait_for(Option::is_some).await;
        let readable = self.key_state.wait_for(|state| matches!(state, State::Read(_)));
        // Where there is no key in time, the objects are compiled all the same, and say what is wrong.
        drop(timeout(KEY_PATIENCE, readable).await);
        self.look();
        if self.keys.is_none() {
            self.outputs.takeover.send_replace(Takeover::Done(None));
        }
        while self.still_leads() {
            self.look();
            if self.keys.is_some() && !self.has_taken_over {
                self.has_taken_over = true;
                let previous = self.take_over().await;
                self.outputs.takeover.send_replace(Takeover::Done(previous));
            }
            self.raise();
            self.consider();
            let may_push = self.dispatch().await;
            self.tell();
            let wake = self.wake(may_push);
            tokio::select! {
                () = changed(&mut self.leadership) => {}
                () = changed(&mut self.gateways) => {}
                () = changed(&mut self.key_state) => {}
                () = changed(&mut self.offers) => {}
                Some(Ok(done)) = self.tasks.join_next() => self.finished(done),
                () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => {}
            }
        }
    }

    /// A higher epoch that was asked for goes on with the same work; another one that comes by itself is another reign.
    fn still_leads(&mut self) -> bool {
        let Leadership::Leader { epoch } = *self.leadership.borrow_and_update() else {
            return false;
        };
        if self.orders.raised(epoch) {
            tracing::info!(epoch, "the epoch is above all that the gateways have");
            // The same content again, above what they have.
            let offer = self.offer.take();
            self.waiting = self.waiting.take().or(offer);
        }
        epoch == self.orders.epoch()
    }

    /// Takes in what has changed around.
    fn look(&mut self) {
        let gateways = self.gateways.borrow_and_update().clone();
        if let Some(gateways) = gateways {
            self.wave.sync(&gateways, Instant::now());
        }
        match &*self.key_state.borrow_and_update() {
            State::Read(keys) => {
                self.keys = Some(keys.clone());
                self.fault = None;
            }
            unread @ (State::Unknown | State::Unreadable(_)) => {
                self.fault = Some(format!("nothing can be sent to it: {unread}"));
            }
        }
        let offered = self.offers.borrow_and_update();
        if offered.count != self.count
            && let Some(offer) = &offered.newest
        {
            self.count = offered.count;
            self.waiting = Some(offer.clone());
        }
    }

    fn raise(&mut self) {
        if let Some(above) = self.orders.exceed()
            && !self.is_raising
        {
            tracing::info!(
                above,
                "a gateway has a Snapshot of a higher epoch: raising this one's above it"
            );
            self.is_raising = true;
            self.tasks.spawn(errand::raise((self.raise_epoch_above)(above)));
        }
    }

    /// Sends what is due. Whether there was anything to push with.
    async fn dispatch(&mut self) -> bool {
        let Some(keys) = self.keys.clone() else { return false };
        let body = self.body(&keys).await;
        for (uid, errand) in self.wave.due(Instant::now(), body.is_some()) {
            let question = match errand {
                Errand::Push(_) => Question::Push(body.clone().unwrap_or_default()),
                Errand::Heartbeat => Question::Heartbeat(Heartbeat {
                    siblings: self.wave.siblings(&uid),
                }),
                Errand::Read => Question::Read,
            };
            if let Some((receiver, signer)) = self.receiver(&uid, &keys) {
                let client = self.client.clone();
                self.tasks
                    .spawn(errand::run(client, receiver, signer, errand, question));
            }
        }
        body.is_some()
    }

    /// What is pushed now, if anybody wants it.
    async fn body(&mut self, keys: &Arc<FleetKeys>) -> Option<bytes::Bytes> {
        if self.orders.exceed().is_some() || !self.wave.is_wanted() {
            return None;
        }
        let key = self.wave.sealing_key(keys);
        match self.bodies.as_mut()?.get(keys, &key, &mut self.random).await {
            Ok(body) => {
                self.metrics
                    .snapshot_bytes
                    .set(i64::try_from(body.len()).unwrap_or(i64::MAX));
                Some(body)
            }
            Err(words) => {
                self.fault = Some(words);
                None
            }
        }
    }

    pub(super) fn receiver(&mut self, uid: &str, keys: &Arc<FleetKeys>) -> Option<(Receiver, Signer)> {
        let receiver = Receiver {
            admin: self.wave.address(uid)?,
            uid: uid.to_owned(),
        };
        let signer = Signer {
            keys: keys.clone(),
            key: self.wave.signing_key(uid, keys),
            nonce: self.random.random(),
        };
        Some((receiver, signer))
    }

    fn finished(&mut self, done: Done) {
        match done {
            Done::Raised => self.is_raising = false,
            Done::Confirmed(question, is_real) => self.confirmed(question, is_real),
            Done::Answered {
                uid,
                errand,
                answer,
                digests,
            } => {
                if let Some((revision, digests)) = digests {
                    self.wave.ledger.remember(&revision, Arc::new(digests));
                }
                if matches!(errand, Errand::Push(_)) {
                    self.metrics.pushes.with_label_values(&[outcome(&answer)]).inc();
                }
                self.answered(&uid, errand, *answer);
            }
        }
    }

    pub(super) fn answered(&mut self, uid: &str, errand: Errand, answer: Answer) {
        if let Some(order) = self.wave.answered(uid, errand, answer, Instant::now()) {
            self.orders.met(order);
        }
    }

    fn wake(&self, may_push: bool) -> Option<Instant> {
        let confirm = match self.confirmation {
            Confirmation::Denied(until) if self.waiting.is_some() => Some(until),
            _ => None,
        };
        let wave = self
            .keys
            .as_ref()
            .and_then(|_| self.wave.wake(Instant::now(), may_push));
        [confirm, wave].into_iter().flatten().min()
    }
}

/// What has no sender any more does not change.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        pending::<()>().await;
    }
}
