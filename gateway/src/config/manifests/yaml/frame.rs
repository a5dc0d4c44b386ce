//! What the builder holds while a mapping or a list is not complete.

use serde_json::{Map, Value};

/// A mapping or a list that is not complete.
pub(super) struct Frame {
    pub(super) holder: Holder,
    pub(super) line: u32,
    pub(super) anchor: usize,
    /// What it weighs so far, for whoever copies it.
    pub(super) weight: Weight,
    /// Length of the path of the frame itself.
    pub(super) path: usize,
}

pub(super) enum Holder {
    List(Vec<Value>),
    Mapping {
        entries: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What `<<` brings; explicit keys win, then earlier ones.
        merged: Vec<Map<String, Value>>,
    },
}

pub(super) enum Key {
    Field(String),
    Repeated,
    Merge,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Weight {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
}

/// Adds a key to a path as admission writes it: `parent.name`, or `parent[name]` where the name would be misread.
pub(super) fn step_into(path: &mut String, name: &str) {
    if path.is_empty() {
        path.push_str(name);
    } else if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        path.push('.');
        path.push_str(name);
    } else {
        path.push('[');
        path.push_str(name);
        path.push(']');
    }
}

/// Adds the place of an item to the path of its list.
pub(super) fn step_into_item(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

/// Whether `value` is something that `<<` can bring.
pub(super) fn merge(merged: &mut Vec<Map<String, Value>>, value: Value) -> bool {
    match value {
        Value::Object(map) => merged.push(map),
        Value::Array(items) => {
            for item in items {
                let Value::Object(map) = item else { return false };
                merged.push(map);
            }
        }
        _ => return false,
    }
    true
}
