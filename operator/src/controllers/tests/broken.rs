//! Objects that are not as they should be: each says so itself, and what was good goes on.

use super::*;

#[test]
fn a_broken_template_says_where_and_that_only_a_person_can_mend_it() {
    let mut scene = Scene::new(2);
    scene.apply(template("greeting", "one\n{% if %}"));
    scene.settle();
    let accepted = scene.whole_condition("PromptTemplate", "greeting", "Accepted");
    let message = accepted["message"].as_str().unwrap();
    assert!(message.starts_with("spec.messages[0].content (line 2"), "{message}");
    let conditions = [
        "Accepted",
        "ResolvedRefs",
        "Programmed",
        "Ready",
        "Stalled",
        "Reconciling",
    ]
    .map(|type_| scene.condition("PromptTemplate", "greeting", type_));
    assert_eq!(
        conditions,
        [
            "False/InvalidTemplate",
            "Unknown/NotAccepted",
            "False/InvalidTemplate",
            "False/InvalidTemplate",
            "True/InvalidTemplate",
            "none",
        ]
    );
    let propagation = &scene.status("PromptTemplate", "greeting")["propagation"];
    assert_eq!(
        (&propagation["summary"], &propagation["revision"]),
        (&json!("0/2"), &Value::Null)
    );
    scene.apply(template("greeting", "one"));
    scene.settle();
    let conditions = ["Accepted", "Ready", "Stalled"].map(|type_| scene.condition("PromptTemplate", "greeting", type_));
    assert_eq!(conditions, ["True/Accepted", "True/Ready", "none"]);
}

#[test]
fn a_route_to_a_missing_provider_waits_for_it() {
    let mut scene = Scene::new(2);
    scene.apply(route("fast", &["later"]));
    scene.settle();
    let conditions = [
        "Accepted",
        "ResolvedRefs",
        "Programmed",
        "Ready",
        "Stalled",
        "Reconciling",
    ]
    .map(|type_| scene.condition("Route", "fast", type_));
    assert_eq!(
        conditions,
        [
            "True/Accepted",
            "False/ProviderNotFound",
            "True/Programmed",
            "False/ProviderNotFound",
            "none",
            "True/ProviderNotFound",
        ]
    );
    let message = scene.whole_condition("Route", "fast", "ResolvedRefs")["message"].clone();
    assert_eq!(
        message,
        "spec.targets[0].providerRef: there is no Provider default/later"
    );
    scene.apply(provider("later"));
    scene.settle();
    let conditions = ["ResolvedRefs", "Ready", "Reconciling"].map(|type_| scene.condition("Route", "fast", type_));
    assert_eq!(conditions, ["True/ResolvedRefs", "True/Ready", "none"]);
}

#[test]
fn one_target_of_two_is_enough_for_traffic() {
    let mut scene = Scene::new(2);
    scene.apply(provider("one"));
    scene.apply(route("fast", &["one", "later"]));
    scene.settle();
    let conditions = ["ResolvedRefs", "Ready", "Reconciling"].map(|type_| scene.condition("Route", "fast", type_));
    assert_eq!(
        conditions,
        ["False/ProviderNotFound", "True/Ready", "True/ProviderNotFound"]
    );
    assert_eq!(scene.status("Route", "fast")["targets"], json!([{"name": "one"}]));
}

#[test]
fn the_faults_of_a_secret_are_told_by_the_provider() {
    let mut scene = Scene::new(2);
    scene.apply(keyed_provider("one"));
    scene.apply(route("fast", &["one"]));
    let credential = "routeswitch.io/credential";
    for (secret, reason) in [
        (None, "SecretNotFound"),
        (Some(secret("keys", "example.com/none", "key")), "SecretNotLabelled"),
        (Some(secret("keys", credential, "other")), "SecretKeyMissing"),
    ] {
        if let Some(secret) = secret {
            scene.apply(secret);
        }
        scene.settle();
        let conditions =
            ["Accepted", "ResolvedRefs", "Ready", "Reconciling"].map(|type_| scene.condition("Provider", "one", type_));
        let (is_false, is_true) = (format!("False/{reason}"), format!("True/{reason}"));
        assert_eq!(conditions, ["True/Accepted", &is_false, &is_false, &is_true]);
        assert_eq!(scene.condition("Route", "fast", "Ready"), "False/ProviderNotUsable");
    }
    scene.apply(secret("keys", credential, "key"));
    scene.settle();
    assert_eq!(scene.condition("Provider", "one", "Ready"), "True/Ready");
    assert_eq!(scene.condition("Route", "fast", "Ready"), "True/Ready");
    let all = serde_json::to_string(&scene.status("Provider", "one")).unwrap();
    assert!(!all.contains("do-not-show"), "{all}");
}

