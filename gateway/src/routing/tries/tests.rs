use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::{
    compiler::{Resources, Settings, Submitted, compile},
    object::ObjectName,
    provider::Provider,
};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    capture::{self, Queue},
    config::resolved::{Caller, Config},
    providers::{canonical::Inexpressible, upstream_error::UpstreamError},
    routing::{
        breaker::{State, Verdict},
        exchange::{Ledger, Opening},
    },
    telemetry::metrics::Metrics,
};

mod unasked;

/// Somewhere to record what the requests of a test came to.
struct Desk {
    ledger: Arc<Ledger>,
    _folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = capture::Settings::new(folder.path().into(), || 0);
        Self {
            ledger: Arc::new(Ledger {
                queue: Arc::new(Queue::open(settings).unwrap()),
                metrics: Arc::new(Metrics::new().unwrap()),
                traced: false,
                ending: CancellationToken::new(),
            }),
            _folder: folder,
        }
    }

    fn exchange(&self) -> Box<Exchange> {
        let opening = Opening {
            id: "gen-0-test".into(),
            key: None,
            snapshot_revision: "test".into(),
            begun: Instant::now(),
            trace: None,
        };
        Exchange::begin(Arc::clone(&self.ledger), opening)
    }
}

fn object<T: serde::de::DeserializeOwned>(kind: &str, name: &str, mut rest: Value) -> T {
    let group = if kind == "Secret" {
        "v1"
    } else {
        "routeswitch.io/v1alpha1"
    };
    rest["apiVersion"] = json!(group);
    rest["kind"] = json!(kind);
    rest["metadata"] = json!({"name": name, "labels": {"routeswitch.io/credential": "true"}});
    serde_json::from_value(rest).unwrap()
}

/// The Route `r` over these Providers. Each of their keys is in the Secret `keys`.
fn config(providers: &[(&str, Value)], route: &Value, before: Option<&Config>) -> Config {
    let providers = providers.iter().map(|(name, spec)| {
        let mut whole = json!({"vendor": "OpenAICompatible", "baseUrl": "https://provider.example.com/v1"});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let provider: Provider = object("Provider", name, json!({ "spec": whole }));
        (
            ObjectName::new("default", *name),
            Submitted::WellFormed(Arc::new(provider)),
        )
    });
    let mut spec = json!({"model": "m"});
    spec.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    let route = Submitted::WellFormed(Arc::new(object("Route", "r", json!({ "spec": spec }))));
    let secret = object(
        "Secret",
        "keys",
        json!({"data": {"one": "c2stb25l", "two": "c2stdHdv"}}),
    );
    let resources = Resources {
        providers: providers.collect(),
        routes: BTreeMap::from([(ObjectName::new("default", "r"), route)]),
        secrets: BTreeMap::from([(ObjectName::new("default", "keys"), secret)]),
        ..Resources::default()
    };
    let compiled = compile(&resources, &Settings::default(), None);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    Config::resolve(Arc::unwrap_or_clone(compiled.snapshot), before)
}

fn route(config: &Config) -> &Route {
    config.route(&Caller::Local, "m").unwrap()
}

fn target(name: &str, provider: &str, weight: u32, priority: u32) -> Value {
    json!({"name": name, "providerRef": {"name": provider}, "model": name, "weight": weight, "priority": priority})
}

fn keys(names: &[&str]) -> Value {
    let keys: Vec<Value> = names
        .iter()
        .map(|name| json!({"secretRef": {"name": "keys", "key": name}}))
        .collect();
    json!({"auth": {"keys": keys}})
}

/// What a target does with each try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Answers,
    Refuses(u16),
    RefusesFor(u16, u64),
    CannotBeReached,
    TimesOut,
    Cuts,
    /// It has no words for the request.
    CannotExpress,
    /// It says nothing, ever.
    Hangs,
}

impl Doing {
    fn result(self) -> Result<(), Failure> {
        let status = |status, retry_after| {
            Err(Failure::Status {
                status,
                retry_after,
                error: Box::new(UpstreamError::read(b"")),
            })
        };
        match self {
            Self::Answers | Self::Hangs => Ok(()),
            Self::Refuses(code) => status(code, None),
            Self::RefusesFor(code, seconds) => status(code, Some(Duration::from_secs(seconds))),
            Self::CannotBeReached => Err(Failure::Connect("refused".to_owned())),
            Self::TimesOut => Err(Failure::FirstTokenTimeout(Duration::from_secs(1))),
            Self::Cuts => Err(Failure::EarlyEnd),
            Self::CannotExpress => Err(Inexpressible::new("n", "leave it out").into()),
        }
    }

    fn is_clients_own(self) -> bool {
        self == Self::Refuses(400)
    }
}

