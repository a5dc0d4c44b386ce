//! Secrets and `ConfigMaps`, as the API server reads them. No message repeats a value of a Secret.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Map, Value};

use super::{Fault, child, metadata, normal, typed, words};

/// As Go decodes it: padding is required, bits left over are not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
/// All data of one object together, in bytes.
const LARGEST: usize = 1024 * 1024;
const LONGEST_KEY: usize = 253;

/// Reads a Secret; its `stringData` goes into `data`, over what is there.
pub(super) fn secret(document: &Value) -> Result<Secret, Vec<Fault>> {
    let mut object = normal(document);
    let mut faults = metadata::check(&mut object);
    let fields = prepare(&mut object, &["data", "immutable", "stringData", "type"], &mut faults);
    if fields.get("type").is_some_and(|type_| !type_.is_string()) {
        faults.push(Fault::new("type", "must be a string"));
    }
    let plain = texts("stringData", fields, &mut faults);
    let encoded = texts("data", fields, &mut faults);
    let mut data = Map::new();
    let mut size = 0;
    for (key, text) in encoded {
        match BASE64.decode(text.replace(['\r', '\n'], "")) {
            Ok(bytes) => {
                size += bytes.len();
                data.insert(key, BASE64.encode(bytes).into());
            }
            Err(_) => faults.push(Fault::new(
                child("data", &key),
                "must be base64 (write plain text under stringData)",
            )),
        }
    }
    for (key, text) in plain {
        size += text.len();
        data.insert(key, BASE64.encode(text).into());
    }
    bound("data", size, &mut faults);
    if !data.is_empty() {
        fields.insert("data".to_owned(), Value::Object(data));
    }
    fields.remove("stringData");
    typed(object, faults)
}

/// Reads a `ConfigMap`.
pub(super) fn config_map(document: &Value) -> Result<ConfigMap, Vec<Fault>> {
    let mut object = normal(document);
    let mut faults = metadata::check(&mut object);
    let fields = prepare(&mut object, &["binaryData", "data", "immutable"], &mut faults);
    let texts_found = texts("data", fields, &mut faults);
    let mut size: usize = texts_found.iter().map(|(_, text)| text.len()).sum();
    for (key, text) in texts("binaryData", fields, &mut faults) {
        match BASE64.decode(text.replace(['\r', '\n'], "")) {
            Ok(bytes) => size += bytes.len(),
            Err(_) => faults.push(Fault::new(child("binaryData", &key), "must be base64")),
        }
        if texts_found.iter().any(|(other, _)| *other == key) {
            faults.push(Fault::new(child("binaryData", &key), "is in data too"));
        }
    }
    bound("data", size, &mut faults);
    typed(object, faults)
}

/// The object's fields; reports those that are not `known` and a wrong `immutable`.
fn prepare<'a>(object: &'a mut Value, known: &[&str], faults: &mut Vec<Fault>) -> &'a mut Map<String, Value> {
    let fields = object.as_object_mut().expect("only objects have a kind");
    let unknown = fields.keys().filter(|name| !known.contains(&name.as_str()));
    for name in unknown.filter(|name| !["apiVersion", "kind", "metadata"].contains(&name.as_str())) {
        faults.push(Fault::new(
            name,
            format!("unknown field; there are {}", known.join(", ")),
        ));
    }
    if fields.get("immutable").is_some_and(|immutable| !immutable.is_boolean()) {
        faults.push(Fault::new("immutable", "must be true or false"));
    }
    fields
}

/// The entries of a map of strings; reports what is none.
fn texts(name: &str, fields: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<(String, String)> {
    let entries = match fields.get(name) {
        None => return Vec::new(),
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            faults.push(Fault::new(
                name,
                format!("must be a map of strings, not {}", words::type_of(other)),
            ));
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for (key, value) in entries {
        let field = child(name, key);
        if !is_data_key(key) {
            let message = "the key must be at most 253 letters, digits, -, _ and ., and not . or ..";
            faults.push(Fault::new(&*field, message));
        }
        match value.as_str() {
            Some(text) => texts.push((key.clone(), text.to_owned())),
            None => faults.push(Fault::new(
                &*field,
                format!("must be a string, not {}", words::type_of(value)),
            )),
        }
    }
    texts
}

fn is_data_key(key: &str) -> bool {
    let allowed = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    allowed && (1..=LONGEST_KEY).contains(&key.len()) && key != "." && !key.starts_with("..")
}

fn bound(field: &str, size: usize, faults: &mut Vec<Fault>) {
    if size > LARGEST {
        faults.push(Fault::new(
            field,
            format!("must have at most {LARGEST} bytes together, has {size}"),
        ));
    }
}
