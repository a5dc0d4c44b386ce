use serde_json::{Value, json};

use super::{Error, document};
use crate::simulator::random::Random;

fn accepted(schema: &Value) {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap();
    for seed in 0..50 {
        let document = document(schema, &mut Random::of(seed, &[])).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "seed {seed}: {document} for {schema}: {errors:?}");
    }
}

#[test]
fn every_kind_of_value_is_accepted_by_its_schema() {
    for schema in [
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}),
        json!({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 5}),
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": true}),
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}),
        json!({"type": "string", "minLength": 30, "maxLength": 40}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "string", "pattern": "^[A-Z]{3}-\\d{2,4}$"}),
        json!({"type": "string", "pattern": "^(cat|dog)s?$"}),
        json!({"type": "integer", "minimum": 7, "maximum": 7}),
        json!({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}),
        json!({"type": "integer", "maximum": -5, "multipleOf": 3}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2}),
        json!({"type": "number", "multipleOf": 0.25, "minimum": 1}),
        json!({"type": ["string", "null"]}),
        json!({"const": {"x": 1}}),
        json!({"anyOf": [{"type": "null"}, {"type": "boolean"}, {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}]}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}),
        json!({"type": "object", "required": ["free"]}),
        json!(true),
    ] {
        accepted(&schema);
    }
    for format in [
        "date",
        "time",
        "date-time",
        "duration",
        "email",
        "hostname",
        "uri",
        "ipv4",
        "ipv6",
        "uuid",
    ] {
        accepted(&json!({"type": "string", "format": format}));
    }
}

#[test]
fn recursion_through_references_ends() {
    accepted(&json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "additionalProperties": false, "required": ["value", "next", "children"], "properties": {
            "value": {"type": "string", "description": "a word"},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        }}},
    }));
    accepted(&json!({"type": "object", "properties": {"again": {"$ref": "#"}}, "additionalProperties": false}));
}

#[test]
fn what_no_document_can_satisfy_is_refused() {
    let refused = |schema: Value| document(&schema, &mut Random::of(0, &[])).unwrap_err();
    assert_eq!(
        refused(json!({"$ref": "#/$defs/absent"})),
        Error::Reference("#/$defs/absent".to_owned())
    );
    assert_eq!(
        refused(json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})),
        Error::Endless
    );
    assert_eq!(
        refused(json!({"type": "integer", "minimum": 3, "maximum": 2})),
        Error::Unsatisfiable
    );
    assert_eq!(
        refused(json!({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": true})),
        Error::Unsatisfiable
    );
    assert_eq!(refused(json!({"not": {"type": "string"}})), Error::Keyword("not"));
    assert_eq!(
        refused(json!({"type": "string", "pattern": "(?<=a)b"})),
        Error::Pattern("(?<=a)b".to_owned())
    );
}

#[test]
fn one_seed_gives_one_document() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}});
    assert_eq!(
        document(&schema, &mut Random::of(5, &[])),
        document(&schema, &mut Random::of(5, &[]))
    );
}
