//! What pods make of an object, and how soon that is told.

use super::*;

/// A Provider and a Route that three pods serve.
fn served() -> Scene {
    let mut scene = Scene::new(3);
    scene.apply(provider("one"));
    scene.apply(route("fast", &["one"]));
    scene.settle();
    scene
}

fn refuse(scene: &mut Scene, pod: usize, words: &[(ObjectId, &str)]) {
    let refused = words.iter().map(|(id, words)| (id.clone(), (*words).to_owned()));
    scene.fleet.pods[pod].refused = Arc::new(refused.collect());
}

#[test]
fn a_pod_that_refuses_is_named_with_its_words_and_the_status_clears() {
    let mut scene = served();
    let words = "credential keys/key: it holds neither fleet key";
    refuse(&mut scene, 1, &[(id(Kind::Provider, "one"), words)]);
    let plan = scene.plan();
    let now = ["Provider default/one", "Route default/fast"].map(|name| (name.to_owned(), Urgency::Now));
    assert_eq!(urgencies(&plan), BTreeMap::from(now));
    scene.write(&plan);
    let propagation = scene.status("Provider", "one")["propagation"].clone();
    let behind = json!([{"pod": "gateway-1", "state": "Refused", "message": words}]);
    assert_eq!(
        (&propagation["behind"], &propagation["refused"], &propagation["summary"]),
        (&behind, &json!(1), &json!("2/3"))
    );
    let ready = scene.whole_condition("Route", "fast", "Ready");
    assert_eq!(
        (&ready["reason"], &ready["message"]),
        (
            &json!("Refused"),
            &json!(format!("gateway-1: Provider default/one: {words}"))
        )
    );
    assert!(scene.plan().is_empty());
    refuse(&mut scene, 1, &[]);
    scene.settle();
    assert_eq!(scene.condition("Route", "fast", "Ready"), "True/Ready");
    assert_eq!(scene.status("Provider", "one")["propagation"]["behind"], Value::Null);
}

#[test]
fn a_route_whose_prompt_is_too_long_for_a_pod_says_so() {
    let mut scene = served();
    scene.apply(template("greeting", "Be kind."));
    scene.apply(prompted_route("fast", "one", "greeting"));
    scene.settle();
    let revision = scene.names("PromptRevision")[0].replace("default/", "");
    refuse(
        &mut scene,
        2,
        &[(id(Kind::PromptRevision, &revision), "is longer than --max-prompt-bytes")],
    );
    scene.settle();
    for (kind, name) in [("Route", "fast"), ("PromptTemplate", "greeting")] {
        let ready = scene.whole_condition(kind, name, "Ready");
        let expected = format!("gateway-2: PromptRevision default/{revision}: is longer than --max-prompt-bytes");
        assert_eq!(
            (&ready["status"], &ready["message"]),
            (&json!("False"), &json!(expected))
        );
    }
    assert_eq!(scene.condition("Provider", "one", "Ready"), "True/Ready");
}

#[test]
fn a_pod_that_cannot_be_given_it_is_named_after_a_moment() {
    let mut scene = served();
    scene.fleet.pods[0].trouble = Some("401: the signature is of neither fleet key".to_owned());
    assert!(scene.plan().is_empty(), "it still has what is desired");
    scene.apply(route("fast", &["one", "one-more"]));
    scene.apply(provider("one-more"));
    scene.settle();
    let status = scene.status("Route", "fast");
    let message = "401: the signature is of neither fleet key";
    let behind = json!([{"pod": "gateway-0", "state": "Failed", "message": message}]);
    assert_eq!(status["propagation"]["behind"], behind);
    assert_eq!(scene.condition("Route", "fast", "Ready"), "False/Failed");
    assert_eq!(scene.condition("Route", "fast", "Programmed"), "True/Programmed");
    // Another pod without the key: nothing new was sent, so that it may be about to answer.
    scene.fleet.pods.push(Pod {
        trouble: Some(message.to_owned()),
        ..pod(3)
    });
    let plan = scene.plan();
    assert_eq!(urgencies(&plan)["Route default/fast"], Urgency::Wave);
}

