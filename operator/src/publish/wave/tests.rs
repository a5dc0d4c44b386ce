//! Waves in a time of their own.

use crds::fleet::{PodIdentity, PodReport, Refusal, key::FleetKey};
use http::StatusCode;
use rand::SeedableRng;

use super::*;
use crate::publish::{Fleet, pods::Gateway};

mod random;

const FIRST: Order = order(1);
const SECOND: Order = order(2);

const fn order(sequence: u64) -> Order {
    Order { epoch: 1, sequence }
}

fn uid(index: usize) -> String {
    format!("uid-{index}")
}

fn gateway(index: usize, ready: bool) -> Gateway {
    Gateway {
        name: format!("gateway-{index}"),
        uid: uid(index),
        ordinal: u32::try_from(index).ok(),
        admin: Some(([10, 0, 0, u8::try_from(index).unwrap()], 9090).into()),
        ready,
        terminating: false,
    }
}

fn gateways(ready: impl IntoIterator<Item = bool>) -> Gateways {
    let gateways = ready
        .into_iter()
        .enumerate()
        .map(|(index, ready)| gateway(index, ready));
    gateways.map(|gateway| (gateway.name.clone(), gateway)).collect()
}

fn report(index: usize, held: Option<Order>) -> PodReport {
    PodReport {
        pod: PodIdentity {
            name: format!("gateway-{index}"),
            uid: uid(index),
        },
        order: held,
        revision: held.map(revision),
        refused: BTreeMap::new(),
        key_ids: keys().ids(),
        kept_unix_millis: None,
    }
}

fn revision(order: Order) -> String {
    format!("{}-{}", order.epoch, order.sequence)
}

fn keys() -> FleetKeys {
    let key = |byte| FleetKey::new(&[byte; 32]).unwrap();
    FleetKeys {
        current: key(1),
        previous: Some(key(2)),
    }
}

fn no(status: StatusCode, message: &str) -> Answer {
    let message = message.to_owned();
    Answer::Refused(status, Refusal { message, order: None })
}

/// A wave over pods that have all told that they hold nothing.
struct Scene {
    wave: Wave,
    now: Instant,
}

impl Scene {
    fn new(ready: impl IntoIterator<Item = bool>) -> Self {
        let now = Instant::now();
        let mut wave = Wave::new(StdRng::seed_from_u64(7));
        let gateways = gateways(ready);
        wave.sync(&gateways, now);
        let mut scene = Self { wave, now };
        for (uid, errand) in scene.wave.due(now, true) {
            assert_eq!(errand, Errand::Heartbeat);
            let index = uid[4..].parse().unwrap();
            scene
                .wave
                .answered(&uid, errand, Answer::Report(report(index, None)), now);
        }
        scene
    }

    fn want(&mut self, order: Order) {
        self.wave.want(order, &revision(order), Arc::default(), self.now);
    }

    /// The pods that are sent something now.
    fn pushed(&mut self) -> Vec<usize> {
        self.due(|errand| matches!(errand, Errand::Push(_)))
    }

