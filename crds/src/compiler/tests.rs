//! Tests of the compiler as a whole, from manifests as people write them.

mod keys;
mod prompts;
mod properties;
mod providers;
mod revisions;
mod routes;

use serde_json::{Value, json};

use super::*;
use crate::admission::{Admitted, admit};

/// A text that must never be seen again.
pub(super) const SECRET: &str = "sk-do-not-show-4711";

/// Resources from documents, as a file loader makes them.
pub(super) fn resources(documents: &[Value]) -> Resources {
    let mut resources = Resources::default();
    for document in documents {
        put(&mut resources, document);
    }
    resources
}

pub(super) fn put(resources: &mut Resources, document: &Value) {
    match admit(document) {
        Ok(admitted) => {
            let name = admitted.id().name;
            match admitted {
                Admitted::Provider(object) => drop(resources.providers.insert(name, Submitted::WellFormed(object))),
                Admitted::Route(object) => drop(resources.routes.insert(name, Submitted::WellFormed(object))),
                Admitted::PromptTemplate(object) => {
                    drop(resources.prompt_templates.insert(name, Submitted::WellFormed(object)));
                }
                Admitted::PromptRevision(object) => {
                    drop(resources.prompt_revisions.insert(name, Submitted::WellFormed(object)));
                }
                Admitted::Secret(object) => drop(resources.secrets.insert(name, object)),
                Admitted::ConfigMap(object) => drop(resources.config_maps.insert(name, object)),
            }
        }
        Err(refused) => {
            let ObjectId { kind, name } = refused.id.clone().unwrap();
            match kind {
                Kind::Provider => drop(resources.providers.insert(name, refused.submitted())),
                Kind::Route => drop(resources.routes.insert(name, refused.submitted())),
                Kind::PromptTemplate => drop(resources.prompt_templates.insert(name, refused.submitted())),
                Kind::PromptRevision => drop(resources.prompt_revisions.insert(name, refused.submitted())),
                Kind::Secret | Kind::ConfigMap => panic!("{refused:?}"),
            }
        }
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        simulator_url: Some("http://127.0.0.1:9999/".to_owned()),
        ..Settings::default()
    }
}

pub(super) fn compiled(documents: &[Value]) -> Compiled {
    compile(&resources(documents), &settings(), None)
}

pub(super) fn again(documents: &[Value], before: &Compiled) -> Compiled {
    compile(&resources(documents), &settings(), Some(&before.snapshot))
}

fn document(api_version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let metadata = json!({"name": name, "namespace": namespace});
    let mut document = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    document["spec"] = spec;
    document
}

pub(super) fn provider(name: &str, spec: Value) -> Value {
    document("routeswitch.io/v1alpha1", "Provider", name, spec)
}

pub(super) fn route(name: &str, spec: Value) -> Value {
    document("routeswitch.io/v1alpha1", "Route", name, spec)
}

pub(super) fn template(name: &str, spec: Value) -> Value {
    document("routeswitch.io/v1alpha1", "PromptTemplate", name, spec)
}

fn core(kind: &str, name: &str, data: (&str, Value), labels: Value) -> Value {
    let mut object = document("v1", kind, name, Value::Null);
    let fields = object.as_object_mut().unwrap();
    fields.remove("spec");
    fields.insert(data.0.to_owned(), data.1);
    object["metadata"]["labels"] = labels;
    object
}

pub(super) fn config_map(name: &str, data: Value) -> Value {
    core("ConfigMap", name, ("data", data), json!({}))
}

pub(super) fn credential(name: &str, data: Value) -> Value {
    core(
        "Secret",
        name,
        ("stringData", data),
        json!({"routeswitch.io/credential": "true"}),
    )
}

pub(super) fn client_key(name: &str, data: Value) -> Value {
    core(
        "Secret",
        name,
        ("stringData", data),
        json!({"routeswitch.io/api-key": "true"}),
    )
}

pub(super) fn created(mut object: Value, time: &str) -> Value {
    object["metadata"]["creationTimestamp"] = time.into();
    object
}

/// A Provider with a key in Secret `keys`.
pub(super) fn keyed(name: &str) -> Value {
    provider(
        name,
        json!({"vendor": "OpenAI", "auth": {"keys": [{"secretRef": {"name": "keys", "key": "main"}}]}}),
    )
}

pub(super) fn simulated(name: &str) -> Value {
    provider(name, json!({"vendor": "Simulated"}))
}

/// A Route with one target.
pub(super) fn to(name: &str, model: &str, provider: &str) -> Value {
    let reference = match provider.split_once('/') {
        Some((namespace, name)) => json!({"namespace": namespace, "name": name}),
        None => json!({"name": provider}),
    };
    route(
        name,
        json!({"model": model, "targets": [{"name": "only", "providerRef": reference, "model": "m"}]}),
    )
}

pub(super) fn name(text: &str) -> ObjectName {
    match text.split_once('/') {
        Some((namespace, name)) => ObjectName::new(namespace, name),
        None => ObjectName::new("default", text),
    }
}

