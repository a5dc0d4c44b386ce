//! Verdicts on manifests, as the API server gives them.

use serde_json::json;

use super::*;

fn provider(spec: Value) -> Value {
    let mut document = json!({"apiVersion": API_VERSION, "kind": "Provider", "metadata": {"name": "p"}});
    document["spec"] = spec;
    document
}

fn faults(document: &Value) -> Vec<String> {
    admit(document)
        .map_or_else(|refused| refused.faults, |_| Vec::new())
        .iter()
        .map(Fault::to_string)
        .collect()
}

#[test]
fn an_admitted_object_is_typed_and_has_a_namespace() {
    let admitted = admit(&provider(json!({"vendor": "Simulated"}))).unwrap();
    assert_eq!(admitted.id().to_string(), "Provider default/p");
    let Admitted::Provider(object) = admitted else {
        panic!("{admitted:?}")
    };
    assert_eq!(object.metadata.namespace.as_deref(), Some("default"));
}

#[test]
fn a_status_is_not_taken_from_a_manifest() {
    let mut document = provider(json!({"vendor": "Simulated"}));
    document["status"] = json!({"observedGeneration": "soon", "models": 3});
    let Ok(Admitted::Provider(object)) = admit(&document) else {
        panic!("{document}")
    };
    assert_eq!(object.status, None);
    document["status"]["phase"] = json!("Running");
    assert_eq!(
        faults(&document),
        ["status.phase: unknown field; there are conditions, models, observedGeneration, propagation"]
    );
}

#[test]
fn all_faults_are_told_at_once_by_field() {
    let spec = json!({
        "vendor": "Nobody", "baseUrl": "ftp://x.example.com", "colour": 1,
        "models": [{"name": "a", "contextTokens": 0}, {"name": "a", "size": 1}, {}],
    });
    let expected = [
        "spec.colour: unknown field; there are allowInsecure, allowedNamespaces, auth, baseUrl, dialect, headers, limits, models, timeouts, vendor",
        "spec.models[1].size: unknown field; there are cacheWriteMicroUsdPerMTok, cachedInputMicroUsdPerMTok, contextTokens, inputMicroUsdPerMTok, maxOutputTokens, name, outputMicroUsdPerMTok",
        "spec.baseUrl: must be an http or https URL with a host and without user, query or fragment, like https://api.example.com/v1, not `ftp://x.example.com`",
        "spec.models[0].contextTokens: must be at least 1, is 0",
        "spec.models[2].name: is required",
        "spec.vendor: must be one of OpenAI, Anthropic, OpenAICompatible, Simulated, not `Nobody`",
        "spec.models[1]: duplicate of spec.models[0]: `a` must be there only once",
    ];
    let (mut found, mut expected) = (faults(&provider(spec)), expected.map(str::to_owned));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn rules_speak_for_themselves() {
    let found = faults(&provider(json!({"vendor": "OpenAICompatible"})));
    assert_eq!(found, ["spec.baseUrl: baseUrl is required for vendor OpenAICompatible"]);
    let found = faults(&provider(json!({"vendor": "Simulated", "headers": {"X-API-KEY": "a"}})));
    assert_eq!(
        found,
        ["spec.headers: headers must not set Authorization, x-api-key or Host: use auth and baseUrl"]
    );
}

#[test]
fn values_of_headers_are_never_repeated() {
    let found = faults(&provider(
        json!({"vendor": "Simulated", "headers": {"X-A": "sk-secret\n"}}),
    ));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("spec.headers[X-A]: must be") && !found[0].contains("sk-secret"),
        "{found:?}"
    );
}

#[test]
fn a_null_is_as_good_as_nothing() {
    let spec = json!({"vendor": "Simulated", "baseUrl": null, "auth": null, "models": null, "headers": {"X-A": null}, "other": null});
    assert_eq!(faults(&provider(spec)), Vec::<String>::new());
    assert_eq!(faults(&provider(json!({"vendor": null}))), ["spec.vendor: is required"]);
    let list = provider(json!({"vendor": "Simulated", "allowedNamespaces": [null]}));
    assert_eq!(faults(&list), ["spec.allowedNamespaces[0]: must be a string, not null"]);
}

#[test]
fn a_whole_float_is_an_integer_as_kubectl_sends_it() {
    let model =
        |tokens: Value| provider(json!({"vendor": "Simulated", "models": [{"name": "a", "contextTokens": tokens}]}));
    assert_eq!(faults(&model(json!(8.0))), Vec::<String>::new());
    assert_eq!(
        faults(&model(json!(8.5))),
        ["spec.models[0].contextTokens: must be a whole number, not a number with a fraction"]
    );
    assert_eq!(
        faults(&model(json!("8"))),
        ["spec.models[0].contextTokens: must be a whole number, not a string"]
    );
}