    fn due(&mut self, wanted: impl Fn(Errand) -> bool) -> Vec<usize> {
        let due = self.wave.due(self.now, true).into_iter();
        let wanted = due.filter(|(_, errand)| wanted(*errand));
        wanted.map(|(uid, _)| uid[4..].parse().unwrap()).collect()
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn take(&mut self, index: usize, order: Order) {
        let answer = Answer::Report(report(index, Some(order)));
        self.wave.answered(&uid(index), Errand::Push(order), answer, self.now);
    }

    fn answer(&mut self, index: usize, errand: Errand, answer: Answer) {
        self.wave.answered(&uid(index), errand, answer, self.now);
    }

    fn fleet(&self) -> Fleet {
        self.wave.fleet(None, None, self.now)
    }

    fn trouble(&self, index: usize) -> Option<String> {
        self.fleet().pods[index].trouble.clone()
    }
}

#[test]
fn one_pod_is_first_and_then_all_others_at_once() {
    let mut scene = Scene::new([true; 4]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    scene.pass(249);
    assert_eq!(scene.pushed(), [0; 0]);
    assert!(!scene.fleet().settled);
    scene.take(0, FIRST);
    assert_eq!(scene.pushed(), [1, 2, 3]);
    for index in 1..4 {
        scene.take(index, FIRST);
    }
    let fleet = scene.fleet();
    assert!(fleet.settled && scene.wave.is_complete());
    assert!(
        fleet
            .pods
            .iter()
            .all(|pod| pod.order == Some(FIRST) && pod.trouble.is_none())
    );
    assert_eq!(scene.pushed(), [0; 0], "what all have is not pushed again");
}

#[test]
fn a_silent_first_pod_is_passed_over_after_a_quarter_of_a_second() {
    let mut scene = Scene::new([true; 3]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    assert_eq!(scene.wave.wake(scene.now, true), Some(scene.now + FIRST_ANSWER));
    scene.pass(250);
    assert_eq!(scene.pushed(), [1]);
    scene.take(1, FIRST);
    assert_eq!(scene.pushed(), [2]);
    scene.take(2, FIRST);
    assert!(!scene.fleet().settled, "the first one may still answer");
    scene.pass(750);
    assert!(
        scene.fleet().settled && !scene.wave.is_complete(),
        "it was given up for now"
    );
}

#[test]
fn one_refusal_is_passed_over_and_two_stop_the_wave() {
    let mut scene = Scene::new([true; 4]);
    scene.want(FIRST);
    let refusal = || no(StatusCode::UNPROCESSABLE_ENTITY, "version 9 is not known here");
    assert_eq!(scene.pushed(), [0]);
    scene.answer(0, Errand::Push(FIRST), refusal());
    assert_eq!(scene.pushed(), [1]);
    scene.answer(1, Errand::Push(FIRST), refusal());
    assert_eq!(scene.pushed(), [0; 0]);
    let fleet = scene.fleet();
    assert!(fleet.settled);
    assert_eq!(fleet.pods[1].trouble.as_deref(), Some("version 9 is not known here"));
    assert_eq!(fleet.pods[2].trouble, None);
    // Those two are asked again now and then; when one takes it, the others get it.
    scene.pass(2_000);
    assert_eq!(scene.pushed(), [0, 1]);
    scene.take(0, FIRST);
    assert_eq!(scene.pushed(), [2, 3]);
    // Another Snapshot has its chance at once.
    scene.want(SECOND);
    assert_eq!(scene.pushed(), [0]);
}

#[test]
fn a_refusal_of_one_pod_among_many_does_not_reach_the_others() {
    let mut scene = Scene::new([true; 3]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    scene.answer(0, Errand::Push(FIRST), no(StatusCode::UNPROCESSABLE_ENTITY, "no"));
    assert_eq!(scene.pushed(), [1]);
    scene.take(1, FIRST);
    assert_eq!(scene.pushed(), [2]);
    scene.take(2, FIRST);
    assert!(scene.fleet().settled);
}

#[test]
fn the_newest_wins_and_a_pod_has_one_push_at_most() {
    let mut scene = Scene::new([true; 2]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    scene.want(SECOND);
    assert_eq!(scene.pushed(), [1], "the first still takes the one before");
    scene.take(1, SECOND);
    assert_eq!(scene.pushed(), [0; 0]);
    scene.take(0, FIRST);
    assert!(!scene.fleet().settled);
    assert_eq!(scene.pushed(), [0]);
    scene.take(0, SECOND);
    assert!(scene.wave.is_complete());
}

#[test]
fn a_lost_pod_is_asked_with_pauses_and_sent_the_newest_when_it_is_back() {
    let mut scene = Scene::new([true; 1]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    scene.answer(0, Errand::Push(FIRST), Answer::None("connection refused".to_owned()));
    assert_eq!(scene.trouble(0).as_deref(), Some("connection refused"));
    assert!(scene.fleet().settled);
    let mut asked = Vec::new();
    for _ in 0..8 {
        let wake = scene.wave.wake(scene.now, true).unwrap();
        asked.push(wake - scene.now);
        scene.now = wake;
        assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [0]);
        scene.answer(0, Errand::Heartbeat, Answer::None("connection refused".to_owned()));
    }
    assert!(
        asked[0] < Duration::from_millis(101) && asked[7] > Duration::from_millis(499),
        "{asked:?}"
    );
    assert!(asked.iter().all(|pause| *pause <= Duration::from_secs(1)), "{asked:?}");
    scene.want(SECOND);
    assert_eq!(scene.pushed(), [0; 0], "it is asked before it is sent a whole Snapshot");
    scene.pass(1_000);
    assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [0]);
    scene.answer(0, Errand::Heartbeat, Answer::Report(report(0, Some(FIRST))));
    assert_eq!(scene.pushed(), [0]);
    scene.take(0, SECOND);
    assert_eq!(scene.trouble(0), None);
}

#[test]
fn silence_of_a_pod_that_has_everything_is_trouble_after_half_a_minute() {
    let mut scene = Scene::new([true; 1]);
    scene.want(FIRST);
    scene.pushed();
    scene.take(0, FIRST);
    let mut lasted = Duration::ZERO;
    while scene.trouble(0).is_none() {
        let wake = scene.wave.wake(scene.now, true).unwrap();
        lasted += wake - scene.now;
        scene.now = wake;
        for index in scene.due(|errand| errand == Errand::Heartbeat) {
            scene.answer(
                index,
                Errand::Heartbeat,
                Answer::None("no answer within 2 s".to_owned()),
            );
        }
    }
    assert_eq!(scene.trouble(0).as_deref(), Some("it has not answered for 30 s"));
    assert_eq!(lasted, Duration::from_secs(30));
    scene.pass(1_000);
    scene.due(|_| true);
    scene.answer(0, Errand::Heartbeat, Answer::Report(report(0, Some(FIRST))));
    assert_eq!(scene.trouble(0), None);
}

#[test]
fn a_pod_without_the_key_says_so_and_heals_by_itself() {
    let mut scene = Scene::new([true; 2]);
    scene.want(FIRST);
    scene.pushed();
    scene.take(0, FIRST);
    assert_eq!(scene.pushed(), [1]);
    let words = "signed with the fleet key aa; this pod holds bb";
    scene.answer(1, Errand::Push(FIRST), no(StatusCode::UNAUTHORIZED, words));
    assert_eq!(scene.trouble(1).as_deref(), Some(words));
    assert!(scene.fleet().settled);
    let keys = keys();
    assert_eq!(
        scene.wave.signing_key(&uid(1), &keys),
        *keys.previous.as_ref().unwrap().id()
    );
    assert_eq!(scene.wave.signing_key(&uid(0), &keys), *keys.current.id());
    scene.pass(100);
    assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [1]);
    scene.answer(1, Errand::Heartbeat, Answer::Report(report(1, None)));
    assert_eq!(scene.trouble(1), None);
    assert_eq!(scene.pushed(), [1]);
}

#[test]
fn a_pod_that_restarted_with_less_or_starts_gets_the_current_one_at_once() {
    let mut scene = Scene::new([true, true, false]);
    scene.want(SECOND);
    assert_eq!(scene.pushed(), [0]);
    scene.take(0, SECOND);
    assert_eq!(scene.pushed(), [1, 2], "one that starts needs it as well");
    scene.take(1, SECOND);
    scene.take(2, SECOND);
    scene.pass(5_000);
    assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [0, 1, 2]);
    scene.answer(0, Errand::Heartbeat, Answer::Report(report(0, Some(FIRST))));
    assert_eq!(scene.pushed(), [0]);
    // Another pod of the same name is another pod.
    let mut gateways = gateways([true, true, false]);
    gateways.get_mut("gateway-1").unwrap().uid = uid(9);
    scene.wave.sync(&gateways, scene.now);
    assert_eq!(scene.pushed(), [9]);
    scene.answer(9, Errand::Push(SECOND), Answer::Report(report(1, Some(SECOND))));
    assert_eq!(
        scene.wave.fleet(None, None, scene.now).pods[1].trouble.as_deref(),
        Some("another pod answers at its address")
    );
}

#[test]
fn a_change_of_readiness_is_looked_into_at_once() {
    let mut scene = Scene::new([true, false]);
    assert_eq!(scene.due(|_| true), [0; 0]);
    scene.wave.sync(&gateways([true, true]), scene.now);
    assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [1]);
    // What changes while an answer is on its way may not be in it.
    scene.pass(1);
    scene.wave.sync(&gateways([true, false]), scene.now);
    scene.pass(1);
    scene.answer(1, Errand::Heartbeat, Answer::Report(report(1, None)));
    assert_eq!(scene.due(|errand| errand == Errand::Heartbeat), [1]);
    scene.answer(1, Errand::Heartbeat, Answer::Report(report(1, None)));
    assert_eq!(scene.due(|_| true), [0; 0]);
}

#[test]
fn only_counted_pods_settle_a_wave_and_without_any_it_is_settled() {
    let mut scene = Scene::new([true, false]);
    scene.want(FIRST);
    scene.pushed();
    scene.take(0, FIRST);
    assert!(scene.fleet().settled && scene.wave.is_complete());
    let mut scene = Scene::new([false, false]);
    scene.want(FIRST);
    assert!(scene.fleet().settled && !scene.wave.is_complete());
    assert_eq!(scene.pushed(), [0, 1]);
}

#[test]
fn what_a_later_leader_pushed_is_kept_and_told() {
    let mut scene = Scene::new([true; 1]);
    scene.want(FIRST);
    assert_eq!(scene.pushed(), [0]);
    let above = Order { epoch: 5, sequence: 2 };
    let refusal = Refusal {
        message: "older".to_owned(),
        order: Some(above),
    };
    let answer = Answer::Refused(StatusCode::CONFLICT, refusal);
    let told = scene.wave.answered(&uid(0), Errand::Push(FIRST), answer, scene.now);
    assert_eq!(told, Some(above));
}

#[test]
fn what_is_not_known_by_its_revision_is_read_back_once() {
    let mut scene = Scene::new([true; 1]);
    let old = Order { epoch: 0, sequence: 3 };
    scene.pass(5_000);
    scene.due(|_| true);
    scene.answer(0, Errand::Heartbeat, Answer::Report(report(0, Some(old))));
    assert_eq!(scene.due(|errand| errand == Errand::Read), [0]);
    assert_eq!(scene.due(|_| true), [0; 0]);
    let digests = Arc::new(Digests::from([("Route default/a".parse().unwrap(), "d".to_owned())]));
    scene.wave.ledger.remember(&revision(old), digests.clone());
    scene.answer(0, Errand::Read, Answer::Held(None));
    assert_eq!(scene.fleet().pods[0].digests, digests);
    assert_eq!(scene.due(|_| true), [0; 0]);
}

#[test]
fn credentials_are_sealed_with_what_all_counted_pods_open() {
    let keys = keys();
    let [current, previous] = [keys.current.id(), keys.previous.as_ref().unwrap().id()];
    let mut scene = Scene::new([true, true, true, false]);
    assert_eq!(scene.wave.sealing_key(&keys), *current);
    let mut tell = |index: usize, ids: &[&KeyId]| {
        let mut report = report(index, None);
        report.key_ids = ids.iter().map(|id| (*id).clone()).collect();
        scene.answer(index, Errand::Heartbeat, Answer::Report(report));
        scene.wave.sealing_key(&keys)
    };
    assert_eq!(tell(0, &[previous]), *previous);
    let strange = KeyId::from("ffffffff");
    assert_eq!(tell(1, &[&strange]), *previous, "one that holds neither has no say");
    assert_eq!(tell(3, &[current]), *previous, "nor one that starts");
    assert_eq!(tell(0, &[current, previous]), *current);
}