#[test]
fn a_restart_alone_makes_nobody_unready_and_writes_nothing_for_minutes() {
    let mut scene = served();
    let before = scene.fleet.pods[1].clone();
    let starting = Pod {
        counted: false,
        starting: true,
        order: None,
        digests: Arc::default(),
        ..before.clone()
    };
    let gone = Pod {
        counted: false,
        terminating: true,
        ..before.clone()
    };
    let ready_at_last = Pod {
        counted: true,
        starting: false,
        ..starting.clone()
    };
    for (pod, urgency) in [
        (gone, Urgency::Quiet),
        (starting, Urgency::Quiet),
        // It counts and has not said yet what it has.
        (ready_at_last, Urgency::Restart),
    ] {
        scene.fleet.pods[1] = pod;
        let plan = scene.plan();
        assert!(
            urgencies(&plan).values().all(|found| *found == urgency),
            "{:?}",
            urgencies(&plan)
        );
        assert_eq!(plan.len(), 2);
        if urgency == Urgency::Quiet {
            let Write::Status(write) = &*plan[0] else {
                panic!("{plan:?}")
            };
            let ready = write.status.stored().condition("Ready").unwrap().clone();
            assert_eq!(ready.reason, "Ready");
        }
    }
    scene.fleet.pods[1] = before;
    assert!(scene.plan().is_empty());
}

#[test]
fn a_starting_pod_is_listed_and_does_not_count() {
    let mut scene = Scene::new(3);
    let pod = &mut scene.fleet.pods[2];
    (pod.counted, pod.starting) = (false, true);
    pod.trouble = Some("connection refused".to_owned());
    scene.apply(provider("one"));
    scene.settle();
    let propagation = scene.status("Provider", "one")["propagation"].clone();
    let behind = json!([{"pod": "gateway-2", "state": "Starting", "message": "connection refused"}]);
    assert_eq!(
        (&propagation["behind"], &propagation["summary"]),
        (&behind, &json!("2/2"))
    );
    assert_eq!(scene.condition("Provider", "one", "Ready"), "True/Ready");
}

#[test]
fn without_pods_nothing_is_ready_and_a_fleet_that_restarts_has_a_moment() {
    let mut scene = Scene::new(0);
    scene.apply(provider("one"));
    scene.settle();
    let conditions = ["Accepted", "Programmed", "Ready"].map(|type_| scene.condition("Provider", "one", type_));
    assert_eq!(
        conditions,
        ["True/Accepted", "False/NoGatewayPods", "False/NoGatewayPods"]
    );
    assert_eq!(scene.status("Provider", "one")["propagation"]["summary"], "0/0");
    scene.fleet.pods = vec![pod(0)];
    scene.settle();
    assert_eq!(scene.condition("Provider", "one", "Ready"), "True/Ready");
    scene.fleet.pods[0].counted = false;
    scene.fleet.pods[0].starting = true;
    assert_eq!(
        urgencies(&scene.plan()).into_values().collect::<Vec<_>>(),
        [Urgency::Restart]
    );
    scene.fleet.pods.clear();
    assert_eq!(
        urgencies(&scene.plan()).into_values().collect::<Vec<_>>(),
        [Urgency::Now]
    );
}

#[test]
fn a_new_leader_waits_until_it_knows_what_pods_have() {
    let mut scene = served();
    scene.restart();
    let fleet = scene.fleet.clone();
    scene.fleet = Fleet::default();
    assert!(scene.plan().is_empty());
    scene.fleet = Fleet {
        settled: false,
        ..fleet.clone()
    };
    scene.fleet.pods[0].digests = Arc::default();
    assert!(scene.plan().is_empty());
    scene.fleet = fleet;
    assert!(scene.plan().is_empty());
    scene.apply(provider("new"));
    scene.compile();
    scene.fleet.settled = false;
    assert_eq!(scene.plan().len(), 1);
}

#[test]
fn what_is_listed_is_bounded() {
    let mut scene = Scene::new(30);
    for pod in &mut scene.fleet.pods {
        pod.trouble = Some("ü".repeat(1_000));
    }
    scene.apply(provider("one"));
    scene.settle();
    let propagation = scene.status("Provider", "one")["propagation"].clone();
    let behind = propagation["behind"].as_array().unwrap();
    assert_eq!((behind.len(), propagation["summary"].as_str()), (10, Some("0/30")));
    assert!(behind.iter().all(|pod| pod["message"].as_str().unwrap().len() <= 512));
    let ready = scene.whole_condition("Provider", "one", "Ready");
    assert!(ready["message"].as_str().unwrap().ends_with(" (and 29 other pods)"));
    assert_eq!(scene.condition("Provider", "one", "Programmed"), "False/Failed");
}
