//! What holds for any mix of objects.

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::*;

/// How an object is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Absent,
    Good,
    Malformed,
    Invalid,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// For each name: a Provider with a Secret of its own, a Route to it, a prompt, a client key.
#[derive(Clone, Debug)]
struct World {
    providers: [State; 5],
    secrets: [bool; 5],
    routes: [State; 5],
    prompts: [State; 5],
    keys: [State; 5],
}

/// Chosen from a list: a union of strategies, forty times in a world, is more than the stack of a test's thread holds.
fn state() -> impl Strategy<Value = State> {
    const STATES: &[State] = &[
        State::Absent,
        State::Good,
        State::Good,
        State::Malformed,
        State::Invalid,
    ];
    prop::sample::select(STATES)
}

fn world() -> impl Strategy<Value = World> {
    let states = || prop::array::uniform5(state());
    (
        states(),
        prop::array::uniform5(prop::bool::weighted(0.8)),
        states(),
        states(),
        states(),
    )
        .prop_map(|(providers, secrets, routes, prompts, keys)| World {
            providers,
            secrets,
            routes,
            prompts,
            keys,
        })
}

impl World {
    fn documents(&self) -> Vec<Value> {
        let World {
            providers,
            secrets,
            routes,
            prompts,
            keys,
        } = self;
        let mut documents = Vec::new();
        for (index, name) in NAMES.into_iter().enumerate() {
            let key = json!({"keys": [{"secretRef": {"name": format!("secret-{name}"), "key": "main"}}]});
            documents.extend(
                match providers[index] {
                    State::Absent => None,
                    State::Good => Some(json!({"vendor": "OpenAI", "auth": key})),
                    State::Malformed => Some(json!({"vendor": 5})),
                    State::Invalid => Some(json!({"vendor": "OpenAI", "auth": key, "timeouts": {"idle": "0s"}})),
                }
                .map(|spec| provider(name, spec)),
            );
            if secrets[index] {
                documents.push(credential(
                    &format!("secret-{name}"),
                    json!({"main": format!("{SECRET}-{name}")}),
                ));
            }
            let target = json!([{"name": "only", "providerRef": {"name": name}, "model": "m"}]);
            documents.extend(
                match routes[index] {
                    State::Absent => None,
                    State::Good => Some(json!({"model": name, "targets": target, "promptRef": {"name": name}})),
                    State::Malformed => Some(json!({"model": name, "targets": []})),
                    State::Invalid => {
                        let prompt = json!({"name": name});
                        Some(
                            json!({"model": name, "targets": target, "promptRef": prompt, "timeouts": {"idle": "25h"}}),
                        )
                    }
                }
                .map(|spec| route(name, spec)),
            );
            let content = |text: &str| json!({"messages": [{"role": "user", "content": text}]});
            documents.extend(
                match prompts[index] {
                    State::Absent => None,
                    State::Good => Some(content("fine")),
                    State::Malformed => Some(json!({"messages": "none"})),
                    State::Invalid => Some(content("{{ who }}")),
                }
                .map(|spec| template(name, spec)),
            );
            let secret = format!("{SECRET}-client-{name}");
            documents.extend(
                match keys[index] {
                    State::Absent => None,
                    State::Good => Some(json!({"key": secret})),
                    State::Malformed | State::Invalid => Some(json!({"key": secret, "role": "Nobody"})),
                }
                .map(|data| client_key(&format!("key-{name}"), data)),
            );
        }
        documents
    }
}

/// Whether an entry must be there, and stale: fresh when good now, stale when bad now and there before.
fn expected(now: State, was_there: bool) -> Option<bool> {
    match now {
        State::Absent => None,
        State::Good => Some(false),
        State::Malformed | State::Invalid => was_there.then_some(true),
    }
}

