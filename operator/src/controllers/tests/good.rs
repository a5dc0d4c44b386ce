//! Objects that are as they should be.

use super::*;

#[test]
fn a_route_that_every_pod_serves_says_so_in_full() {
    let mut scene = Scene::new(3);
    scene.apply(provider("one"));
    scene.apply(template("greeting", "Be kind."));
    scene.apply(prompted_route("fast", "one", "greeting"));
    scene.settle();
    let revision = scene.names("PromptRevision")[0].replace("default/", "");
    let digest = scene.digests[&id(Kind::Route, "fast")].clone();
    let condition = |type_: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": "True", "observedGeneration": 1, "reason": reason, "message": message,
            "lastTransitionTime": "2027-01-15T08:00:00Z",
        })
    };
    let expected = json!({
        "observedGeneration": 1,
        "conditions": [
            condition("Accepted", "Accepted", ""),
            condition("ResolvedRefs", "ResolvedRefs", ""),
            condition("Programmed", "Programmed", ""),
            condition("Ready", "Ready", "every ready gateway pod serves it"),
        ],
        "targets": [{"name": "one", "promptRevision": revision}],
        "propagation": {
            "revision": digest, "generation": 1, "desired": 3, "acked": 3, "refused": 0, "summary": "3/3",
        },
    });
    assert_eq!(scene.status("Route", "fast"), expected);
    let status = scene.status("PromptTemplate", "greeting");
    assert_eq!(
        (&status["specRevision"], &status["activeRevision"]),
        (&json!(revision), &json!(revision))
    );
    assert_eq!(scene.status("Provider", "one")["models"], 1);
    for (kind, name) in [("PromptTemplate", "greeting"), ("Provider", "one")] {
        assert_eq!(scene.condition(kind, name, "Ready"), "True/Ready", "{kind}");
    }
}

#[test]
fn an_edit_touches_the_object_and_those_that_refer_to_it_once_each() {
    let mut scene = Scene::new(3);
    for name in ["one", "two"] {
        scene.apply(provider(name));
        scene.apply(route(&format!("to-{name}"), &[name]));
    }
    scene.settle();
    let mut edited = provider("one");
    edited["spec"]["timeouts"] = json!({"connect": "9s"});
    scene.apply(edited);
    let written = scene.settle();
    let expected = [(id(Kind::Provider, "one"), 1), (id(Kind::Route, "to-one"), 1)];
    assert_eq!(written, BTreeMap::from(expected));
}

#[test]
fn while_pods_have_not_answered_an_edit_waits() {
    let mut scene = Scene::new(3);
    scene.apply(provider("one"));
    scene.settle();
    let mut edited = provider("one");
    edited["spec"]["timeouts"] = json!({"connect": "9s"});
    scene.apply(edited);
    scene.compile();
    scene.wait(40);
    let waiting = scene.plan();
    assert_eq!(
        urgencies(&waiting),
        BTreeMap::from([("Provider default/one".to_owned(), Urgency::Rollout)])
    );
    scene.wait(60);
    scene.spread();
    let answered = scene.plan();
    assert_eq!(
        urgencies(&answered),
        BTreeMap::from([("Provider default/one".to_owned(), Urgency::Now)])
    );
    scene.write(&answered);
    let status = scene.status("Provider", "one");
    assert_eq!(
        (
            &status["observedGeneration"],
            &status["propagation"]["propagationMillis"]
        ),
        (&json!(2), &json!(100))
    );
    assert!(scene.plan().is_empty());
    // It stays although another process did not see it.
    scene.restart();
    assert!(scene.plan().is_empty());
}

#[test]
fn nothing_is_written_twice_before_the_watch_brings_it_back() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    scene.compile();
    scene.spread();
    let plan = scene.plan();
    let stale = scene.object("Provider", "one").clone();
    scene.write(&plan);
    let fresh = std::mem::replace(scene.object("Provider", "one"), stale);
    assert!(scene.plan().is_empty());
    *scene.object("Provider", "one") = fresh;
    assert!(scene.plan().is_empty() && scene.ledger.lock().unwrap().statuses.is_empty());
}

#[test]
fn what_others_write_into_our_status_is_put_right_and_their_own_conditions_stay() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    scene.settle();
    let before = scene.status("Provider", "one");
    let provider = scene.object("Provider", "one");
    provider["status"]["conditions"][3]["status"] = "False".into();
    provider["status"]["propagation"]["summary"] = "0/1".into();
    provider["metadata"]["resourceVersion"] = "1000".into();
    let plan = scene.plan();
    assert_eq!(urgencies(&plan).into_values().collect::<Vec<_>>(), [Urgency::Now]);
    scene.write(&plan);
    assert_eq!(scene.status("Provider", "one")["propagation"], before["propagation"]);
    let theirs = json!({
        "type": "example.com/Checked", "status": "True", "reason": "Checked", "message": "",
        "lastTransitionTime": "2027-01-15T08:00:00Z",
    });
    let provider = scene.object("Provider", "one");
    provider["status"]["conditions"]
        .as_array_mut()
        .unwrap()
        .insert(0, theirs);
    provider["metadata"]["resourceVersion"] = "1001".into();
    assert!(scene.plan().is_empty());
}

#[test]
fn an_object_on_its_way_out_is_left_alone() {
    let mut scene = Scene::new(1);
    let mut leaving = provider("one");
    leaving["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z".into();
    leaving["metadata"]["finalizers"] = json!(["example.com/slow"]);
    scene.apply(leaving);
    assert!(scene.settle().is_empty());
}

#[test]
fn a_revision_of_another_namespace_is_told_with_it() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    let mut shared = template("shared/greeting", "Be kind.");
    shared["spec"]["allowedNamespaces"] = json!(["default"]);
    scene.apply(shared);
    let mut route = route("fast", &["one"]);
    route["spec"]["promptRef"] = json!({"name": "greeting", "namespace": "shared"});
    scene.apply(route);
    scene.settle();
    let revision = scene.names("PromptRevision")[0].clone();
    assert_eq!(scene.status("Route", "fast")["targets"][0]["promptRevision"], revision);
}

#[test]
fn of_a_thousand_routes_only_the_edited_one_is_written() {
    let mut scene = Scene::new(3);
    scene.apply(provider("one"));
    for index in 0..200 {
        scene.apply(template(&format!("prompt-{index}"), &format!("Be number {index}.")));
    }
    for index in 0..1_000 {
        scene.apply(prompted_route(
            &format!("route-{index}"),
            "one",
            &format!("prompt-{}", index % 200),
        ));
    }
    assert_eq!(scene.settle().len(), 1_201);
    let mut edited = prompted_route("route-500", "one", "prompt-7");
    edited["spec"]["strategy"] = "RoundRobin".into();
    scene.apply(edited);
    scene.compile();
    scene.spread();
    let (resources, unreadable) = scene.read();
    let began = Instant::now();
    let plan = scene.plan_of(&resources, &unreadable);
    let took = began.elapsed();
    assert_eq!(
        urgencies(&plan),
        BTreeMap::from([("Route default/route-500".to_owned(), Urgency::Now)])
    );
    eprintln!("planned 1,401 objects in {took:?}");
}