/// Targets that do what they are told, and what they were asked.
#[derive(Default)]
struct Script {
    doing: BTreeMap<String, Doing>,
    asked: Vec<(String, Option<String>)>,
    choice: Choice,
}

impl Script {
    fn new(doing: &[(&str, Doing)]) -> Self {
        Self {
            doing: doing.iter().map(|(name, doing)| ((*name).to_owned(), *doing)).collect(),
            asked: Vec::new(),
            choice: Choice::default(),
        }
    }

    fn targets(&self) -> Vec<&str> {
        self.asked.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn keys(&self) -> Vec<&str> {
        self.asked.iter().filter_map(|(_, key)| key.as_deref()).collect()
    }
}

impl Ask for &mut Script {
    type Answer = ();

    fn choice(&self) -> &Choice {
        &self.choice
    }

    async fn at(&mut self, target: &Target, credential: Option<&Credential>, _: &Exchange) -> Result<(), Failure> {
        let key = credential.map(|(_, value)| value.to_str().unwrap().to_owned());
        self.asked.push((target.name.to_string(), key));
        let doing = self.doing[&*target.name];
        if doing == Doing::Hangs {
            std::future::pending::<()>().await;
        }
        doing.result()
    }
}

/// One request: the index of the target that answered it, or what it failed with.
async fn request(desk: &Desk, route: &Route, script: &mut Script) -> Result<usize, Unanswered> {
    let mut exchange = desk.exchange();
    let entered = until_answered(route, None, &mut exchange, script).await?;
    note_success(route, &route.targets[entered.index], entered.hold);
    Ok(entered.index)
}

fn two_targets(more: &Value) -> Value {
    let mut route = json!({
        "targets": [target("a", "p", 1, 0), target("b", "q", 1, 1)],
        "retry": {"backoff": "1ms"},
    });
    route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    route
}

#[tokio::test]
async fn a_target_is_tried_once_more_and_then_the_next_one() {
    let desk = Desk::new();
    let config = config(&[("p", json!({})), ("q", json!({}))], &two_targets(&json!({})), None);
    for (doing, tries) in [
        (Doing::Refuses(500), 2),
        (Doing::CannotBeReached, 2),
        (Doing::Refuses(429), 2),
        (Doing::RefusesFor(429, 60), 1),
        (Doing::TimesOut, 1),
        (Doing::Cuts, 1),
        (Doing::Refuses(404), 1),
    ] {
        let mut script = Script::new(&[("a", doing), ("b", Doing::Answers)]);
        let answered = request(&desk, route(&config), &mut script).await.unwrap();
        assert_eq!(answered, 1);
        let mut expected = vec!["a"; tries];
        expected.push("b");
        assert_eq!(script.targets(), expected, "{doing:?}");
        // So that the next case begins anew.
        let breaker = &route(&config).targets[0].health.breaker;
        breaker.judge(
            crate::routing::breaker::Pass::Usual,
            Verdict::Good,
            Instant::now(),
            &route(&config).settings.breaker,
        );
    }
}

#[tokio::test]
async fn a_request_that_is_itself_at_fault_ends_at_once_and_counts_against_nobody() {
    let desk = Desk::new();
    let config = config(&[("p", json!({})), ("q", json!({}))], &two_targets(&json!({})), None);
    let mut script = Script::new(&[("a", Doing::Refuses(400)), ("b", Doing::Answers)]);
    for _ in 0..50 {
        let unanswered = request(&desk, route(&config), &mut script).await.unwrap_err();
        assert_eq!(
            unanswered.last.map(|(index, failure)| (index, failure.status())),
            Some((0, Some(400)))
        );
    }
    assert!(script.targets().iter().all(|target| *target == "a"));
    assert_eq!(
        route(&config).targets[0].health.breaker.state(Instant::now()),
        State::Closed
    );
}

#[tokio::test]
async fn a_target_that_keeps_failing_is_left_alone_over_a_change_of_configuration() {
    let desk = Desk::new();
    let providers = [("p", json!({})), ("q", json!({}))];
    let retry = json!({"retry": {"attempts": 0}});
    let first = config(&providers, &two_targets(&retry), None);
    let mut script = Script::new(&[("a", Doing::TimesOut), ("b", Doing::Answers)]);
    for _ in 0..5 {
        request(&desk, route(&first), &mut script).await.unwrap();
    }
    assert_eq!(script.targets(), ["a", "b"].repeat(5));
    let mut changed = two_targets(&retry);
    changed["aliases"] = json!(["other"]);
    let second = config(&providers, &changed, Some(&first));
    request(&desk, route(&second), &mut script).await.unwrap();
    assert_eq!(script.targets()[10..], ["b"]);
    // Another model behind the same name is another target, and so is another place.
    let mut replaced = two_targets(&retry);
    replaced["targets"][0]["model"] = json!("new");
    let third = config(&providers, &replaced, Some(&second));
    request(&desk, route(&third), &mut script).await.unwrap();
    assert_eq!(script.targets()[11..], ["a", "b"]);
    let moved = json!({"baseUrl": "https://other.example.com/v1"});
    let fourth = config(
        &[("p", moved), ("q", json!({}))],
        &two_targets(&json!({"retry": {"attempts": 0}})),
        Some(&second),
    );
    request(&desk, route(&fourth), &mut script).await.unwrap();
    assert_eq!(script.targets()[13..], ["a", "b"]);
}

#[tokio::test]
async fn a_probe_whose_client_leaves_gives_its_place_back() {
    let desk = Desk::new();
    let eager = json!({
        "targets": [target("a", "p", 1, 0)], "retry": {"attempts": 0},
        "circuitBreaker": {"consecutiveFailures": 1, "openFor": "1ms"},
    });
    let config = config(&[("p", json!({}))], &eager, None);
    let route = route(&config);
    let breaker = &route.targets[0].health.breaker;
    let mut script = Script::new(&[("a", Doing::TimesOut)]);
    request(&desk, route, &mut script).await.unwrap_err();
    while breaker.state(Instant::now()) != State::HalfOpen {
        tokio::task::yield_now().await;
    }
    let mut script = Script::new(&[("a", Doing::Hangs)]);
    let left = tokio::time::timeout(Duration::from_millis(5), request(&desk, route, &mut script)).await;
    assert!(left.is_err() && script.asked.len() == 1);
    assert_eq!(breaker.state(Instant::now()), State::HalfOpen);
    let pass = breaker.admit(Instant::now(), &route.settings.breaker).unwrap();
    breaker.judge(pass, Verdict::Good, Instant::now(), &route.settings.breaker);
    assert_eq!(breaker.state(Instant::now()), State::Closed);
}

#[tokio::test]
async fn when_no_target_takes_requests_one_is_asked_all_the_same() {
    let desk = Desk::new();
    let config = config(
        &[("p", json!({})), ("q", json!({}))],
        &two_targets(&json!({"retry": {"attempts": 0}})),
        None,
    );
    let mut script = Script::new(&[("a", Doing::TimesOut), ("b", Doing::TimesOut)]);
    for _ in 0..5 {
        request(&desk, route(&config), &mut script).await.unwrap_err();
    }
    script.asked.clear();
    request(&desk, route(&config), &mut script).await.unwrap_err();
    assert_eq!(script.asked.len(), 1, "{:?}", script.asked);
    // Once it answers, it takes requests again.
    let mut healed = Script::new(&[("a", Doing::Answers), ("b", Doing::Answers)]);
    let answered = request(&desk, route(&config), &mut healed).await.unwrap();
    let health = &route(&config).targets[answered].health;
    assert_eq!(health.breaker.state(Instant::now()), State::Closed);
}

#[tokio::test]
async fn another_key_takes_the_place_of_one_that_is_limited_or_refused() {
    let desk = Desk::new();
    for status in [429, 401] {
        let one_target = json!({"targets": [target("a", "p", 1, 0)], "retry": {"backoff": "1ms"}});
        let config = config(&[("p", keys(&["one", "two"]))], &one_target, None);
        let mut script = Script::new(&[("a", Doing::Refuses(status))]);
        request(&desk, route(&config), &mut script).await.unwrap_err();
        assert_eq!(script.keys(), ["Bearer sk-one", "Bearer sk-two"], "{status}");
        let target = &route(&config).targets[0];
        assert_eq!(target.health.breaker.state(Instant::now()), State::Closed);
        assert_eq!(target.account.cooling_keys(Instant::now()).count(), 2);
    }
}

#[tokio::test]
async fn a_target_whose_keys_are_all_left_alone_is_passed_over() {
    let desk = Desk::new();
    let config = config(
        &[("p", keys(&["one"])), ("q", json!({}))],
        &two_targets(&json!({})),
        None,
    );
    let mut script = Script::new(&[("a", Doing::RefusesFor(429, 60)), ("b", Doing::Answers)]);
    request(&desk, route(&config), &mut script).await.unwrap();
    request(&desk, route(&config), &mut script).await.unwrap();
    assert_eq!(script.targets(), ["a", "b", "b"]);
}

#[tokio::test]
async fn places_are_given_back_however_a_request_ends() {
    let desk = Desk::new();
    let limited = json!({"limits": {"maxConcurrent": 1}});
    let config = config(
        &[("p", limited.clone()), ("q", limited)],
        &two_targets(&json!({})),
        None,
    );
    let route = route(&config);
    for doing in [Doing::Answers, Doing::Refuses(500), Doing::Refuses(400)] {
        let mut script = Script::new(&[("a", doing), ("b", Doing::Answers)]);
        let _ = request(&desk, route, &mut script).await;
        for target in &route.targets {
            assert_eq!(target.health.in_flight(), 0);
            assert!(target.account.gate.try_enter(1).is_some());
        }
    }
    // One that holds its target keeps the place.
    let mut script = Script::new(&[("a", Doing::Answers), ("b", Doing::Answers)]);
    let mut exchange = desk.exchange();
    let held = until_answered(route, None, &mut exchange, &mut script)
        .await
        .ok()
        .unwrap();
    assert_eq!(route.targets[0].health.in_flight(), 1);
    assert!(route.targets[0].account.gate.try_enter(1).is_none());
    drop(held);
    assert!(route.targets[0].account.gate.try_enter(1).is_some());
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        Just(Doing::Answers),
        Just(Doing::Refuses(400)),
        Just(Doing::Refuses(500)),
        Just(Doing::Refuses(404)),
        Just(Doing::RefusesFor(429, 60)),
        Just(Doing::CannotBeReached),
        Just(Doing::TimesOut),
        Just(Doing::Cuts),
    ]
}

