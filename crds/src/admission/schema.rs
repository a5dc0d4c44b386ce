//! The definitions' schemas and CEL rules, compiled when they are needed and kept until they are said to be needed no more.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

use super::{Fault, structure, words};
use crate::{definition, object::Kind};

/// One schema, ready to judge.
pub(super) struct Schema {
    source: Value,
    structural: jsonschema::Validator,
    rules: CompiledSchema,
}

/// All of them, each compiled when it is first asked for.
#[derive(Default)]
struct Schemas {
    provider: OnceLock<Schema>,
    route: OnceLock<Schema>,
    prompt_template: OnceLock<Schema>,
    prompt_revision: OnceLock<Schema>,
    messages: OnceLock<Schema>,
}

static SCHEMAS: Mutex<Option<Arc<Schemas>>> = Mutex::new(None);

/// The schema of one of our kinds, lent to `use_it`.
pub(super) fn of<T>(kind: Kind, use_it: impl FnOnce(&Schema) -> T) -> T {
    let schemas = schemas();
    let (schema, kind) = match kind {
        Kind::Provider => (&schemas.provider, "Provider"),
        Kind::Route => (&schemas.route, "Route"),
        Kind::PromptTemplate => (&schemas.prompt_template, "PromptTemplate"),
        Kind::PromptRevision => (&schemas.prompt_revision, "PromptRevision"),
        Kind::Secret | Kind::ConfigMap => unreachable!("core kinds have no definition of ours"),
    };
    use_it(schema.get_or_init(|| Schema::compile(source(kind))))
}

/// The schema of a `PromptTemplate`'s messages alone, lent to `use_it`.
pub(super) fn messages<T>(use_it: impl FnOnce(&Schema) -> T) -> T {
    let schemas = schemas();
    use_it(schemas.messages.get_or_init(|| {
        let template = source("PromptTemplate");
        Schema::compile(template["properties"]["spec"]["properties"]["messages"].clone())
    }))
}

/// Forgets what was compiled, until it is asked for again.
pub(super) fn forget() {
    lock().take();
}

fn schemas() -> Arc<Schemas> {
    Arc::clone(lock().get_or_insert_default())
}

fn lock() -> MutexGuard<'static, Option<Arc<Schemas>>> {
    SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn source(kind: &str) -> Value {
    let definitions = definition::definitions();
    let definition = definitions.iter().find(|definition| definition.spec.names.kind == kind);
    let version = definition.and_then(|definition| definition.spec.versions.first());
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    serde_json::to_value(schema.expect("each of our kinds has a schema")).expect("a schema serializes to JSON")
}

impl Schema {
    fn compile(source: Value) -> Self {
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft7);
        let structural = options
            .build(&source)
            .expect("our schemas are valid, which a test checks");
        let rules = compile_schema(&source);
        Self {
            source,
            structural,
            rules,
        }
    }

    /// Takes the status out of an object of a kind that has one: it is the operator's to write. The API server drops it too, once it has
    /// refused fields that it does not know.
    pub(super) fn take_status(&self, object: &mut Value) -> Vec<Fault> {
        let Some(declared) = self.source["properties"].get("status") else {
            return Vec::new();
        };
        let status = object.as_object_mut().and_then(|fields| fields.remove("status"));
        status.map_or_else(Vec::new, |status| {
            structure::unknown_fields("status", &status, declared)
        })
    }

    /// All that is wrong with `value`, which has no nulls but in lists. Rules are asked only of what has the right structure: on
    /// anything else they would fail for that reason alone.
    pub(super) fn check(&self, value: &Value) -> Vec<Fault> {
        let mut faults = structure::unknown_fields("", value, &self.source);
        faults.extend(self.structural.iter_errors(value).map(|error| words::fault(&error)));
        faults.extend(structure::duplicates(value, &self.source));
        if faults.is_empty() {
            faults.extend(self.broken_rules(value));
        }
        faults
    }

    fn broken_rules(&self, value: &Value) -> Vec<Fault> {
        let Err(errors) = Validator::new().validate_compiled(&self.rules, value, None) else {
            return Vec::new();
        };
        let fault = |error: kube::core::cel::ValidationError| match error.kind {
            ErrorKind::ValidationFailure => Fault::new(error.field_path, error.message),
            _ => Fault::new(
                error.field_path,
                format!("cannot be checked ({}): {}", error.rule, error.message),
            ),
        };
        errors.into_iter().map(fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern;

    fn walk(schema: &Value, visit: &mut impl FnMut(&Value)) {
        visit(schema);
        match schema {
            Value::Object(fields) => fields.values().for_each(|field| walk(field, visit)),
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }

    #[test]
    fn everything_in_the_schemas_is_bounded_documented_and_has_words() {
        for kind in ["Provider", "Route", "PromptTemplate", "PromptRevision"] {
            let mut source = source(kind);
            let status = source["properties"].get_mut("status").and_then(Value::as_object_mut);
            let default = status.and_then(|status| status.remove("default"));
            assert_eq!(default.is_some(), kind != "PromptRevision");
            walk(&source, &mut |schema| {
                let has = |name: &str| schema.get(name).is_some();
                match schema.get("type").and_then(Value::as_str) {
                    Some("string") => assert!(has("maxLength") || has("enum"), "{kind} {schema}"),
                    Some("array") => assert!(has("maxItems") && has("items"), "{kind} {schema}"),
                    Some("integer") => assert!(has("minimum") && has("maximum"), "{kind} {schema}"),
                    Some("object") if has("additionalProperties") => assert!(has("maxProperties"), "{kind} {schema}"),
                    _ => {}
                }
                for (name, property) in schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    assert!(name == "spec" || property.get("description").is_some(), "{kind} {name}");
                }
                if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
                    assert!(pattern::words(pattern).is_some(), "{kind} {pattern}");
                }
                if schema.get("type").is_some_and(Value::is_string) {
                    assert!(
                        !has("nullable") && !has("anyOf") && !has("oneOf") && !has("default"),
                        "{kind} {schema}"
                    );
                }
            });
        }
    }

    #[test]
    fn what_was_forgotten_is_compiled_again_and_who_uses_it_keeps_it() {
        let empty = Value::Object(serde_json::Map::new());
        let check = || of(Kind::Route, |schema| schema.check(&empty));
        let before = check();
        assert!(!before.is_empty());
        let during = of(Kind::Route, |schema| {
            forget();
            schema.check(&empty)
        });
        assert_eq!((during, check()), (before.clone(), before));
    }

    #[test]
    fn every_rule_compiles_and_has_a_message() {
        for kind in ["Provider", "Route", "PromptTemplate", "PromptRevision"] {
            walk(&source(kind), &mut |schema| {
                for rule in schema
                    .get("x-kubernetes-validations")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    assert!(rule["message"].is_string(), "{rule}");
                }
                assert!(!schema.is_object() || !compile_schema(schema).has_errors(), "{schema}");
            });
        }
    }
}