#[test]
fn without_auth_in_a_cluster_only_a_person_can_say_which_secret() {
    let mut scene = Scene::new(1);
    scene.apply(object("Provider", "one", json!({"vendor": "OpenAI"})));
    scene.settle();
    let conditions = ["ResolvedRefs", "Stalled", "Reconciling"].map(|type_| scene.condition("Provider", "one", type_));
    assert_eq!(
        conditions,
        ["False/CredentialMissing", "True/CredentialMissing", "none"]
    );
}

#[test]
fn what_was_good_is_served_on_and_the_status_says_which_generation() {
    let mut scene = Scene::new(2);
    scene.apply(template("greeting", "one"));
    scene.settle();
    scene.apply(template("greeting", "two"));
    scene.settle();
    scene.apply(template("greeting", "{{"));
    scene.settle();
    for _ in 0..2 {
        let accepted = scene.whole_condition("PromptTemplate", "greeting", "Accepted");
        let message = accepted["message"].as_str().unwrap();
        assert!(message.ends_with("; generation 2 is still served"), "{message}");
        assert_eq!(
            (&accepted["status"], &accepted["observedGeneration"]),
            (&json!("False"), &json!(3))
        );
        let conditions =
            ["Programmed", "Ready", "Stalled"].map(|type_| scene.condition("PromptTemplate", "greeting", type_));
        assert_eq!(conditions, ["True/Programmed", "True/Ready", "True/InvalidTemplate"]);
        let status = scene.status("PromptTemplate", "greeting");
        assert_eq!(
            (&status["observedGeneration"], &status["propagation"]["generation"]),
            (&json!(3), &json!(2))
        );
        // Whoever did not see it reads it from the status.
        scene.restart();
        assert!(scene.settle().is_empty());
    }
}

#[test]
fn the_younger_of_two_routes_of_one_name_is_told_who_has_it() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    scene.apply(route("fast", &["one"]));
    let mut other = route("other", &["one"]);
    other["spec"]["model"] = "fast".into();
    scene.apply(other);
    scene.settle();
    let conditions = ["Accepted", "Ready", "Stalled"].map(|type_| scene.condition("Route", "other", type_));
    assert_eq!(conditions, ["False/Conflicted", "False/Conflicted", "True/Conflicted"]);
    let message = scene.whole_condition("Route", "other", "Accepted")["message"].clone();
    assert!(message.as_str().unwrap().contains("Route default/fast"), "{message}");
    scene.delete("Route", "fast");
    scene.settle();
    assert_eq!(scene.condition("Route", "other", "Ready"), "True/Ready");
}

#[test]
fn an_object_that_cannot_be_read_has_a_status_too() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    scene.settle();
    scene.apply(object("Provider", "one", json!({"vendor": "Nobody"})));
    assert_eq!(scene.settle(), BTreeMap::from([(id(Kind::Provider, "one"), 1)]));
    let conditions = ["Accepted", "Ready", "Stalled"].map(|type_| scene.condition("Provider", "one", type_));
    assert_eq!(conditions, ["False/Malformed", "True/Ready", "True/Malformed"]);
    assert_eq!(scene.status("Provider", "one")["observedGeneration"], 2);
    scene.restart();
    assert!(scene.settle().is_empty());
}

#[test]
fn a_condition_keeps_its_time_until_its_status_flips() {
    let mut scene = Scene::new(1);
    scene.apply(route("fast", &["later"]));
    scene.settle();
    let time =
        |scene: &mut Scene, type_: &str| scene.whole_condition("Route", "fast", type_)["lastTransitionTime"].clone();
    let before = ["Accepted", "ResolvedRefs", "Ready"].map(|type_| time(&mut scene, type_));
    scene.wait(5_000);
    scene.apply(route("fast", &["never"]));
    scene.settle();
    let after = ["Accepted", "ResolvedRefs", "Ready"].map(|type_| time(&mut scene, type_));
    assert_eq!(before, after, "only the message changed");
    scene.wait(5_000);
    scene.apply(provider("never"));
    scene.settle();
    assert_eq!(time(&mut scene, "Accepted"), before[0]);
    assert_eq!(time(&mut scene, "Ready"), "2027-01-15T08:00:10Z");
}