fn config() -> Config {
    Config {
        cases: 48,
        rng_seed: RngSeed::Fixed(9),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Good ones are there, bad ones are as they last were, withdrawn ones are gone, and nothing else is there.
    #[test]
    fn any_history_keeps_the_good_the_last_good_and_nothing_that_was_withdrawn(history in prop::collection::vec(world(), 1..4)) {
        let mut before = Compiled::default();
        for world in history {
            let after = again(&world.documents(), &before);
            let (old, new) = (&before.snapshot, &after.snapshot);
            for (index, text) in NAMES.into_iter().enumerate() {
                let (object, key) = (name(text), name(&format!("key-{text}")));
                let usable = expected(world.providers[index], old.providers.contains_key(&object)).filter(|_| world.secrets[index]);
                prop_assert_eq!(new.providers.get(&object).map(|entry| entry.stale), usable);
                let route = expected(world.routes[index], old.routes.contains_key(&object));
                prop_assert_eq!(new.routes.get(&object).map(|entry| entry.stale), route);
                let prompt = expected(world.prompts[index], old.prompts.contains_key(&object));
                prop_assert_eq!(new.prompts.get(&object).map(|entry| entry.stale), prompt);
                if let Some(entry) = new.routes.get(&object) {
                    prop_assert_eq!(entry.targets[0].resolved, usable.is_some() && prompt.is_some());
                    let used = entry.targets[0].prompt.as_ref().and_then(|used| used.revision.as_ref());
                    prop_assert_eq!(used.is_some(), prompt.is_some());
                    // Whatever a target uses is in the Snapshot, and so is what each prompt says of itself.
                    prop_assert!(used.is_none_or(|revision| new.revisions.contains_key(revision)));
                }
                if let Some(entry) = new.prompts.get(&object) {
                    let of = |revision: &String| new.revisions.get(&ObjectName::new("default", &**revision));
                    prop_assert!(of(&entry.active_revision).is_some_and(|revision| revision.template == text));
                    prop_assert!(of(&entry.spec_revision).is_some_and(|revision| revision.content == entry.content));
                }
                let client = expected(world.keys[index], old.keys.contains_key(&key));
                prop_assert_eq!(new.keys.get(&key).map(|entry| entry.stale), client);
                let bad = |state: State| matches!(state, State::Malformed | State::Invalid);
                let id = ObjectId { kind: Kind::Route, name: object };
                let reported = after.diagnostics.get(&id).into_iter().flatten();
                let refused = reported.filter(|diagnostic| diagnostic.condition == Condition::Accepted).count();
                prop_assert_eq!(refused > 0, bad(world.routes[index]));
            }
            before = after;
        }
    }

    /// What was good in a mix is as it would be without the bad ones.
    #[test]
    fn bad_objects_cost_good_ones_nothing(world in world()) {
        let good = |states: [State; 5]| states.map(|state| if state == State::Good { state } else { State::Absent });
        let World { providers, secrets, routes, prompts, keys } = world.clone();
        let only_good = World { providers: good(providers), secrets, routes: good(routes), prompts: good(prompts), keys: good(keys) };
        let (mixed, pure) = (compiled(&world.documents()).snapshot, compiled(&only_good.documents()).snapshot);
        prop_assert_eq!(mixed, pure);
    }

    #[test]
    fn order_does_not_matter_and_the_same_input_gives_the_same_revision(
        documents in world().prop_map(|world| world.documents()).prop_shuffle(),
        before in world(),
    ) {
        let before = compiled(&before.documents());
        let one = again(&documents, &before);
        let mut reversed = documents;
        reversed.reverse();
        let other = again(&reversed, &before);
        prop_assert_eq!(&one.snapshot, &other.snapshot);
        prop_assert_eq!(&one.snapshot.revision, &other.snapshot.revision);
        prop_assert_eq!(one.diagnostics, other.diagnostics);
    }

    /// Times are given to Routes that all claim one name: the oldest has it, wherever it stands in the alphabet.
    #[test]
    fn seniority_decides_conflicts_not_position(ages in Just([1, 2, 3, 4, 5]).prop_shuffle()) {
        let claim = |(text, age): (&str, i32)| created(to(text, "x", "p"), &format!("2024-01-0{age}T00:00:00Z"));
        let documents: Vec<Value> = NAMES.into_iter().zip(ages).map(claim).collect();
        let compiled = compiled(&documents);
        let oldest = ages.iter().position(|&age| age == 1).map(|index| name(NAMES[index]));
        prop_assert_eq!(compiled.snapshot.routes.keys().next(), oldest.as_ref());
        prop_assert_eq!(compiled.snapshot.routes.len(), 1);
    }

    #[test]
    fn no_secret_is_printed_or_serialized(worlds in prop::array::uniform2(world())) {
        let [before, after] = worlds.map(|world| world.documents());
        let mut documents = after;
        documents.push(keyed("z"));
        documents.push(credential("keys", json!({"main": format!("{SECRET} broken\n")})));
        let compiled = again(&documents, &compiled(&before));
        let Compiled { snapshot, diagnostics, unkept: _, digests: _ } = &compiled;
        let diagnostics: Vec<_> = diagnostics.values().collect();
        let texts = [
            format!("{compiled:?}"),
            serde_json::to_string(snapshot).unwrap(),
            serde_json::to_string(&diagnostics).unwrap(),
        ];
        for text in texts {
            prop_assert!(!text.contains(SECRET), "{}", text);
        }
    }
}

#[test]
fn the_revision_tells_every_change_of_content() {
    let base = vec![
        keyed("p"),
        credential("keys", json!({"main": SECRET})),
        to("r", "x", "p"),
        client_key("k", json!({"key": SECRET})),
        template("t", json!({"messages": [{"role": "user", "content": "x"}]})),
    ];
    let revision = |documents: &[Value]| compiled(documents).snapshot.revision.clone();
    let mut revisions = vec![revision(&base)];
    let edits: [(usize, &str, Value); 6] = [
        (0, "/spec/baseUrl", json!("https://b.example.com")),
        (1, "/stringData/main", json!("another")),
        (2, "/spec/model", json!("y")),
        (3, "/stringData/key", json!("another-key")),
        (3, "/stringData/role", json!("Admin")),
        (4, "/spec/messages/0/content", json!("y")),
    ];
    for (index, pointer, value) in edits {
        let mut edited = base.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        edited[index].pointer_mut(parent).unwrap()[field] = value;
        revisions.push(revision(&edited));
    }
    let distinct: std::collections::BTreeSet<&String> = revisions.iter().collect();
    assert_eq!(distinct.len(), 7, "{revisions:?}");
    let mut relabelled = base;
    relabelled[2]["metadata"]["labels"] = json!({"team": "a"});
    assert_eq!(revision(&relabelled), revisions[0]);
}
