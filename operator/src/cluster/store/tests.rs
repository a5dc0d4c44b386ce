//! Stores against what a server would tell them, with what goes wrong on the way.

use std::sync::Arc;

use crds::{compiler::Submitted, route::Route};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, ObjectMeta};
use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{super::kinds::Found, *};

fn config_map(name: u8, uid: u32, version: u32, text: u32) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(format!("c{name}")),
            namespace: Some("llm".to_owned()),
            uid: Some(uid.to_string()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("text".to_owned(), text.to_string())])),
        ..ConfigMap::default()
    }
}

fn route(version: u32, generation: i64, spec: &Value, status: &Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "routeswitch.io/v1alpha1", "kind": "Route", "spec": spec, "status": status,
        "metadata": {
            "name": "r", "namespace": "llm", "uid": "u", "resourceVersion": version.to_string(), "generation": generation,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "apiVersion": "routeswitch.io/v1alpha1",
                "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}],
        },
    });
    serde_json::from_value(object).unwrap()
}

fn good() -> Value {
    json!({"model": "m", "targets": [{"name": "t", "providerRef": {"name": "p"}, "model": "m"}]})
}

fn held(store: &Store<Found<Route>>) -> Submitted<Route> {
    let mut all = BTreeMap::new();
    store.copy_into(&mut all);
    all.remove(&ObjectName::new("llm", "r")).unwrap().submitted
}

/// The Route that is held, with the reason in its status.
fn held_good(store: &Store<Found<Route>>) -> (Arc<Route>, Option<String>) {
    let Submitted::WellFormed(route) = held(store) else {
        panic!("{:?}", held(store))
    };
    let reason = route.status.as_ref().map(|status| status.conditions[0].reason.clone());
    (route, reason)
}

#[test]
fn a_status_is_told_from_what_the_compiler_takes() {
    let store = Store::<Found<Route>>::default();
    let status = |reason: &str| {
        json!({"conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}]})
    };
    let apply = |version, generation, spec: &Value, status: &Value| {
        store.absorb(Event::Apply(route(version, generation, spec, status)))
    };
    assert_eq!(apply(1, 1, &good(), &status("One")), Some(Change::Input));
    assert_eq!(held_good(&store).1.as_deref(), Some("One"));
    assert_eq!(apply(1, 1, &good(), &status("One")), None, "the same event twice");
    assert_eq!(apply(2, 1, &good(), &status("Two")), Some(Change::Status));
    let (held, reason) = held_good(&store);
    assert_eq!(reason.as_deref(), Some("Two"));
    assert_eq!(held.metadata.managed_fields, None);
    assert_eq!(held.metadata.annotations, None);
    let mut other = good();
    other["model"] = "other".into();
    assert_eq!(apply(3, 2, &other, &status("Three")), Some(Change::Input));
    assert_eq!(held_good(&store).1.as_deref(), Some("Three"));
    assert_eq!(apply(2, 1, &good(), &status("Two")), None, "an event that comes late");
}

#[test]
fn a_status_that_cannot_be_read_does_not_make_its_object_bad() {
    let store = Store::<Found<Route>>::default();
    store.absorb(Event::Apply(route(
        1,
        1,
        &good(),
        &json!({"conditions": "none", "later": 1}),
    )));
    assert_eq!(held_good(&store).1, None);
}

#[test]
fn what_does_not_fit_the_definition_is_kept_as_malformed_with_what_can_be_read() {
    let store = Store::<Found<Route>>::default();
    let mut bad = good();
    bad["targets"][0]["weight"] = "much".into();
    bad["allowedNamespaces"] = json!(["team"]);
    store.absorb(Event::Apply(route(1, 1, &bad, &Value::Null)));
    let Submitted::PartlyReadable {
        faults,
        allowed_namespaces,
    } = held(&store)
    else {
        panic!("{:?}", held(&store))
    };
    assert_eq!(faults[0].field, "spec.targets[0].weight");
    assert_eq!(allowed_namespaces, ["team"]);
    // A rule of the definition that no type tells.
    let mut bad = good();
    bad["targets"][0]["weight"] = 0.into();
    store.absorb(Event::Apply(route(2, 2, &bad, &Value::Null)));
    assert!(
        matches!(held(&store), Submitted::PartlyReadable { .. }),
        "{:?}",
        held(&store)
    );
    assert_eq!(
        store.absorb(Event::Apply(route(3, 3, &good(), &Value::Null))),
        Some(Change::Input)
    );
    assert!(matches!(held(&store), Submitted::WellFormed(_)), "{:?}", held(&store));
}

#[test]
fn an_object_that_was_made_anew_is_not_deleted_by_what_is_told_of_the_first() {
    let store = Store::<Arc<ConfigMap>>::default();
    store.absorb(Event::Apply(config_map(0, 1, 1, 1)));
    store.absorb(Event::Apply(config_map(0, 2, 3, 1)));
    assert_eq!(store.absorb(Event::Delete(config_map(0, 1, 2, 1))), None);
    assert_eq!(store.names().len(), 1);
    assert_eq!(store.absorb(Event::Delete(config_map(0, 2, 4, 1))), Some(Change::Input));
    assert_eq!(store.names().len(), 0);
}

/// What happens on the server, and to what it tells.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u8, u32),
    Remove(u8),
    /// The events of the next steps are told twice.
    Twice(bool),
    /// The events of the next steps are lost.
    Lost(bool),
    Relist,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_u8, 0..3_u32).prop_map(|(name, text)| Step::Put(name, text)),
        2 => (0..6_u8).prop_map(Step::Remove),
        1 => proptest::bool::ANY.prop_map(Step::Twice),
        1 => proptest::bool::ANY.prop_map(Step::Lost),
        1 => proptest::strategy::Just(Step::Relist),
    ]
}

