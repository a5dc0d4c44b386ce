//! Configurations for tests, from manifests as people write them.

use std::sync::Arc;

use crds::{
    admission::admit,
    compiler::{Compiled, Resources, Settings, compile},
};
use serde_json::{Value, json};

use super::{manifests, resolved::Config};

/// What these objects give, with what `add` adds to them.
pub(crate) fn compiled(objects: &[Value], add: impl FnOnce(&mut Resources)) -> Compiled {
    let mut resources = Resources::default();
    for object in objects {
        let admitted = admit(object).unwrap_or_else(|refused| panic!("{object}: {refused:?}"));
        let name = admitted.id().name;
        manifests::put(admitted, name, &mut resources);
    }
    add(&mut resources);
    let settings = Settings {
        simulator_url: Some("http://127.0.0.1:9".to_owned()),
        ..Settings::default()
    };
    compile(&resources, &settings, None)
}

/// The configuration of these objects. Nothing may be wrong with them.
pub(crate) fn config(objects: &[Value]) -> Config {
    let compiled = compiled(objects, |_| {});
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    Config::resolve(Arc::unwrap_or_clone(compiled.snapshot), None)
}

pub(crate) fn object(kind: &str, name: &str, spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let mut object = json!({ "apiVersion": "routeswitch.io/v1alpha1", "kind": kind, "metadata": { "name": name, "namespace": namespace } });
    object["spec"] = spec;
    object
}

pub(crate) fn provider(name: &str) -> Value {
    object("Provider", name, json!({ "vendor": "Simulated" }))
}

/// A Route whose only target is the model `gpt` of the Provider `p`.
pub(crate) fn route(name: &str, mut spec: Value) -> Value {
    spec["model"] = json!(name);
    if spec.get("targets").is_none() {
        spec["targets"] = json!([{ "name": "only", "providerRef": { "name": "p" }, "model": "gpt" }]);
    }
    object("Route", name, spec)
}

/// A prompt with these messages (role, template) and variables (name, type).
pub(crate) fn template(name: &str, messages: &[(&str, &str)], variables: &[(&str, &str)]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect();
    let variables: Vec<Value> = variables
        .iter()
        .map(|(name, type_)| json!({ "name": name, "type": type_ }))
        .collect();
    object(
        "PromptTemplate",
        name,
        json!({ "messages": messages, "variables": variables }),
    )
}
