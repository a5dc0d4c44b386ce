//! Which pod is asked what, and when. Pure: answers, pods and times come in, errands go out.
//!
//! The newest Snapshot goes to one counted pod first. A pod that is silent for [`FIRST_ANSWER`] or refuses is passed over, and the
//! next one tried; when one has taken it, or all were tried, it goes to all others at once. When two refuse it whole it goes no
//! further. Each pod has one push on its way at most; one that does not answer is asked how it is, with growing pauses, before it is
//! sent a whole Snapshot again.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::fleet::{
    Order,
    digest::Digests,
    key::{FleetKeys, KeyId},
};
use rand::rngs::StdRng;

use super::{acknowledgement::Ledger, client::Answer, pods::Gateways};
use member::Member;

mod member;
#[cfg(test)]
mod tests;
mod view;

/// How long the first pod may take before another is tried.
pub(super) const FIRST_ANSWER: Duration = Duration::from_millis(250);
/// So many pods that refuse a Snapshot whole stop its wave.
const REFUSALS: usize = 2;
/// A pod takes no more.
const MOST_SIBLINGS: usize = 256;
/// A wave does not wait longer for a pod.
const GIVE_UP: Duration = Duration::from_secs(1);

/// Something to do at a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Push(Order),
    Heartbeat,
    /// Read back what it holds, since its revision is not known here.
    Read,
}

/// All pods, and the Snapshot that they shall have.
#[derive(Debug)]
pub(super) struct Wave {
    /// By uid.
    members: BTreeMap<String, Member>,
    desired: Option<Desired>,
    pub(super) ledger: Ledger,
    random: StdRng,
}

/// What is wanted, and how far it is.
#[derive(Debug)]
struct Desired {
    order: Order,
    revision: String,
    /// It may go to all.
    is_open: bool,
    /// The counted pods that were tried before that, by uid, and when.
    tried: BTreeMap<String, Instant>,
    /// Those that refused it whole.
    refusals: BTreeSet<String>,
}

/// Who may be sent the Snapshot now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    All,
    One(String),
    /// Only those that refused it, now and then.
    Refusers,
    /// Nobody, at least until then.
    Wait(Option<Instant>),
}

impl Wave {
    pub(super) fn new(random: StdRng) -> Self {
        Self {
            members: BTreeMap::new(),
            desired: None,
            ledger: Ledger::default(),
            random,
        }
    }

    /// The pods are these now.
    pub(super) fn sync(&mut self, gateways: &Gateways, now: Instant) {
        let uids: BTreeSet<&str> = gateways.values().map(|gateway| gateway.uid.as_str()).collect();
        self.members.retain(|uid, _| uids.contains(uid.as_str()));
        for gateway in gateways.values() {
            match self.members.get_mut(&gateway.uid) {
                Some(member) => member.update(gateway, now),
                None => drop(
                    self.members
                        .insert(gateway.uid.clone(), Member::new(gateway.clone(), now)),
                ),
            }
        }
    }

    /// This is what every pod shall have from now on.
    pub(super) fn want(&mut self, order: Order, revision: &str, digests: Arc<Digests>, now: Instant) {
        self.ledger.remember(revision, digests);
        self.desired = Some(Desired {
            order,
            revision: revision.to_owned(),
            is_open: false,
            tried: BTreeMap::new(),
            refusals: BTreeSet::new(),
        });
        for member in self.members.values_mut() {
            member.relearn(&self.ledger);
            member.forgive(now);
        }
    }

    /// What is to be done now; each errand is to be answered. `may_push` is false where there is nothing to push with.
    pub(super) fn due(&mut self, now: Instant, may_push: bool) -> Vec<(String, Errand)> {
        let mut errands = Vec::new();
        if may_push {
            self.pushes(now, &mut errands);
        }
        for (uid, member) in &mut self.members {
            if let Some(errand) = member.question(now, &self.ledger) {
                errands.push((uid.clone(), errand));
            }
        }
        errands
    }

