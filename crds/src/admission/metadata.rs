//! Metadata by the API server's rules.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::{Fault, child, words};
use crate::object::DEFAULT_NAMESPACE;

const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
const OWNER_FIELDS: [&str; 6] = ["apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"];
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// All annotations of an object together, in bytes.
const ANNOTATIONS: usize = 256 * 1024;
const NAME_WORDS: &str =
    "must be at most 253 lower-case letters, digits, - and ., each part beginning and ending with a letter or digit";
const LABEL_WORDS: &str =
    "must be at most 63 lower-case letters, digits and -, beginning and ending with a letter or digit";
const KEY_WORDS: &str = "the key must be a name of at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit, perhaps after a DNS prefix and /";
const VALUE_WORDS: &str =
    "must be at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit, or empty";

/// Checks `object.metadata`, which has no nulls, and fills in its namespace.
pub(super) fn check(object: &mut Value) -> Vec<Fault> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return match object.get("metadata") {
            None | Some(Value::Null) => vec![Fault::new("metadata.name", "is required")],
            Some(other) => vec![Fault::new(
                "metadata",
                format!("must be an object, not {}", words::type_of(other)),
            )],
        };
    };
    // An empty namespace is as good as none.
    metadata.retain(|name, field| !(name == "namespace" && field.as_str() == Some("")));
    let mut faults = Vec::new();
    for name in metadata.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        faults.push(Fault::new(
            child("metadata", name),
            format!("unknown field; there are {}", FIELDS.join(", ")),
        ));
    }
    names(metadata, &mut faults);
    for map in ["labels", "annotations"] {
        entries(map, metadata, &mut faults);
    }
    finalizers(metadata, &mut faults);
    owners(metadata, &mut faults);
    if faults.is_empty() {
        if let Err(error) = serde_json::from_value::<ObjectMeta>(Value::Object(metadata.clone())) {
            faults.push(Fault::new("metadata", error.to_string()));
        }
        metadata.entry("namespace").or_insert_with(|| DEFAULT_NAMESPACE.into());
    }
    faults
}

fn names(metadata: &Map<String, Value>, faults: &mut Vec<Fault>) {
    match metadata.get("name") {
        None => faults.push(Fault::new("metadata.name", "is required")),
        Some(Value::String(name)) if name.is_empty() => faults.push(Fault::new("metadata.name", "is required")),
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(Value::String(name)) => faults.push(Fault::new("metadata.name", format!("{NAME_WORDS}, not `{name}`"))),
        Some(other) => faults.push(Fault::new("metadata.name", not_text(other))),
    }
    match metadata.get("namespace") {
        None => {}
        Some(Value::String(namespace)) if is_label(namespace) => {}
        Some(Value::String(namespace)) => {
            faults.push(Fault::new(
                "metadata.namespace",
                format!("{LABEL_WORDS}, not `{namespace}`"),
            ));
        }
        Some(other) => faults.push(Fault::new("metadata.namespace", not_text(other))),
    }
}

fn entries(map: &str, metadata: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let field = format!("metadata.{map}");
    let entries = match metadata.get(map) {
        None => return,
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            faults.push(Fault::new(
                field,
                format!("must be a map of strings, not {}", words::type_of(other)),
            ));
            return;
        }
    };
    let mut size = 0;
    for (key, value) in entries {
        let field = child(&field, key);
        // The prefix of an annotation's key may have capitals, that of a label's may not.
        let known_as = if map == "annotations" {
            key.to_ascii_lowercase()
        } else {
            key.clone()
        };
        if !is_qualified(&known_as) {
            faults.push(Fault::new(&*field, format!("{KEY_WORDS}, not `{key}`")));
        }
        match value.as_str() {
            None => faults.push(Fault::new(&*field, not_text(value))),
            Some(text) if map == "labels" && !is_label_value(text) => {
                faults.push(Fault::new(&*field, format!("{VALUE_WORDS}, not `{text}`")));
            }
            Some(text) => size += key.len() + text.len(),
        }
    }
    if map == "annotations" && size > ANNOTATIONS {
        faults.push(Fault::new(
            field,
            format!("must have at most {ANNOTATIONS} bytes together, have {size}"),
        ));
    }
}

fn finalizers(metadata: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let has = |wanted: &str| items(metadata, "finalizers").any(|(_, finalizer)| finalizer.as_str() == Some(wanted));
    if has("orphan") && has("foregroundDeletion") {
        faults.push(Fault::new(
            "metadata.finalizers",
            "must not have both orphan and foregroundDeletion",
        ));
    }
    for (index, finalizer) in items(metadata, "finalizers") {
        if !finalizer.as_str().is_some_and(is_qualified) {
            let message = "must be a name with a DNS prefix, like example.com/cleanup";
            faults.push(Fault::new(format!("metadata.finalizers[{index}]"), message));
        }
    }
}

fn owners(metadata: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (index, owner) in items(metadata, "ownerReferences") {
        let path = format!("metadata.ownerReferences[{index}]");
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(field).is_empty() {
                faults.push(Fault::new(format!("{path}.{field}"), "is required"));
            }
        }
        if text("apiVersion") == "v1" && text("kind") == "Event" {
            faults.push(Fault::new(&path, "must not be an Event"));
        }
        let fields = owner.as_object().into_iter().flatten().map(|(name, _)| name);
        for name in fields.filter(|name| !OWNER_FIELDS.contains(&name.as_str())) {
            faults.push(Fault::new(
                child(&path, name),
                format!("unknown field; there are {}", OWNER_FIELDS.join(", ")),
            ));
        }
    }
}

fn items<'a>(metadata: &'a Map<String, Value>, list: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    metadata
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
}

fn not_text(value: &Value) -> String {
    format!("must be a string, not {}", words::type_of(value))
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether `text` is not empty, is made of `inner` and begins and ends with `outer`.
fn made_of(text: &str, outer: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(&first, &last)| outer(first) && outer(last)) && bytes.iter().all(|&byte| inner(byte))
}

/// A DNS-1123 label.
fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    made_of(text, lower_or_digit, |byte| lower_or_digit(byte) || byte == b'-')
}

/// A DNS-1123 subdomain; the API server bounds the whole, not its parts.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_label_of_any_length)
}

fn is_qualified_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= LONGEST_LABEL && made_of(text, |byte| byte.is_ascii_alphanumeric(), inner)
}

/// A key of labels and annotations. Only the prefix is bound to lower case.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_name(name),
        None => is_qualified_name(key),
    }
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_name(text)
}