/// Everything found, as `kind namespace/name condition reason field`.
pub(super) fn found(compiled: &Compiled) -> Vec<String> {
    let lines = compiled.diagnostics.iter().flat_map(|(id, diagnostics)| {
        diagnostics.iter().map(move |diagnostic| {
            let Diagnostic {
                condition,
                reason,
                field,
                ..
            } = diagnostic;
            format!("{id} {condition:?} {reason:?} {field}").trim_end().to_owned()
        })
    });
    lines.collect()
}

#[test]
fn nothing_compiles_to_a_snapshot_with_a_version_and_a_revision() {
    let empty = compiled(&[]);
    assert_eq!(empty.snapshot.version, VERSION);
    assert_eq!(empty.snapshot.revision.len(), 16);
    assert_eq!(found(&empty), Vec::<String>::new());
}

#[test]
fn every_reason_is_given_where_it_belongs() {
    let bad_template = json!({"messages": [{"role": "user", "content": "{{ who }}"}]});
    let from = |name: &str, key: &str| json!({"messagesFrom": {"configMapKeyRef": {"name": name, "key": key}}});
    let auth = |name: &str, key: &str| {
        let keys = json!([{"secretRef": {"name": name, "key": key}}]);
        provider("p", json!({"vendor": "OpenAI", "auth": {"keys": keys}}))
    };
    let mut unlabelled = credential("keys", json!({"main": SECRET}));
    unlabelled["metadata"]["labels"] = json!({"routeswitch.io/credential": "yes"});
    let secret_field = "Provider default/p ResolvedRefs";
    for (documents, expected) in [
        (
            vec![provider("p", json!({"vendor": "Nobody"}))],
            "Provider default/p Accepted Malformed spec.vendor".to_owned(),
        ),
        (
            vec![provider(
                "p",
                json!({"vendor": "Simulated", "timeouts": {"idle": "0s"}}),
            )],
            "Provider default/p Accepted Invalid spec.timeouts.idle".to_owned(),
        ),
        (
            vec![template("t", bad_template)],
            "PromptTemplate default/t Accepted InvalidTemplate spec.messages[0].content".to_owned(),
        ),
        (
            vec![client_key("k", json!({"key": "short"}))],
            "Secret default/k Accepted InvalidKey data.key".to_owned(),
        ),
        (
            vec![simulated("p"), to("a", "x", "p"), to("b", "x", "p")],
            "Route default/b Accepted Conflicted spec.model".to_owned(),
        ),
        (
            vec![to("r", "x", "p")],
            "Route default/r ResolvedRefs ProviderNotFound spec.targets[0].providerRef".to_owned(),
        ),
        (
            vec![simulated("other/p"), to("r", "x", "other/p")],
            "Route default/r ResolvedRefs ProviderNotAllowed spec.targets[0].providerRef".to_owned(),
        ),
        (
            vec![auth("none", "main")],
            format!("{secret_field} SecretNotFound spec.auth.keys[0].secretRef"),
        ),
        (
            vec![auth("keys", "main"), unlabelled],
            format!("{secret_field} SecretNotLabelled spec.auth.keys[0].secretRef"),
        ),
        (
            vec![auth("keys", "other"), credential("keys", json!({"main": SECRET}))],
            format!("{secret_field} SecretKeyMissing spec.auth.keys[0].secretRef"),
        ),
        (
            vec![auth("keys", "main"), credential("keys", json!({"main": "two words"}))],
            format!("{secret_field} InvalidKey spec.auth.keys[0].secretRef"),
        ),
        (
            vec![provider("p", json!({"vendor": "OpenAI"}))],
            format!("{secret_field} CredentialMissing spec.auth"),
        ),
        (
            vec![template("t", from("none", "a"))],
            "PromptTemplate default/t ResolvedRefs ConfigMapNotFound spec.messagesFrom.configMapKeyRef".to_owned(),
        ),
        (
            vec![template("t", from("texts", "a")), config_map("texts", json!({"b": ""}))],
            "PromptTemplate default/t ResolvedRefs ConfigMapKeyMissing spec.messagesFrom.configMapKeyRef".to_owned(),
        ),
    ] {
        assert_eq!(found(&compiled(&documents)), [expected], "{documents:?}");
    }
}

#[test]
fn what_is_not_configured_or_not_usable_is_said() {
    let without_simulator = compile(&resources(&[simulated("p")]), &Settings::default(), None);
    assert_eq!(
        found(&without_simulator),
        ["Provider default/p Accepted SimulatorNotConfigured spec.baseUrl"]
    );
    let unusable = compiled(&[provider("p", json!({"vendor": "OpenAI"})), to("r", "x", "p")]);
    assert!(
        found(&unusable)
            .contains(&"Route default/r ResolvedRefs ProviderNotUsable spec.targets[0].providerRef".to_owned())
    );
}