    fn pushes(&mut self, now: Instant, errands: &mut Vec<(String, Errand)>) {
        let turn = self.turn(now);
        let Some(desired) = &mut self.desired else { return };
        let uids: Vec<String> = match turn {
            Turn::Wait(_) => return,
            Turn::One(uid) => {
                desired.tried.insert(uid.clone(), now);
                vec![uid]
            }
            Turn::All => {
                desired.is_open = true;
                self.members.keys().cloned().collect()
            }
            Turn::Refusers => desired.refusals.iter().cloned().collect(),
        };
        for uid in uids {
            if let Some(member) = self.members.get_mut(&uid)
                && member.wants(desired)
                && member.is_free(now)
            {
                member.push(desired.order, now);
                errands.push((uid, Errand::Push(desired.order)));
            }
        }
    }

    fn turn(&self, now: Instant) -> Turn {
        let Some(desired) = &self.desired else {
            return Turn::Wait(None);
        };
        if desired.is_open {
            return Turn::All;
        }
        if self.is_stopped() {
            return Turn::Refusers;
        }
        let counted = || self.members.iter().filter(|(_, member)| member.gateway.is_counted());
        if counted().any(|(_, member)| !member.wants(desired)) {
            return Turn::All;
        }
        let patience = counted()
            .filter(|(_, member)| member.is_pushing(desired.order))
            .filter_map(|(uid, _)| Some(*desired.tried.get(uid)? + FIRST_ANSWER))
            .filter(|&end| end > now)
            .max();
        if patience.is_some() {
            return Turn::Wait(patience);
        }
        let untried = || counted().filter(|(uid, _)| !desired.tried.contains_key(*uid));
        let next = untried()
            .filter(|(_, member)| member.is_free(now))
            .min_by_key(|(_, member)| member.place());
        if let Some((uid, _)) = next {
            return Turn::One(uid.clone());
        }
        // A pod that still takes the Snapshot before this one will be free soon, or is as good as silent.
        let busy = untried()
            .filter_map(|(_, member)| Some(member.pushing()? + GIVE_UP))
            .filter(|&end| end > now);
        match busy.min() {
            Some(end) => Turn::Wait(Some(end)),
            None => Turn::All,
        }
    }

    /// Two have refused it whole before any has taken it.
    fn is_stopped(&self) -> bool {
        self.desired
            .as_ref()
            .is_some_and(|desired| !desired.is_open && desired.refusals.len() >= REFUSALS)
    }

    /// When there is something to do at the latest, if nothing happens before.
    pub(super) fn wake(&self, now: Instant, may_push: bool) -> Option<Instant> {
        let turn = if may_push { self.turn(now) } else { Turn::Wait(None) };
        let patience = match &turn {
            Turn::Wait(until) => *until,
            _ => None,
        };
        let members = self.members.iter().filter_map(|(uid, member)| {
            let may_push = match &turn {
                Turn::All => true,
                Turn::One(one) => one == uid,
                Turn::Refusers => self
                    .desired
                    .as_ref()
                    .is_some_and(|desired| desired.refusals.contains(uid)),
                Turn::Wait(_) => false,
            };
            let wants = may_push && self.desired.as_ref().is_some_and(|desired| member.wants(desired));
            member.wake(now, wants, &self.ledger)
        });
        members.chain(patience).min()
    }