fn relist(store: &Store<Arc<ConfigMap>>, server: &BTreeMap<u8, ConfigMap>) -> Option<Change> {
    store.absorb(Event::Init);
    for object in server.values() {
        store.absorb(Event::InitApply(object.clone()));
    }
    store.absorb(Event::InitDone)
}

proptest! {
    #[test]
    fn after_a_listing_a_store_holds_what_there_is_and_says_whether_that_is_news(
        steps in proptest::collection::vec(step(), 0..60)
    ) {
        let store = Store::<Arc<ConfigMap>>::default();
        let mut server: BTreeMap<u8, ConfigMap> = BTreeMap::new();
        let (mut version, mut twice, mut lost) = (0, false, false);
        for step in steps {
            version += 1;
            let event = match step {
                Step::Put(name, text) => {
                    let uid = server.get(&name).map_or(version, |object| object.metadata.uid.as_ref().unwrap().parse().unwrap());
                    let object = config_map(name, uid, version, text);
                    server.insert(name, object.clone());
                    Event::Apply(object)
                }
                Step::Remove(name) => match server.remove(&name) {
                    Some(mut object) => {
                        object.metadata.resource_version = Some(version.to_string());
                        Event::Delete(object)
                    }
                    None => continue,
                },
                Step::Twice(is) => { twice = is; continue }
                Step::Lost(is) => { lost = is; continue }
                Step::Relist => {
                    relist(&store, &server);
                    continue;
                }
            };
            if !lost {
                let times = if twice { 2 } else { 1 };
                for time in 0..times {
                    let change = store.absorb(event.clone());
                    prop_assert_eq!(change.filter(|_| time > 0), None, "news that are none");
                }
            }
        }
        let texts = |objects: BTreeMap<ObjectName, Arc<ConfigMap>>| {
            objects.into_iter().map(|(name, object)| (name.name.to_string(), object.data.clone())).collect::<BTreeMap<_, _>>()
        };
        let mut before = BTreeMap::new();
        store.copy_into(&mut before);
        let change = relist(&store, &server);
        let mut after = BTreeMap::new();
        store.copy_into(&mut after);
        let expected: BTreeMap<_, _> = server.iter().map(|(name, object)| (format!("c{name}"), object.data.clone())).collect();
        let (before, after) = (texts(before), texts(after));
        prop_assert_eq!(&after, &expected);
        if before != after {
            prop_assert_eq!(change, Some(Change::Input));
        }
        prop_assert_eq!(relist(&store, &server), None);
    }
}
