//! A made-up JSON document that a given JSON schema accepts: for tool arguments and for structured output.
//!
//! Walks the schema and builds what it describes. `oneOf` is taken as `anyOf`. Keywords that a walk cannot satisfy are refused, so
//! that no document goes out that the schema would not accept.

use serde_json::{Map, Value, json};

use super::random::Random;
use super::words;

mod scalar;

/// Why there is no document.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("the reference {0:?} leads nowhere")]
    Reference(String),
    #[error("nothing can satisfy it")]
    Unsatisfiable,
    #[error("the schema never ends")]
    Endless,
    #[error("the keyword {0:?} is not imitated")]
    Keyword(&'static str),
    #[error("no text for the pattern {0:?}")]
    Pattern(String),
}

/// Deeper than this, only what is required is written.
const SPARSE_DEPTH: usize = 6;
/// Deeper than this, the schema is taken to be endless.
const MAXIMAL_DEPTH: usize = 40;
const REFUSED: [&str; 8] = [
    "not",
    "if",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "$dynamicRef",
];

/// A document that the schema accepts.
pub(crate) fn document(schema: &Value, random: &mut Random) -> Result<Value, Error> {
    Walk { root: schema, random }.value(schema, 0)
}

struct Walk<'a> {
    root: &'a Value,
    random: &'a mut Random,
}

impl Walk<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Result<Value, Error> {
        if depth > MAXIMAL_DEPTH {
            return Err(Error::Endless);
        }
        let Value::Object(keywords) = schema else {
            return if schema == &Value::Bool(false) {
                Err(Error::Unsatisfiable)
            } else {
                Ok(json!(self.text(1)))
            };
        };
        if let Some(keyword) = REFUSED.into_iter().find(|keyword| keywords.contains_key(*keyword)) {
            return Err(Error::Keyword(keyword));
        }
        if let Some(value) = keywords.get("const") {
            return Ok(value.clone());
        }
        if let Some(Value::Array(values)) = keywords.get("enum") {
            return values
                .get(self.random.below(values.len()))
                .cloned()
                .ok_or(Error::Unsatisfiable);
        }
        if let Some(single) = self.resolved(keywords, depth)? {
            return self.value(&Value::Object(single), depth + 1);
        }
        match kind(keywords) {
            "object" => self.object(keywords, depth),
            "array" => self.array(keywords, depth),
            "integer" => self.number(keywords, 1.0),
            "number" => self.number(keywords, 0.01),
            "boolean" => Ok(json!(self.random.below(2) == 1)),
            "null" => Ok(Value::Null),
            _ => self.string(keywords),
        }
    }

    /// The schema with its reference, its alternatives or its parts written into it; none if it has none of them.
    fn resolved(&mut self, keywords: &Map<String, Value>, depth: usize) -> Result<Option<Map<String, Value>>, Error> {
        let mut base = keywords.clone();
        let added = if let Some(Value::String(reference)) = base.remove("$ref") {
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            vec![target.cloned().ok_or(Error::Reference(reference))?]
        } else if let Some(Value::Array(parts)) = base.remove("allOf") {
            parts
        } else if let Some(Value::Array(branches)) = base.remove("anyOf").or_else(|| base.remove("oneOf")) {
            vec![self.branch(&branches, depth).cloned().ok_or(Error::Unsatisfiable)?]
        } else {
            return Ok(None);
        };
        for part in added {
            match part {
                Value::Object(part) => merge(&mut base, part),
                Value::Bool(false) => return Err(Error::Unsatisfiable),
                _ => {}
            }
        }
        Ok(Some(base))
    }

    /// One of the alternatives; deep down, one that ends.
    fn branch<'b>(&mut self, branches: &'b [Value], depth: usize) -> Option<&'b Value> {
        let ends = |branch: &&Value| {
            ["$ref", "properties", "items", "anyOf", "oneOf", "allOf"]
                .iter()
                .all(|key| branch.get(key).is_none())
        };
        let ending = (depth > SPARSE_DEPTH).then(|| branches.iter().find(ends)).flatten();
        ending.or_else(|| branches.get(self.random.below(branches.len())))
    }

    fn object(&mut self, keywords: &Map<String, Value>, depth: usize) -> Result<Value, Error> {
        let empty = Map::new();
        let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, schema) in properties {
            let needed = required.contains(&name.as_str());
            if needed || depth <= SPARSE_DEPTH {
                match self.value(schema, depth + 1) {
                    Ok(value) => drop(object.insert(name.clone(), value)),
                    Err(Error::Unsatisfiable | Error::Endless) if !needed => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let open = keywords.get("additionalProperties").unwrap_or(&Value::Bool(true));
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            object.insert((*name).to_owned(), self.value(open, depth + 1)?);
        }
        let wished = count(keywords, "minProperties").unwrap_or(usize::from(properties.is_empty() && open.is_object()));
        for number in object.len()..wished {
            object.insert(
                format!("{}_{number}", self.random.pick(words::LIST)),
                self.value(open, depth + 1)?,
            );
        }
        Ok(Value::Object(object))
    }

    fn array(&mut self, keywords: &Map<String, Value>, depth: usize) -> Result<Value, Error> {
        let first = keywords
            .get("prefixItems")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let rest = keywords.get("items").unwrap_or(&Value::Bool(true));
        let least = count(keywords, "minItems").unwrap_or(0);
        let most = count(keywords, "maxItems").unwrap_or(usize::MAX);
        let wished = if depth > SPARSE_DEPTH || rest == &Value::Bool(false) {
            0
        } else {
            1 + self.random.below(3)
        };
        let length = wished.max(first.len()).max(least).min(most);
        let unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::new();
        for position in 0..length {
            let schema = first.get(position).unwrap_or(rest);
            let tries = if unique { 32 } else { 1 };
            let mut fresh = None;
            for _ in 0..tries {
                let item = self.value(schema, depth + 1)?;
                if !unique || !items.contains(&item) {
                    fresh = Some(item);
                    break;
                }
            }
            match fresh {
                Some(item) => items.push(item),
                None if items.len() >= least => break,
                None => return Err(Error::Unsatisfiable),
            }
        }
        Ok(Value::Array(items))
    }
}

/// Puts what the second schema demands into the first: properties and required names are united, the rest is replaced.
fn merge(base: &mut Map<String, Value>, added: Map<String, Value>) {
    for (keyword, value) in added {
        match (base.get_mut(&keyword), value) {
            (Some(Value::Object(old)), Value::Object(new)) if keyword == "properties" => old.extend(new),
            (Some(Value::Array(old)), Value::Array(new)) if keyword == "required" => old.extend(new),
            (_, value) => drop(base.insert(keyword, value)),
        }
    }
}

/// The type that the schema names, or that its keywords speak of.
fn kind(keywords: &Map<String, Value>) -> &str {
    match keywords.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ => {
            let speaks = |names: &[&str]| names.iter().any(|name| keywords.contains_key(*name));
            match () {
                () if speaks(&["properties", "required", "additionalProperties", "minProperties"]) => "object",
                () if speaks(&["items", "prefixItems", "minItems"]) => "array",
                () if speaks(&[
                    "minimum",
                    "maximum",
                    "exclusiveMinimum",
                    "exclusiveMaximum",
                    "multipleOf",
                ]) =>
                {
                    "number"
                }
                () => "string",
            }
        }
    }
}

fn count(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    keywords
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|count| usize::try_from(count).ok())
}

#[cfg(test)]
mod tests;