    /// A pod has answered an errand, or has not. What it holds, where it says so, may be above what is wanted.
    pub(super) fn answered(&mut self, uid: &str, errand: Errand, answer: Answer, now: Instant) -> Option<Order> {
        let member = self.members.get_mut(uid)?;
        let random = &mut self.random;
        let mut holds = None;
        match answer {
            Answer::Report(report) if report.pod.uid != uid => {
                let words = "another pod answers at its address".to_owned();
                member.failed(errand, words, now, random);
            }
            Answer::Report(report) => {
                holds = report.order;
                member.reported(errand, report, &self.ledger, now, random);
            }
            Answer::Refused(status, refusal) => {
                holds = refusal.order;
                let refused_whole = member.refused(errand, status, refusal.message, now, random);
                if let Some(desired) = &mut self.desired
                    && refused_whole
                    && errand == Errand::Push(desired.order)
                    && member.gateway.is_counted()
                {
                    desired.refusals.insert(uid.to_owned());
                }
            }
            // What was read is remembered by whoever read it; it is looked up below.
            Answer::Held(_) => member.was_read(&self.ledger, now, random),
            Answer::None(words) => member.failed(errand, words, now, random),
        }
        if let Some(desired) = &mut self.desired
            && !member.wants(desired)
        {
            desired.refusals.remove(uid);
            desired.is_open |= member.gateway.is_counted();
        }
        holds
    }

    pub(super) fn has_counted(&self) -> bool {
        self.members.values().any(|member| member.gateway.is_counted())
    }

    /// Every counted pod has what is wanted, and there is one.
    pub(super) fn is_complete(&self) -> bool {
        let mut counted = self.members.values().filter(|member| member.gateway.is_counted());
        let desired = self.desired.as_ref().filter(|_| self.has_counted());
        desired.is_some_and(|desired| counted.all(|member| !member.wants(desired)))
    }

    /// Some pod has not got what is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        let wants = |desired| self.members.values().any(|member| member.wants(desired));
        self.desired.as_ref().is_some_and(wants)
    }

    /// What pods hold, the newest first, each with the pods that hold it.
    pub(super) fn held(&self) -> BTreeMap<Reverse<Order>, Vec<String>> {
        let mut held: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (uid, member) in &self.members {
            if let Some(order) = member.held.as_ref().map(|held| held.order) {
                held.entry(Reverse(order)).or_default().push(uid.clone());
            }
        }
        held
    }

    /// The ledger knows more than before.
    pub(super) fn relearn(&mut self) {
        for member in self.members.values_mut() {
            member.relearn(&self.ledger);
        }
    }

    pub(super) fn uids(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// The newest key that every counted pod which holds one of `keys` has reported: what is sealed with it opens everywhere.
    pub(super) fn sealing_key(&self, keys: &FleetKeys) -> KeyId {
        let holders: Vec<&[KeyId]> = self
            .members
            .values()
            .filter(|member| member.gateway.is_counted())
            .map(|member| member.key_ids.as_slice())
            .filter(|held| held.iter().any(|id| keys.get(id).is_some()))
            .collect();
        let mut ids = keys.ids().into_iter();
        let everywhere = ids.find(|id| holders.iter().all(|held| held.contains(id)));
        everywhere.unwrap_or_else(|| keys.current.id().clone())
    }

    /// The key to sign a request to a pod with: the newest that it reported, or was not yet refused.
    pub(super) fn signing_key(&self, uid: &str, keys: &FleetKeys) -> KeyId {
        let ids = keys.ids();
        let member = self.members.get(uid);
        let reported = member.and_then(|member| ids.iter().find(|id| member.key_ids.contains(id)));
        let guessed = || &ids[member.map_or(0, |member| member.unauthorized) % ids.len()];
        reported.unwrap_or_else(guessed).clone()
    }

    pub(super) fn address(&self, uid: &str) -> Option<SocketAddr> {
        self.members.get(uid).and_then(|member| member.gateway.admin)
    }

    /// The admin addresses of the others, as many as a pod takes.
    pub(super) fn siblings(&self, uid: &str) -> Vec<String> {
        let others = self
            .members
            .iter()
            .filter(|(other, member)| *other != uid && !member.gateway.terminating);
        others
            .filter_map(|(_, member)| member.gateway.admin)
            .take(MOST_SIBLINGS)
            .map(|admin| admin.to_string())
            .collect()
    }
}