/// The faults of an object with this metadata.
fn with(metadata: Value) -> Vec<String> {
    let mut document = provider(json!({"vendor": "Simulated"}));
    document["metadata"] = metadata;
    faults(&document)
}

fn long(count: usize) -> String {
    "a".repeat(count)
}

#[test]
fn metadata_that_the_server_takes_is_taken() {
    for metadata in [
        json!({"name": "a.b-c.1"}),
        json!({"name": long(253)}),
        json!({"name": "a", "namespace": long(63)}),
        json!({"name": "a", "labels": {"a": "", "example.com/B_c.d": "V-1"}, "annotations": {"Example.com/x": "any\ntext"}}),
        json!({"name": "a", "labels": null, "creationTimestamp": null, "finalizers": ["example.com/x", "x"]}),
        json!({"name": "a", "labels": {"x": null}, "annotations": {"x": null}, "label": null, "namespace": ""}),
        json!({"name": "a", "resourceVersion": "5", "uid": "b", "generation": -1, "selfLink": "/x", "generateName": "a-"}),
        json!({"name": "a", "managedFields": [{"manager": "x"}], "deletionGracePeriodSeconds": 5}),
    ] {
        assert_eq!(with(metadata.clone()), Vec::<String>::new(), "{metadata}");
    }
}

#[test]
fn metadata_that_the_server_refuses_is_refused_by_field() {
    for (metadata, field) in [
        (json!(null), "metadata.name: is required"),
        (json!([]), "metadata: must be an object"),
        (json!({}), "metadata.name: is required"),
        (json!({"name": ""}), "metadata.name: is required"),
        (json!({"name": 5}), "metadata.name: must be a string, not a number"),
        (json!({"name": "A"}), "metadata.name: must be"),
        (json!({"name": "a..b"}), "metadata.name: must be"),
        (json!({"name": "-a"}), "metadata.name: must be"),
        (json!({"name": long(254)}), "metadata.name: must be"),
        (json!({"name": "a", "namespace": "a.b"}), "metadata.namespace: must be"),
        (
            json!({"name": "a", "namespace": long(64)}),
            "metadata.namespace: must be",
        ),
        (json!({"name": "a", "label": {}}), "metadata.label: unknown field"),
        (
            json!({"name": "a", "labels": {"a": true}}),
            "metadata.labels.a: must be a string, not a boolean",
        ),
        (
            json!({"name": "a", "labels": {"a": "b c"}}),
            "metadata.labels.a: must be",
        ),
        (
            json!({"name": "a", "labels": {"/a": "b"}}),
            "metadata.labels[/a]: the key must be",
        ),
        (
            json!({"name": "a", "labels": ["a"]}),
            "metadata.labels: must be a map of strings, not a list",
        ),
        (
            json!({"name": "a", "annotations": {"a b": ""}}),
            "metadata.annotations[a b]: the key must be",
        ),
        (
            json!({"name": "a", "annotations": {"a": long(262_144)}}),
            "metadata.annotations: must have at most",
        ),
        (
            json!({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}),
            "metadata.finalizers: must not have both",
        ),
        (
            json!({"name": "a", "finalizers": ["a b"]}),
            "metadata.finalizers[0]: must be a name",
        ),
        (json!({"name": "a", "creationTimestamp": "yesterday"}), "metadata: "),
        (
            json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "b", "uid": "c"}]}),
            "metadata.ownerReferences[0]: must not be an Event",
        ),
        (
            json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "b", "uid": "c", "d": 1}]}),
            "metadata.ownerReferences[0].d: unknown",
        ),
        (
            json!({"name": "a", "ownerReferences": [{"kind": "A", "name": "b", "uid": "c"}]}),
            "metadata.ownerReferences[0].apiVersion",
        ),
    ] {
        let found = with(metadata.clone());
        assert!(found.len() == 1 && found[0].starts_with(field), "{metadata}: {found:?}");
    }
}

#[test]
fn other_kinds_are_told_what_is_taken() {
    for (document, start) in [
        (
            json!([]),
            "must be an object with apiVersion, kind and metadata, not a list",
        ),
        (
            json!({}),
            "kind: must be Provider, Route, PromptTemplate or PromptRevision (apiVersion routeswitch.io/v1alpha1), Secret or ConfigMap (apiVersion v1)",
        ),
        (
            json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
            "kind: must be Provider",
        ),
        (
            json!({"apiVersion": "routeswitch.io/v1", "kind": "Route"}),
            "apiVersion: must be routeswitch.io/v1alpha1 for kind Route, not `routeswitch.io/v1`",
        ),
        (json!({"kind": "Secret"}), "apiVersion: must be v1 for kind Secret"),
    ] {
        let found = faults(&document);
        assert!(found.len() == 1 && found[0].starts_with(start), "{document}: {found:?}");
        assert_eq!(admit(&document).unwrap_err().id, None);
    }
}

