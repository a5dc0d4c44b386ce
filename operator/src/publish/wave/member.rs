//! One pod: what it said last, what is on its way to it, and when it is asked again.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crds::{
    fleet::{Order, PodReport, digest::Digests, key::KeyId},
    object::ObjectId,
};
use http::StatusCode;
use rand::{RngExt, rngs::StdRng};

use super::{Desired, Errand, GIVE_UP, Ledger};
use crate::publish::pods::Gateway;

/// How often a pod is asked how it is.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The same of a pod that starts, or refuses something: what heals is seen soon.
const SOON: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles up to [`SOON`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The same after a Snapshot was refused whole: a pod rarely changes its mind, and each time costs a Snapshot.
const FIRST_REFUSAL_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_REFUSAL_PAUSE: Duration = Duration::from_secs(30);
/// A pod that says nothing for so long is in trouble, even if it has all that is wanted.
const SILENCE: Duration = Duration::from_secs(30);

/// One pod.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) gateway: Gateway,
    pub(super) held: Option<Held>,
    pub(super) refused: Arc<BTreeMap<ObjectId, String>>,
    pub(super) key_ids: Vec<KeyId>,
    pub(super) kept_unix_millis: Option<i64>,
    /// How often in a row it did not believe a signature.
    pub(super) unauthorized: usize,
    /// The push on its way, and since when.
    pushing: Option<(Order, Instant)>,
    /// When the question on its way was asked.
    asking: Option<Instant>,
    failures: u32,
    /// No push and no reading back before.
    not_before: Instant,
    ask_at: Instant,
    /// It did not answer, or not as a gateway of this fleet: it is asked how it is before it is sent anything.
    is_lost: bool,
    /// When it answered last, or was first seen.
    heard: Instant,
    /// When its Pod object changed last.
    changed: Instant,
    /// When `held` was last learned from a push.
    pushed: Option<Instant>,
    words: Option<Words>,
    /// The last push that came to an end, one way or the other.
    tried: Option<Order>,
}

/// A Snapshot that a pod holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) order: Order,
    pub(super) revision: String,
    pub(super) digests: Option<Arc<Digests>>,
}

/// What went wrong last.
#[derive(Clone, Debug)]
enum Words {
    /// It did not take what it was sent. That stands until it does, or nothing more is wanted of it.
    Refusal(String),
    /// It does not believe our signature.
    Unauthorized(String),
    /// Said here of its silence, which counts when it lasts or when something does not reach the pod.
    Silence(String),
}

impl Member {
    pub(super) fn new(gateway: Gateway, now: Instant) -> Self {
        Self {
            gateway,
            held: None,
            refused: Arc::default(),
            key_ids: Vec::new(),
            kept_unix_millis: None,
            unauthorized: 0,
            pushing: None,
            asking: None,
            failures: 0,
            not_before: now,
            ask_at: now,
            is_lost: false,
            heard: now,
            changed: now,
            pushed: None,
            words: None,
            tried: None,
        }
    }

    /// Its Pod object changed.
    pub(super) fn update(&mut self, gateway: &Gateway, now: Instant) {
        if self.gateway != *gateway {
            self.gateway = gateway.clone();
            self.changed = now;
            self.ask_at = now;
            self.not_before = self.not_before.min(now);
        }
    }

    /// A new Snapshot has a new chance with a pod that refused the one before. Silence is another matter.
    pub(super) fn forgive(&mut self, now: Instant) {
        if !self.is_lost {
            self.failures = 0;
            self.not_before = now;
        }
    }

    /// By ordinal, then name.
    pub(super) fn place(&self) -> (u32, &str) {
        (self.gateway.ordinal.unwrap_or(u32::MAX), &self.gateway.name)
    }

