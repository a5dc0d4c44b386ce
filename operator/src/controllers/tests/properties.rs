//! Whatever happens: once a plan is written, there is nothing more to write, and every status keeps to the rules of its readers.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Provider {
        name: usize,
        is_good: bool,
        has_key: bool,
    },
    Secret {
        label: bool,
        key: bool,
    },
    Template {
        name: usize,
        text: usize,
    },
    Route {
        name: usize,
        model: usize,
        providers: Vec<usize>,
        prompt: Option<usize>,
    },
    Delete(prop::sample::Index),
    Pods(Vec<(usize, usize)>),
    Restart,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![
            (0..3_usize, prop::bool::weighted(0.8), any::<bool>())
                .prop_map(|(name, is_good, has_key)| Step::Provider { name, is_good, has_key }),
            (any::<bool>(), any::<bool>()).prop_map(|(label, key)| Step::Secret { label, key }),
            (0..2_usize, 0..4_usize).prop_map(|(name, text)| Step::Template { name, text }),
            (
                0..3_usize,
                0..3_usize,
                prop::collection::vec(0..4_usize, 1..3),
                prop::option::of(0..3_usize)
            )
                .prop_map(|(name, model, providers, prompt)| Step::Route {
                    name,
                    model,
                    providers,
                    prompt
                }),
            any::<prop::sample::Index>().prop_map(Step::Delete),
            prop::collection::vec((0..4_usize, 0..4_usize), 0..4).prop_map(Step::Pods),
            Just(Step::Restart),
            Just(Step::Wait),
        ];
    prop::collection::vec(step, 1..12)
}

fn take(scene: &mut Scene, step: Step) {
    match step {
        Step::Provider { name, is_good, has_key } => {
            let name = format!("p{name}");
            let mut object = if has_key {
                keyed_provider(&name)
            } else {
                provider(&name)
            };
            if !is_good {
                object["spec"]["timeouts"] = json!({"connect": "0s"});
            }
            scene.apply(object);
        }
        Step::Secret { label, key } => {
            let label = if label {
                "routeswitch.io/credential"
            } else {
                "routeswitch.io/api-key"
            };
            scene.apply(secret("keys", label, if key { "key" } else { "other" }));
        }
        Step::Template { name, text } => {
            let texts = ["one", "two", "{{", "{{ three }}"];
            scene.apply(template(&format!("t{name}"), texts[text]));
        }
        Step::Route {
            name,
            model,
            providers,
            prompt,
        } => {
            let mut providers: Vec<String> = providers.iter().map(|provider| format!("p{provider}")).collect();
            providers.dedup();
            let providers: Vec<&str> = providers.iter().map(String::as_str).collect();
            let mut object = route(&format!("r{name}"), &providers);
            object["spec"]["model"] = format!("m{model}").into();
            if let Some(prompt) = prompt {
                object["spec"]["promptRef"] = json!({ "name": format!("t{prompt}") });
            }
            scene.apply(object);
        }
        Step::Delete(index) => {
            let keys: Vec<_> = scene.objects.keys().cloned().collect();
            if !keys.is_empty() {
                scene.objects.remove(index.get(&keys));
            }
        }
        Step::Pods(pods) => {
            scene.fleet.pods = pods
                .iter()
                .enumerate()
                .map(|(index, pod)| some_pod(scene, index, *pod))
                .collect();
        }
        Step::Restart => scene.restart(),
        Step::Wait => scene.wait(1_500),
    }
}

fn some_pod(scene: &Scene, index: usize, (state, holds): (usize, usize)) -> Pod {
    let held = if holds == 0 {
        Arc::default()
    } else {
        Arc::clone(&scene.digests)
    };
    let first = held.keys().next().cloned();
    let refused = first.filter(|_| holds == 3).map(|id| (id, "will not".to_owned()));
    Pod {
        counted: state < 2,
        starting: state == 2,
        terminating: state == 3,
        trouble: (state == 1).then(|| "connection refused".to_owned()),
        digests: held,
        refused: Arc::new(refused.into_iter().collect()),
        ..pod(index)
    }
}

/// What kstatus, Flux and Argo CD need.
fn check(scene: &Scene) {
    for ((kind, name), object) in &scene.objects {
        let Some(status) = object.get("status") else { continue };
        let conditions = status["conditions"].as_array().unwrap();
        let find = |type_: &str| conditions.iter().find(|condition| condition["type"] == type_);
        let is = |type_: &str, wanted: &str| find(type_).is_some_and(|condition| condition["status"] == wanted);
        for type_ in ["Accepted", "ResolvedRefs", "Programmed", "Ready"] {
            assert!(find(type_).is_some(), "{kind} {name} has no {type_}");
        }
        assert_eq!(
            status["observedGeneration"], object["metadata"]["generation"],
            "{kind} {name}"
        );
        for condition in conditions {
            assert_eq!(
                condition["observedGeneration"], object["metadata"]["generation"],
                "{kind} {name}"
            );
        }
        assert!(!(is("Stalled", "True") && is("Reconciling", "True")), "{kind} {name}");
        assert!(find("Stalled").is_none() || is("Stalled", "True"), "{kind} {name}");
        assert!(!is("Accepted", "False") || is("Stalled", "True"), "{kind} {name}");
        let propagation = &status["propagation"];
        let (desired, acked, refused) = (&propagation["desired"], &propagation["acked"], &propagation["refused"]);
        let number = |value: &Value| value.as_i64().unwrap();
        assert!(
            number(acked) + number(refused) <= number(desired),
            "{kind} {name}: {propagation}"
        );
        if is("Ready", "True") {
            assert!(
                number(acked) == number(desired) && number(desired) > 0,
                "{kind} {name}: {propagation}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_that_is_written_leaves_nothing_to_write(steps in steps(), quiet in any::<bool>()) {
        let mut scene = Scene::new(2);
        for step in steps {
            take(&mut scene, step);
            scene.compile();
            if quiet {
                scene.spread();
            }
            // New revisions are objects that are compiled with the rest.
            for _ in 0..3 {
                let plan = scene.plan();
                scene.write(&plan);
                scene.compile();
            }
            let more = scene.plan();
            prop_assert!(more.is_empty(), "{more:#?}");
            scene.restart();
            let after_restart = scene.plan();
            let statuses = statuses(&after_restart);
            prop_assert!(statuses.is_empty(), "{statuses:#?}");
            check(&scene);
        }
    }
}
