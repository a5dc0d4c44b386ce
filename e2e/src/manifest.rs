//! Manifests for tests. JSON is YAML, so that texts of any kind need no quoting by hand.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what is given is written on the spot, with json!"
)]

use serde_json::{Value, json};

const API_VERSION: &str = "routeswitch.io/v1alpha1";

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "namespace": namespace, "name": name }, "spec": spec })
}

/// A Provider. `name` may be NAMESPACE/NAME.
pub fn provider(name: &str, spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    object("Provider", namespace, name, spec)
}

/// A Route that clients call by its name. `name` may be NAMESPACE/NAME.
pub fn route(name: &str, mut spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    spec["model"] = json!(name);
    object("Route", namespace, name, spec)
}

/// A prompt. `name` may be NAMESPACE/NAME.
pub fn prompt(name: &str, spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    object("PromptTemplate", namespace, name, spec)
}

/// A target with a weight. `provider` may be NAMESPACE/NAME.
pub fn target(name: &str, provider: &str, model: &str, weight: u32) -> Value {
    let reference = match provider.split_once('/') {
        Some((namespace, name)) => json!({ "namespace": namespace, "name": name }),
        None => json!({ "name": provider }),
    };
    json!({ "name": name, "providerRef": reference, "model": model, "weight": weight })
}

/// A client key. `name` may be NAMESPACE/NAME; `fields` are those of the Secret.
pub fn key(name: &str, fields: Value) -> Value {
    secret(name, "routeswitch.io/api-key", fields)
}

/// A provider's credential, under `key`.
pub fn credential(name: &str, value: &str) -> Value {
    secret(name, "routeswitch.io/credential", json!({ "key": value }))
}

fn secret(name: &str, label: &str, fields: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let metadata = json!({ "namespace": namespace, "name": name, "labels": { label: "true" } });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": fields })
}

/// One file of several documents.
pub fn file(documents: &[Value]) -> String {
    documents
        .iter()
        .fold(String::new(), |file, document| file + &format!("---\n{document:#}\n"))
}
