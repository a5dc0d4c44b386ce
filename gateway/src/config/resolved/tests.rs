//! What a new configuration takes over from the one before.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::config::example::{compiled, object, provider, route, template};

fn snapshot(objects: &[Value]) -> Snapshot {
    let compiled = compiled(objects, |_| {});
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    std::sync::Arc::unwrap_or_clone(compiled.snapshot)
}

fn objects(priced: u64, text: &str) -> Vec<Value> {
    let prompt = |name: &str| json!({ "promptRef": { "name": name } });
    let models = json!([{ "name": "gpt", "inputMicroUsdPerMTok": priced }]);
    let other = json!([{ "name": "only", "providerRef": { "name": "q" }, "model": "gpt" }]);
    vec![
        provider("p"),
        object("Provider", "q", json!({ "vendor": "Simulated", "models": models })),
        template("t", &[("system", text)], &[]),
        template("u", &[("system", "Be kind.")], &[]),
        route("plain", json!({})),
        route("priced", json!({ "targets": other })),
        route("prompted", prompt("t")),
        route("kind", prompt("u")),
    ]
}

/// The Routes that `after` took over from `before`.
fn same(before: &Config, after: &Config) -> Vec<String> {
    let pairs = before.all_routes().into_iter().zip(after.all_routes());
    let same = pairs.filter(|(one, other)| Arc::ptr_eq(one, other));
    same.map(|(route, _)| route.object().name.to_string()).collect()
}

#[test]
fn a_route_is_taken_over_when_it_and_all_that_it_needs_are_as_before() {
    let before = Config::resolve(snapshot(&objects(1, "Be brief.")), None);
    let resolve = |objects: &[Value]| Config::resolve(snapshot(objects), Some(&before));
    let unchanged = resolve(&objects(1, "Be brief."));
    assert_eq!(same(&before, &unchanged), ["kind", "plain", "priced", "prompted"]);
    assert_eq!(unchanged.models().count(), before.models().count());
    let prices = resolve(&objects(2, "Be brief."));
    assert_eq!(same(&before, &prices), ["kind", "plain", "prompted"]);
    let words = resolve(&objects(1, "Be long."));
    assert_eq!(same(&before, &words), ["kind", "plain", "priced"]);
    let mut without = objects(1, "Be brief.");
    without.remove(0);
    let compiled = compiled(&without, |_| {});
    let gone = Config::resolve(std::sync::Arc::unwrap_or_clone(compiled.snapshot), Some(&before));
    assert_eq!(same(&before, &gone), ["priced"], "the others have no Provider any more");
}
