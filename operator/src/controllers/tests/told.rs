//! Events: what happens is told once.

use super::*;
use crate::{controllers::notice::Notice, publish::Removal};

/// The Events of a plan, by what they are about.
fn told(plan: &[Arc<Write>]) -> Vec<(String, Notice)> {
    let mut told = Vec::new();
    for write in plan {
        match &**write {
            Write::Status(write) => told.extend(
                write
                    .notices
                    .iter()
                    .map(|notice| (write.id.to_string(), notice.clone())),
            ),
            Write::Tell { about, notice } => {
                let about = about.id().map_or("operator".to_owned(), ToString::to_string);
                told.push((about, notice.clone()));
            }
            Write::Keep(_) | Write::Collect { .. } => {}
        }
    }
    told
}

fn next(scene: &mut Scene) -> Vec<(String, Notice)> {
    scene.compile();
    scene.spread();
    let plan = scene.plan();
    scene.write(&plan);
    told(&plan)
}

#[test]
fn a_malformed_key_is_told_once_until_it_changes() {
    let mut scene = Scene::new(1);
    let label = "routeswitch.io/api-key";
    scene.apply(secret("caller", label, "colour"));
    let events = next(&mut scene);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (events[0].0.as_str(), events[0].1.reason.as_str()),
        ("Secret default/caller", "InvalidKey")
    );
    assert!(!events[0].1.note.contains("do-not-show"), "{events:?}");
    assert_eq!(next(&mut scene), []);
    scene.apply(secret("caller", label, "key"));
    assert_eq!(next(&mut scene), []);
    scene.apply(secret("caller", label, "colour"));
    assert_eq!(next(&mut scene).len(), 1);
}

#[test]
fn a_conflict_is_told_once() {
    let mut scene = Scene::new(1);
    scene.apply(provider("one"));
    scene.apply(route("fast", &["one"]));
    assert_eq!(next(&mut scene), []);
    let mut other = route("other", &["one"]);
    other["spec"]["model"] = "fast".into();
    scene.apply(other.clone());
    let events = next(&mut scene);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (events[0].0.as_str(), events[0].1.reason.as_str()),
        ("Route default/other", "Conflicted")
    );
    other["spec"]["strategy"] = "RoundRobin".into();
    scene.apply(other);
    assert_eq!(next(&mut scene), []);
}

#[test]
fn a_refusal_is_told_where_its_cause_is() {
    let mut scene = Scene::new(2);
    scene.apply(provider("one"));
    scene.apply(route("fast", &["one"]));
    next(&mut scene);
    let words = |id: ObjectId| (id, "neither fleet key".to_owned());
    let refused = [words(id(Kind::Provider, "one")), words(id(Kind::Route, "fast"))];
    scene.fleet.pods[1].refused = Arc::new(BTreeMap::from(refused));
    let events = next(&mut scene);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "Provider default/one");
    assert_eq!(
        events[0].1,
        Notice::new("Refused", "gateway-1: neither fleet key", "Push")
    );
    assert_eq!(next(&mut scene), []);
}

#[test]
fn a_prompt_that_is_too_long_for_a_pod_is_told_once_by_its_template() {
    let mut scene = Scene::new(2);
    scene.apply(provider("one"));
    scene.apply(template("greeting", "Be kind."));
    scene.apply(prompted_route("fast", "one", "greeting"));
    scene.settle();
    let revision = scene.names("PromptRevision")[0].replace("default/", "");
    let objects = [
        id(Kind::PromptTemplate, "greeting"),
        id(Kind::PromptRevision, &revision),
        id(Kind::Route, "fast"),
    ];
    scene.fleet.pods[0].refused = Arc::new(objects.map(|id| (id, "too long".to_owned())).into());
    let events = next(&mut scene);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "PromptTemplate default/greeting");
    assert_eq!(next(&mut scene), []);
}

#[test]
fn a_mass_removal_that_waits_is_told_by_the_operator() {
    let mut scene = Scene::new(1);
    scene.fleet.held = Some(Removal {
        dropped: 900,
        of: 1_000,
    });
    let events = next(&mut scene);
    assert_eq!(
        (events[0].0.as_str(), events[0].1.reason.as_str()),
        ("operator", "MassRemoval")
    );
    assert!(
        events[0].1.note.starts_with("900 of 1000 objects are gone at once"),
        "{events:?}"
    );
    assert_eq!(next(&mut scene), []);
}

#[test]
fn a_note_is_bounded() {
    let mut scene = Scene::new(1);
    let mut template = template("greeting", "");
    let messages: Vec<_> = (0..32)
        .map(|_| json!({"role": "user", "content": "{{ missing_variable }}"}))
        .collect();
    template["spec"]["messages"] = messages.into();
    scene.apply(template);
    let events = next(&mut scene);
    assert!(events[0].1.note.len() <= 1_000, "{}", events[0].1.note.len());
    let message = scene.whole_condition("PromptTemplate", "greeting", "Accepted")["message"].clone();
    assert!(message.as_str().unwrap().len() <= 4_096);
}