#[test]
fn any_mix_of_targets_is_tried_by_the_rules() {
    let desk = Desk::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let one = (doing(), 0..3_u32, 0..3_u32, proptest::bool::ANY);
    proptest!(|(targets in proptest::collection::vec(one, 1..7), attempts in 0..3_u32, on_timeout in proptest::bool::ANY)| {
        let names: Vec<String> = (0..targets.len()).map(|index| format!("t{index}")).collect();
        let specs: Vec<Value> = names.iter().zip(&targets)
            .map(|(name, (_, weight, priority, _))| target(name, "p", *weight, *priority)).collect();
        let on = if on_timeout { json!(["Timeout"]) } else { json!(["Connect", "RateLimited", "ServerError"]) };
        let spec = json!({
            "targets": specs, "retry": {"attempts": attempts, "backoff": "1ms", "when": on},
            "circuitBreaker": {"consecutiveFailures": 9, "failurePercent": 0},
        });
        let config = config(&[("p", json!({}))], &spec, None);
        let route = route(&config);
        let now = Instant::now();
        let is_open = |index: usize| targets[index].3;
        for (index, target) in route.targets.iter().enumerate() {
            for _ in 0..if is_open(index) { 9 } else { 0 } {
                target.health.breaker.judge(crate::routing::breaker::Pass::Usual, Verdict::Bad, now, &route.settings.breaker);
            }
        }
        let mut script = Script {
            doing: names.iter().cloned().zip(targets.iter().map(|(doing, ..)| *doing)).collect(),
            asked: Vec::new(),
            choice: Choice::default(),
        };
        let result = runtime.block_on(request(&desk, route, &mut script));
        let asked: Vec<usize> = script.targets().iter().map(|name| name[1..].parse().unwrap()).collect();

        let all_open = (0..targets.len()).all(is_open);
        prop_assert!(!asked.is_empty());
        if all_open {
            prop_assert_eq!(asked.len(), 1, "one try when nothing takes requests");
        } else {
            prop_assert!(asked.iter().all(|index| !is_open(*index)), "an open one was asked: {:?}", asked);
        }
        for (index, (doing, ..)) in targets.iter().enumerate() {
            let tries = asked.iter().filter(|asked| **asked == index).count();
            let is_worth_it = match *doing {
                Doing::Refuses(500) | Doing::CannotBeReached => !on_timeout,
                Doing::TimesOut | Doing::Cuts => on_timeout,
                _ => false,
            };
            let most = if is_worth_it && !all_open { 1 + attempts as usize } else { 1 };
            prop_assert!(tries == 0 || tries == most, "{} tries of {}", tries, most);
        }
        // Tries at one target are not interrupted by others.
        let mut visits = asked.clone();
        visits.dedup();
        let mut distinct = visits.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(visits.len(), distinct.len());

        let last = targets[asked[asked.len() - 1]].0;
        let ends = |index: &usize| targets[*index].0 == Doing::Answers || targets[*index].0.is_clients_own();
        prop_assert!(visits[..visits.len() - 1].iter().all(|index| !ends(index)), "it went on after the end");
        if let Ok(index) = result {
            prop_assert!(last == Doing::Answers && asked.last() == Some(&index));
        } else {
            let is_exhausted = visits.len() == (0..targets.len()).filter(|index| !is_open(*index)).count();
            prop_assert!(last.is_clients_own() || is_exhausted || all_open, "{:?}", asked);
        }
    });
}
