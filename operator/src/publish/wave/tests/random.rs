//! Any fleet, any answers: what always holds.

use proptest::prelude::*;

use super::*;

/// What a pod makes of a push.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Takes,
    Refuses,
    Unauthorized,
    /// No connection.
    Down,
    /// It answers nothing, and the push runs out of time.
    Silent,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Want,
    /// From now on.
    Manner(usize, Manner),
    Ready(usize, bool),
    /// The process starts anew, without anything.
    Restart(usize),
    Pass(u64),
}

fn manners() -> impl Strategy<Value = Manner> {
    use Manner::{Down, Refuses, Silent, Takes, Unauthorized};
    prop::sample::select(vec![Takes, Takes, Refuses, Unauthorized, Down, Silent])
}

fn events(pods: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Want),
        2 => (0..pods, manners()).prop_map(|(pod, manner)| Event::Manner(pod, manner)),
        1 => (0..pods, any::<bool>()).prop_map(|(pod, ready)| Event::Ready(pod, ready)),
        1 => (0..pods).prop_map(Event::Restart),
        4 => (1_u64..3_000).prop_map(Event::Pass),
    ]
}

/// Pods as they would answer, each answer on its way for a while.
struct World {
    scene: Scene,
    ready: Vec<bool>,
    manners: Vec<Manner>,
    held: Vec<Option<Order>>,
    on_its_way: Vec<(Instant, usize, Errand, Answer)>,
    newest: u64,
}

impl World {
    fn new(pods: usize) -> Self {
        Self {
            scene: Scene::new(vec![true; pods]),
            ready: vec![true; pods],
            manners: vec![Manner::Takes; pods],
            held: vec![None; pods],
            on_its_way: Vec::new(),
            newest: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Want => {
                self.newest += 1;
                self.scene.want(order(self.newest));
            }
            Event::Manner(pod, manner) => self.manners[pod] = manner,
            Event::Ready(pod, ready) => {
                self.ready[pod] = ready;
                self.scene
                    .wave
                    .sync(&gateways(self.ready.iter().copied()), self.scene.now);
            }
            Event::Restart(pod) => self.held[pod] = None,
            Event::Pass(millis) => self.pass(Duration::from_millis(millis)),
        }
        self.step();
    }

    /// Lets time go on from one thing to do to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.scene.now + time;
        let mut steps = 0;
        loop {
            self.step();
            let wake = self.scene.wave.wake(self.scene.now, true);
            let arrival = self.on_its_way.iter().map(|(at, ..)| *at).min();
            let Some(next) = wake.into_iter().chain(arrival).min().filter(|&next| next <= end) else {
                break;
            };
            self.scene.now = self.scene.now.max(next);
            steps += 1;
            assert!(steps < 100_000, "it spins");
        }
        self.scene.now = end;
    }

    fn step(&mut self) {
        let now = self.scene.now;
        let (arrived, rest): (Vec<_>, _) = std::mem::take(&mut self.on_its_way)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.on_its_way = rest;
        for (_, pod, errand, answer) in arrived {
            self.scene.answer(pod, errand, answer);
        }
        let is_stopped = self.scene.wave.is_stopped();
        let due = self.scene.wave.due(now, true);
        for (uid, errand) in due {
            let pod: usize = uid[4..].parse().unwrap();
            if let Errand::Push(pushed) = errand {
                assert_eq!(pushed, order(self.newest), "only the newest is pushed");
                let others = self.on_its_way.iter();
                let mut others =
                    others.filter(|(_, other, errand, _)| *other == pod && matches!(errand, Errand::Push(_)));
                assert!(others.next().is_none(), "one push a pod");
                let desired = self.scene.wave.desired.as_ref().unwrap();
                assert!(
                    !is_stopped || desired.refusals.contains(&uid),
                    "a stopped wave goes no further"
                );
            }
            let answer = self.ask(pod, errand);
            self.on_its_way.push(answer);
        }
    }

    fn ask(&mut self, pod: usize, errand: Errand) -> (Instant, usize, Errand, Answer) {
        let (millis, answer) = match (self.manners[pod], errand) {
            (Manner::Down, _) => (1, Answer::None("connection refused".to_owned())),
            (Manner::Silent, Errand::Push(_)) => (15_000, Answer::None("no answer within 15 s".to_owned())),
            (Manner::Silent, _) => (2_000, Answer::None("no answer within 2 s".to_owned())),
            (Manner::Unauthorized, _) => (2, no(StatusCode::UNAUTHORIZED, "not my key")),
            (Manner::Refuses, Errand::Push(_)) => (5, no(StatusCode::UNPROCESSABLE_ENTITY, "no")),
            (Manner::Takes, Errand::Push(pushed)) => {
                self.held[pod] = self.held[pod].max(Some(pushed));
                (10, Answer::Report(report(pod, self.held[pod])))
            }
            (_, Errand::Read) => (3, Answer::Held(None)),
            (_, _) => (3, Answer::Report(report(pod, self.held[pod]))),
        };
        (self.scene.now + Duration::from_millis(millis), pod, errand, answer)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn when_all_pods_are_well_again_all_have_the_newest(
        (pods, events) in (1_usize..6).prop_flat_map(|pods| (Just(pods), prop::collection::vec(events(pods), 1..40)))
    ) {
        let mut world = World::new(pods);
        world.happen(Event::Want);
        for event in events {
            world.happen(event);
        }
        for pod in 0..pods {
            world.manners[pod] = Manner::Takes;
            world.happen(Event::Ready(pod, true));
        }
        // A push that is on its way, and the longest pause after a refusal, have to pass.
        world.pass(Duration::from_mins(1));
        let newest = Some(order(world.newest));
        prop_assert!(world.held.iter().all(|held| *held == newest), "{:?}", world.held);
        let fleet = world.scene.fleet();
        prop_assert!(fleet.settled && world.scene.wave.is_complete());
        prop_assert!(fleet.pods.iter().all(|pod| pod.trouble.is_none()), "{:?}", fleet.pods);
    }
}