#[test]
fn a_refused_object_is_still_told_apart_and_read_as_far_as_it_goes() {
    let mut document = provider(json!({"vendor": 5, "allowedNamespaces": ["a", 5]}));
    let refused = admit(&document).unwrap_err();
    assert_eq!(refused.id.unwrap().to_string(), "Provider default/p");
    assert_eq!(refused.allowed_namespaces, Some(vec!["a".to_owned()]));
    document["spec"] = json!("text");
    assert_eq!(admit(&document).unwrap_err().allowed_namespaces, None);
    document["spec"] = json!({});
    assert_eq!(admit(&document).unwrap_err().allowed_namespaces, Some(Vec::new()));
}

#[test]
fn string_data_of_a_secret_goes_over_its_data() {
    let document = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque",
        "data": {"a": "YQ==", "b": "Yg==\n", "c": "YR==", "n": null}, "stringData": {"b": "B"},
    });
    let Admitted::Secret(secret) = admit(&document).unwrap() else {
        panic!()
    };
    let data: Vec<(String, Vec<u8>)> = secret
        .data
        .clone()
        .unwrap()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect();
    let expected = [("a", "a"), ("b", "B"), ("c", "a")].map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(data, expected);
    assert_eq!(secret.string_data, None);
}

#[test]
fn bad_secrets_and_config_maps_are_refused_without_their_values() {
    let object = |kind: &str, fields: Value| {
        let mut document = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
        for (name, value) in fields.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    };
    let large = "x".repeat(1_048_577);
    for (document, start) in [
        (
            object("Secret", json!({"data": {"a": "sk-secret"}})),
            "data.a: must be base64",
        ),
        (
            object("Secret", json!({"data": {"a": 5}})),
            "data.a: must be a string, not a number",
        ),
        (
            object("Secret", json!({"stringData": {"a": true}})),
            "stringData.a: must be a string, not a boolean",
        ),
        (
            object("Secret", json!({"data": "sk-secret"})),
            "data: must be a map of strings, not a string",
        ),
        (
            object("Secret", json!({"data": {"a/b": ""}})),
            "data[a/b]: the key must be",
        ),
        (
            object("Secret", json!({"dta": {}})),
            "dta: unknown field; there are data, immutable, stringData, type",
        ),
        (object("Secret", json!({"type": 5})), "type: must be a string"),
        (
            object("Secret", json!({"immutable": "yes"})),
            "immutable: must be true or false",
        ),
        (
            object("Secret", json!({"stringData": {"a": large.clone()}})),
            "data: must have at most 1048576 bytes together",
        ),
        (
            object("ConfigMap", json!({"data": {"a": 5}})),
            "data.a: must be a string, not a number",
        ),
        (
            object("ConfigMap", json!({"data": {"a": "x"}, "binaryData": {"a": "YQ=="}})),
            "binaryData.a: is in data too",
        ),
        (
            object("ConfigMap", json!({"binaryData": {"a": "?"}})),
            "binaryData.a: must be base64",
        ),
        (
            object("ConfigMap", json!({"stringData": {}})),
            "stringData: unknown field",
        ),
        (
            object("ConfigMap", json!({"data": {"a": large}})),
            "data: must have at most",
        ),
    ] {
        let found = faults(&document);
        assert!(found.len() == 1 && found[0].starts_with(start), "{start}: {found:?}");
        assert!(!found[0].contains("sk-secret"), "{found:?}");
    }
}

/// As YAML 1.1 has it, which the API server's tools read, a key `on` is the boolean true: `kubectl apply` sent `retry.true`.
#[test]
fn no_field_is_a_word_that_yaml_reads_as_a_boolean() {
    fn fields(schema: &Value, found: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            found.extend(properties.keys().cloned());
        }
        match schema {
            Value::Object(members) => members.values().for_each(|value| fields(value, found)),
            Value::Array(items) => items.iter().for_each(|value| fields(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for definition in crate::definition::definitions() {
        fields(&serde_json::to_value(definition).unwrap(), &mut found);
    }
    assert!(found.len() > 50);
    let booleans = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    found.retain(|field| booleans.contains(&field.to_lowercase().as_str()));
    assert_eq!(found, Vec::<String>::new());
}
