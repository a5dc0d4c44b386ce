//! What the API server does beside JSON Schema: unknown fields, nulls, list-maps and sets.

use serde_json::Value;

use super::{Fault, child};

/// Fields of the root that no schema declares.
const ROOT_FIELDS: [&str; 2] = ["apiVersion", "kind"];

/// A node of the value beside its schema.
fn children<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    match schema.get("properties").and_then(|properties| properties.get(name)) {
        Some(property) => Some(property),
        None => schema.get("additionalProperties"),
    }
}

/// Fields of the value at `path` that the schema does not have; `kubectl apply` refuses them.
pub(super) fn unknown_fields(path: &str, value: &Value, schema: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    find_unknown(path, value, schema, &mut faults);
    faults
}

fn find_unknown(path: &str, value: &Value, schema: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) if schema["type"] == "object" => {
            for (name, field) in fields {
                let path = child(path, name);
                match children(schema, name) {
                    Some(schema) => find_unknown(&path, field, schema, faults),
                    None if path == name.as_str() && ROOT_FIELDS.contains(&name.as_str()) => {}
                    None => faults.push(Fault::new(path, unknown_message(schema))),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_unknown(&format!("{path}[{index}]"), item, &schema["items"], faults);
            }
        }
        _ => {}
    }
}

fn unknown_message(schema: &Value) -> String {
    let known: Vec<&str> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    match known.as_slice() {
        [] => "unknown field; there are no fields here".to_owned(),
        known => format!("unknown field; there are {}", known.join(", ")),
    }
}

/// Removes fields that are null: `kubectl apply` does not send them, and the API server drops those that it gets where a field is
/// not nullable, as none of ours is. Nulls in lists stay.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Items of sets, and keys of list-maps, that are there twice.
pub(super) fn duplicates(value: &Value, schema: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    find_duplicates("", value, schema, &mut faults);
    faults
}

fn find_duplicates(path: &str, value: &Value, schema: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(schema) = children(schema, name) {
                    find_duplicates(&child(path, name), field, schema, faults);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path_here = format!("{path}[{index}]");
                let identity = identity(item, schema);
                let earlier = items[..index]
                    .iter()
                    .position(|other| self::identity(other, schema) == identity);
                if let (Some(identity), Some(earlier)) = (identity, earlier) {
                    let identity = identity
                        .iter()
                        .map(|part| part.as_str().unwrap_or_default())
                        .collect::<Vec<_>>()
                        .join(", ");
                    faults.push(Fault::new(
                        &path_here,
                        format!("duplicate of {path}[{earlier}]: `{identity}` must be there only once"),
                    ));
                }
                find_duplicates(&path_here, item, &schema["items"], faults);
            }
        }
        _ => {}
    }
}

/// What must differ between items: the whole of a set's, the keys of a list-map's; nothing in other lists.
fn identity<'a>(item: &'a Value, schema: &'a Value) -> Option<Vec<&'a Value>> {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(vec![item]),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            keys.iter().map(|key| item.get(key.as_str()?)).collect()
        }
        _ => None,
    }
}
