//! A walk through a JSON schema, for what vendors demand of the objects in it.

use serde_json::{Map, Value};

/// Calls `check` on every part of the schema that describes properties, with the path that leads there.
pub(crate) fn each_object<E>(
    schema: &Value,
    check: &mut impl FnMut(&Map<String, Value>, &[String]) -> Result<(), E>,
) -> Result<(), E> {
    walk(schema, &mut Vec::new(), check)
}

fn walk<E>(
    schema: &Value,
    path: &mut Vec<String>,
    check: &mut impl FnMut(&Map<String, Value>, &[String]) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(members) = schema.as_object()
        && members.get("properties").is_some_and(Value::is_object)
    {
        check(members, path)?;
    }
    let inner: Vec<(String, &Value)> = match schema {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(number, value)| (number.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner
        .into_iter()
        .filter(|(name, _)| !["enum", "const", "default", "examples"].contains(&name.as_str()))
    {
        path.push(name);
        walk(value, path, check)?;
        path.pop();
    }
    Ok(())
}
