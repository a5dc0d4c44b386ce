use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn rules() -> Rules {
    Rules {
        half_open_probes: 2,
        ..Rules::default()
    }
}

/// A breaker at a time that moves when it is told to.
struct Bench {
    breaker: Breaker,
    now: Instant,
    rules: Rules,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(now),
            now,
            rules,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn admit(&self) -> Option<Pass> {
        self.breaker.admit(self.now, &self.rules)
    }

    fn judge(&self, pass: Pass, verdict: Verdict) {
        self.breaker.judge(pass, verdict, self.now, &self.rules);
    }

    fn request(&self, verdict: Verdict) {
        let pass = self.admit().unwrap();
        self.judge(pass, verdict);
    }

    fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    /// Opened by failures in a row.
    fn opened(rules: Rules) -> Self {
        let bench = Self::new(rules);
        for _ in 0..rules.consecutive_failures {
            bench.request(Verdict::Bad);
        }
        bench
    }
}

#[test]
fn failures_in_a_row_open_it_and_neither_successes_nor_cancelled_requests_do() {
    let bench = Bench::new(rules());
    for _ in 0..4 {
        bench.request(Verdict::Bad);
    }
    bench.request(Verdict::Good);
    for _ in 0..4 {
        bench.request(Verdict::Bad);
        bench.request(Verdict::Neither);
    }
    assert_eq!(bench.state(), State::Closed);
    bench.request(Verdict::Bad);
    assert_eq!(bench.state(), State::Open(Duration::from_secs(30)));
    assert_eq!(bench.admit(), None);
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_requests() {
    let bench = Bench::new(rules());
    for _ in 0..9 {
        bench.request(Verdict::Bad);
        bench.request(Verdict::Good);
    }
    bench.request(Verdict::Good);
    assert_eq!(bench.state(), State::Closed, "19 requests are too few");
    bench.request(Verdict::Bad);
    assert!(matches!(bench.state(), State::Open(_)), "10 of 20");
}

/// Each request under way that ended by the old rules emptied the window of the new ones.
#[test]
fn what_was_let_in_before_the_window_changed_takes_nothing_from_the_new_one() {
    let mut bench = Bench::new(Rules {
        consecutive_failures: 0,
        ..rules()
    });
    bench.wait(1_000);
    let old_rules = bench.rules;
    let old: Vec<Pass> = (0..20).map(|_| bench.admit().unwrap()).collect();
    bench.rules.window = old_rules.window / 3;
    for pass in old {
        bench.request(Verdict::Bad);
        bench.breaker.judge(pass, Verdict::Good, bench.now, &old_rules);
    }
    assert!(matches!(bench.state(), State::Open(_)), "20 of 20, and not 20 of 40");
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let mut bench = Bench::new(Rules {
        consecutive_failures: 0,
        ..rules()
    });
    for _ in 0..19 {
        bench.request(Verdict::Bad);
    }
    bench.wait(31);
    bench.request(Verdict::Bad);
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn rules_of_zero_never_open_it() {
    let bench = Bench::new(Rules {
        consecutive_failures: 0,
        failure_percent: 0,
        ..rules()
    });
    for _ in 0..1000 {
        bench.request(Verdict::Bad);
    }
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn after_its_time_it_lets_as_many_probes_in_as_there_are_and_closes_when_all_succeed() {
    let mut bench = Bench::opened(rules());
    bench.wait(29);
    assert_eq!(bench.admit(), None);
    bench.wait(1);
    assert_eq!(bench.state(), State::HalfOpen);
    let (one, other) = (bench.admit().unwrap(), bench.admit().unwrap());
    assert!(matches!((one, other), (Pass::Probe(1), Pass::Probe(1))));
    assert_eq!(bench.admit(), None);
    bench.judge(one, Verdict::Good);
    assert_eq!((bench.state(), bench.admit()), (State::HalfOpen, None));
    bench.judge(other, Verdict::Good);
    assert_eq!((bench.state(), bench.admit()), (State::Closed, Some(Pass::Usual)));
}

#[test]
fn a_probe_that_fails_opens_it_again_and_one_that_is_cancelled_gives_its_place_back() {
    let mut bench = Bench::opened(rules());
    bench.wait(30);
    let (one, other) = (bench.admit().unwrap(), bench.admit().unwrap());
    bench.judge(one, Verdict::Neither);
    let third = bench.admit().unwrap();
    bench.judge(other, Verdict::Bad);
    assert_eq!(bench.state(), State::Open(Duration::from_secs(30)));
    // The third one is of a round that is over, and so is what it says.
    bench.judge(third, Verdict::Good);
    bench.wait(30);
    assert!(matches!(bench.admit(), Some(Pass::Probe(2))));
    bench.judge(third, Verdict::Good);
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn what_began_before_it_opened_says_nothing_any_more() {
    let bench = Bench::new(rules());
    let old = bench.admit().unwrap();
    for _ in 0..5 {
        bench.request(Verdict::Bad);
    }
    bench.judge(old, Verdict::Good);
    assert!(matches!(bench.state(), State::Open(_)));
}

#[test]
fn a_request_that_was_forced_tells_as_much_as_a_probe() {
    let one_probe = Rules {
        half_open_probes: 1,
        ..rules()
    };
    let mut bench = Bench::opened(one_probe);
    bench.wait(10);
    bench.judge(Pass::Forced, Verdict::Bad);
    assert_eq!(bench.state(), State::Open(Duration::from_secs(30)));
    bench.judge(Pass::Forced, Verdict::Neither);
    assert_eq!(bench.state(), State::Open(Duration::from_secs(30)));
    bench.judge(Pass::Forced, Verdict::Good);
    assert_eq!(bench.state(), State::Closed);
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Good), Just(Verdict::Bad), Just(Verdict::Neither)]
}

proptest! {
    /// Whatever happens, it never lets more probes in than it may, and never stays open for longer than it may.
    #[test]
    fn it_always_comes_back(steps in proptest::collection::vec((0..40_u64, proptest::collection::vec(verdict(), 0..8)), 1..30)) {
        let mut bench = Bench::new(rules());
        for (seconds, verdicts) in steps {
            bench.wait(seconds);
            let before = bench.state();
            let passes: Vec<Pass> = verdicts.iter().filter_map(|_| bench.admit()).collect();
            match before {
                State::Closed => prop_assert_eq!(passes.len(), verdicts.len()),
                State::Open(_) => prop_assert_eq!(passes.len(), 0),
                State::HalfOpen => prop_assert!(passes.len() <= 2),
            }
            for (pass, verdict) in passes.into_iter().zip(verdicts) {
                bench.judge(pass, verdict);
            }
            if let State::Open(left) = bench.state() {
                prop_assert!(left <= bench.rules.open_for);
            }
        }
        bench.wait(30);
        let last = bench.state();
        prop_assert!(last == State::Closed || last == State::HalfOpen);
        prop_assert!(bench.admit().is_some());
    }

    #[test]
    fn what_says_nothing_never_opens_it(requests in proptest::collection::vec(prop_oneof![Just(Verdict::Good), Just(Verdict::Neither)], 0..200)) {
        let bench = Bench::new(rules());
        for verdict in requests {
            bench.request(verdict);
        }
        prop_assert_eq!(bench.state(), State::Closed);
    }
}
