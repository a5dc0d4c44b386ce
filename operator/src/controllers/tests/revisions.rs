//! `PromptRevisions`: made of templates, and collected when nothing uses them.

use super::*;

fn edit(scene: &mut Scene, texts: impl IntoIterator<Item = usize>) {
    for text in texts {
        let mut template = template("greeting", &format!("text {text}"));
        template["spec"]["revisionHistoryLimit"] = 2.into();
        scene.apply(template);
        scene.settle();
    }
}

fn active(scene: &mut Scene) -> String {
    scene.status("PromptTemplate", "greeting")["activeRevision"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_text_becomes_a_revision_once_with_our_label() {
    let mut scene = Scene::new(1);
    scene.apply(template("greeting", "Be kind."));
    scene.compile();
    let plan = scene.plan();
    let kept = plan.iter().filter(|write| matches!(***write, Write::Keep(_))).count();
    assert_eq!(kept, 1);
    scene.write(&plan);
    let name = scene.names("PromptRevision")[0].clone();
    let made = scene.object("PromptRevision", &name).clone();
    assert_eq!(
        made["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "route-switch-operator"
    );
    assert_eq!(made["spec"]["origin"], "Template");
    assert!(made["metadata"].get("ownerReferences").is_none(), "{made}");
    // The watch has not brought it yet.
    scene.objects.remove(&("PromptRevision".to_owned(), name));
    let again = scene.plan();
    assert!(
        again.iter().all(|write| !matches!(**write, Write::Keep(_))),
        "{again:?}"
    );
    scene.wait(120_000);
    let later = scene.plan();
    assert!(later.iter().any(|write| matches!(**write, Write::Keep(_))), "{later:?}");
}

#[test]
fn the_oldest_that_nothing_uses_go() {
    let mut scene = Scene::new(1);
    edit(&mut scene, 0..6);
    let names = scene.names("PromptRevision");
    assert_eq!(names.len(), 3, "the active one and two more: {names:?}");
    let active = active(&mut scene);
    assert!(names.contains(&format!("default/{active}")));
}

#[test]
fn what_a_pin_or_a_route_uses_stays_and_so_does_what_others_own() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    edit(&mut scene, [0]);
    let by_route = active(&mut scene);
    let mut pinned = route("fast", &["one"]);
    pinned["spec"]["promptRef"] = json!({ "revision": by_route });
    scene.apply(pinned);
    edit(&mut scene, [1]);
    let of_git = active(&mut scene);
    scene.object("PromptRevision", &of_git)["metadata"]["managedFields"] =
        json!([{"manager": "route-switch-operator"}, {"manager": "argocd-controller"}]);
    edit(&mut scene, [2]);
    let unlabelled = active(&mut scene);
    scene.object("PromptRevision", &unlabelled)["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("labels");
    edit(&mut scene, [3]);
    let unknown = active(&mut scene);
    scene.object("PromptRevision", &unknown)["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("managedFields");
    edit(&mut scene, 4..10);
    let names = scene.names("PromptRevision");
    for kept in [by_route, of_git, unlabelled, unknown] {
        assert!(names.contains(&format!("default/{kept}")), "{kept} of {names:?}");
    }
    assert_eq!(names.len(), 4 + 3, "{names:?}");
}

#[test]
fn a_pin_of_an_object_that_is_broken_counts() {
    let mut scene = Scene::new(1);
    edit(&mut scene, [0]);
    let pinned = active(&mut scene);
    let mut broken = route("fast", &["one"]);
    broken["spec"]["timeouts"] = json!({"connect": "0s"});
    broken["spec"]["targets"][0]["promptRef"] = json!({ "revision": pinned });
    scene.apply(broken);
    edit(&mut scene, 1..8);
    assert!(scene.names("PromptRevision").contains(&format!("default/{pinned}")));
}

#[test]
fn of_a_template_that_is_gone_some_are_kept() {
    let mut scene = Scene::new(1);
    let mut template = template("greeting", "");
    template["spec"]["revisionHistoryLimit"] = 100.into();
    for text in 0..14 {
        template["spec"]["messages"][0]["content"] = format!("text {text}").into();
        scene.apply(template.clone());
        scene.settle();
    }
    assert_eq!(scene.names("PromptRevision").len(), 14);
    scene.delete("PromptTemplate", "greeting");
    scene.settle();
    assert_eq!(scene.names("PromptRevision").len(), 10);
}

#[test]
fn a_pin_that_names_nothing_waits_for_it() {
    let mut scene = Scene::new(1);
    edit(&mut scene, [0]);
    let before = active(&mut scene);
    let mut pinned = template("greeting", "text 0");
    pinned["spec"]["pinnedRevision"] = "greeting-0123456789".into();
    scene.apply(pinned);
    scene.settle();
    let conditions = ["Accepted", "ResolvedRefs", "Ready", "Reconciling"]
        .map(|type_| scene.condition("PromptTemplate", "greeting", type_));
    assert_eq!(
        conditions,
        [
            "True/Accepted",
            "False/RevisionNotFound",
            "True/Ready",
            "True/RevisionNotFound"
        ]
    );
    let message = scene.whole_condition("PromptTemplate", "greeting", "ResolvedRefs")["message"].clone();
    assert!(
        message.as_str().unwrap().ends_with("; generation 1 is still served"),
        "{message}"
    );
    assert_eq!(active(&mut scene), before);
}