    /// What is wanted is not what it holds. The same content counts if it has it from this leader, or from a later one.
    pub(super) fn wants(&self, desired: &Desired) -> bool {
        !self
            .held
            .as_ref()
            .is_some_and(|held| held.revision == desired.revision && held.order.epoch >= desired.order.epoch)
    }

    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.pushing.is_none() && !self.is_lost && self.gateway.admin.is_some() && now >= self.not_before
    }

    pub(super) fn is_pushing(&self, order: Order) -> bool {
        self.pushing.is_some_and(|(pushed, _)| pushed == order)
    }

    /// Since when a push is on its way.
    pub(super) fn pushing(&self) -> Option<Instant> {
        self.pushing.map(|(_, since)| since)
    }

    pub(super) fn push(&mut self, order: Order, now: Instant) {
        self.pushing = Some((order, now));
    }

    /// A heartbeat, or reading back, where it is time for one.
    pub(super) fn question(&mut self, now: Instant, ledger: &Ledger) -> Option<Errand> {
        if self.asking.is_some() || self.pushing.is_some() || self.gateway.admin.is_none() {
            return None;
        }
        let errand = if now >= self.ask_at {
            Errand::Heartbeat
        } else if self.is_unread(ledger) && now >= self.not_before && !self.is_lost {
            Errand::Read
        } else {
            return None;
        };
        self.asking = Some(now);
        Some(errand)
    }

    fn is_unread(&self, ledger: &Ledger) -> bool {
        let unread = |held: &Held| held.digests.is_none() && ledger.get(&held.revision).is_none();
        self.held.as_ref().is_some_and(unread)
    }

    /// When it is next to be looked at.
    pub(super) fn wake(&self, now: Instant, wants: bool, ledger: &Ledger) -> Option<Instant> {
        self.gateway.admin?;
        if let Some((_, since)) = self.pushing {
            let given_up = since + GIVE_UP;
            return (given_up > now).then_some(given_up);
        }
        let push = (wants && !self.is_lost).then_some(self.not_before);
        let question = self.asking.is_none().then(|| {
            let read = (self.is_unread(ledger) && !self.is_lost).then_some(self.not_before);
            read.map_or(self.ask_at, |read| read.min(self.ask_at))
        });
        let silence = Some(self.heard + SILENCE).filter(|&silent| self.is_lost && silent > now);
        [push, question, silence].into_iter().flatten().min()
    }

    /// It said how it is.
    pub(super) fn reported(
        &mut self,
        errand: Errand,
        report: PodReport,
        ledger: &Ledger,
        now: Instant,
        random: &mut StdRng,
    ) {
        let since = self.end(errand);
        self.heard = now;
        self.is_lost = false;
        self.unauthorized = 0;
        self.key_ids = report.key_ids;
        let is_question = !matches!(errand, Errand::Push(_));
        if is_question && since.is_some_and(|asked| self.pushed.is_some_and(|pushed| pushed > asked)) {
            // It was asked before the push that it has answered meanwhile.
            return;
        }
        self.kept_unix_millis = report.kept_unix_millis;
        self.hold(report.order.zip(report.revision), ledger);
        let refused: BTreeMap<ObjectId, String> = report
            .refused
            .into_iter()
            .filter_map(|(object, words)| Some((object.parse().ok()?, words)))
            .collect();
        if *self.refused != refused {
            self.refused = Arc::new(refused);
        }
        let often = self.gateway.is_starting() || !self.refused.is_empty();
        let pause = match since {
            // What happened to it then, this answer may not tell.
            Some(since) if self.changed > since => Duration::ZERO,
            _ if often => SOON,
            _ => HEARTBEAT,
        };
        self.ask_at = now + pause;
        match errand {
            Errand::Push(order) => {
                self.pushed = Some(now);
                let took = self.held.as_ref().is_some_and(|held| held.order >= order);
                if took {
                    self.failures = 0;
                    self.words = None;
                } else {
                    let words = "it said that it took the Snapshot, and does not hold it";
                    self.words = Some(Words::Refusal(words.to_owned()));
                    self.pause(FIRST_PAUSE, SOON, now, random);
                }
            }
            Errand::Heartbeat | Errand::Read => {
                self.words = self.words.take().filter(|words| matches!(words, Words::Refusal(_)));
            }
        }
    }

    /// It said no. Whether to the whole Snapshot that it was sent.
    pub(super) fn refused(
        &mut self,
        errand: Errand,
        status: StatusCode,
        words: String,
        now: Instant,
        random: &mut StdRng,
    ) -> bool {
        self.end(errand);
        self.heard = now;
        match status {
            StatusCode::UNAUTHORIZED => {
                self.words = Some(Words::Unauthorized(words));
                self.unauthorized += 1;
                self.key_ids.clear();
                self.is_lost = true;
                self.pause(FIRST_PAUSE, SOON, now, random);
                self.ask_at = self.not_before;
                false
            }
            StatusCode::CONFLICT => {
                // What it holds instead, a heartbeat tells.
                self.words = Some(Words::Refusal(words));
                self.pause(FIRST_PAUSE, SOON, now, random);
                self.ask_at = now;
                false
            }
            _ => {
                self.words = Some(Words::Refusal(words));
                self.pause(FIRST_REFUSAL_PAUSE, LONGEST_REFUSAL_PAUSE, now, random);
                matches!(errand, Errand::Push(_))
            }
        }
    }

    /// It said nothing that is understood.
    pub(super) fn failed(&mut self, errand: Errand, words: String, now: Instant, random: &mut StdRng) {
        self.end(errand);
        self.is_lost = true;
        self.words = Some(Words::Silence(words));
        self.pause(FIRST_PAUSE, SOON, now, random);
        self.ask_at = self.not_before;
    }

    /// What it holds was read back, as far as it could be.
    pub(super) fn was_read(&mut self, ledger: &Ledger, now: Instant, random: &mut StdRng) {
        self.end(Errand::Read);
        self.heard = now;
        self.relearn(ledger);
        if self.is_unread(ledger) {
            // It holds another one by now: a heartbeat tells.
            self.pause(FIRST_PAUSE, SOON, now, random);
            self.ask_at = now;
        }
    }

    pub(super) fn relearn(&mut self, ledger: &Ledger) {
        if let Some(held) = self.held.as_mut().filter(|held| held.digests.is_none()) {
            held.digests = ledger.get(&held.revision).cloned();
        }
    }

    fn hold(&mut self, held: Option<(Order, String)>, ledger: &Ledger) {
        self.held = held.map(|(order, revision)| {
            let same = self.held.take().filter(|before| before.revision == revision);
            let digests = same.and_then(|before| before.digests);
            Held {
                digests: digests.or_else(|| ledger.get(&revision).cloned()),
                order,
                revision,
            }
        });
    }

    /// An errand came back. When it began.
    fn end(&mut self, errand: Errand) -> Option<Instant> {
        match errand {
            Errand::Push(order) => {
                self.tried = Some(order);
                self.pushing.take().map(|(_, since)| since)
            }
            Errand::Heartbeat | Errand::Read => self.asking.take(),
        }
    }

    fn pause(&mut self, first: Duration, longest: Duration, now: Instant, random: &mut StdRng) {
        let pause = first.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + pause.mul_f64(random.random_range(0.5..1.0));
    }

    /// It answers, and holds a key of the fleet.
    pub(super) fn is_connected(&self) -> bool {
        !self.is_lost && !self.key_ids.is_empty()
    }

    /// A wave need not wait for it.
    pub(super) fn is_settled(&self, desired: &Desired, now: Instant) -> bool {
        !self.wants(desired)
            || self.is_lost
            || self.gateway.admin.is_none()
            || self.tried == Some(desired.order)
            || self.pushing.is_some_and(|(_, since)| now >= since + GIVE_UP)
    }

    /// Why it has not got what is wanted, or will not get what will be.
    pub(super) fn trouble(&self, wants: bool, now: Instant) -> Option<String> {
        match &self.words {
            _ if self.gateway.admin.is_none() => wants.then(|| "it has no address yet".to_owned()),
            Some(Words::Unauthorized(words)) => Some(words.clone()),
            Some(Words::Refusal(words) | Words::Silence(words)) if wants => Some(words.clone()),
            Some(Words::Silence(_)) if now >= self.heard + SILENCE => {
                Some(format!("it has not answered for {} s", SILENCE.as_secs()))
            }
            Some(Words::Refusal(_) | Words::Silence(_)) | None => None,
        }
    }
}
