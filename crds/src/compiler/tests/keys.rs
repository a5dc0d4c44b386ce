//! Client keys.

use super::*;
use crate::snapshot::{KeyEntry, KeyRoutes, Role};

fn entry(data: Value) -> KeyEntry {
    let compiled = compiled(&[client_key("k", data)]);
    assert_eq!(found(&compiled), Vec::<String>::new());
    compiled.snapshot.keys[&name("k")].clone()
}

#[test]
fn a_key_is_held_as_its_hash_only() {
    let hash = sha256_hex(SECRET.as_bytes());
    let plain = entry(json!({"key": SECRET}));
    assert_eq!(
        (plain.sha256.as_str(), plain.name.as_str(), plain.role),
        (hash.as_str(), "k", Role::User)
    );
    assert_eq!(plain.routes, KeyRoutes::OwnNamespace);
    assert_eq!(entry(json!({"keySha256": hash.to_uppercase()})), plain);
}

#[test]
fn name_role_and_routes_are_read() {
    let listed = entry(json!({"key": SECRET, "name": "Team A", "role": "Admin", "routes": "b/y, a/x,a/x, z"}));
    assert_eq!((listed.name.as_str(), listed.role), ("Team A", Role::Admin));
    assert_eq!(
        listed.routes,
        KeyRoutes::Listed(vec![name("a/x"), name("b/y"), name("z")])
    );
    assert_eq!(entry(json!({"key": SECRET, "routes": "*"})).routes, KeyRoutes::All);
    assert_eq!(entry(json!({"key": SECRET, "role": "Viewer"})).role, Role::Viewer);
}

#[test]
fn anything_else_is_refused_by_field() {
    for (data, field) in [
        (json!({}), "data"),
        (json!({"key": SECRET, "keySha256": "0".repeat(64)}), "data"),
        (json!({"key": "1234567"}), "data.key"),
        (json!({"key": "x".repeat(513)}), "data.key"),
        (json!({"key": "with space"}), "data.key"),
        (json!({"key": "12345678\n"}), "data.key"),
        (json!({"key": ""}), "data.key"),
        (json!({"keySha256": "0".repeat(63)}), "data.keySha256"),
        (json!({"keySha256": "g".repeat(64)}), "data.keySha256"),
        (json!({"key": SECRET, "role": "admin"}), "data.role"),
        (json!({"key": SECRET, "routes": "a b"}), "data.routes"),
        (json!({"key": SECRET, "routes": "a/b c"}), "data.routes"),
        (json!({"key": SECRET, "routes": "/a"}), "data.routes"),
        (json!({"key": SECRET, "routes": ""}), "data.routes"),
        (json!({"key": SECRET, "name": "a\nb"}), "data.name"),
        (json!({"key": SECRET, "budget": "5"}), "data.budget"),
    ] {
        let compiled = compiled(&[client_key("k", data.clone())]);
        assert_eq!(
            found(&compiled),
            [format!("Secret default/k Accepted InvalidKey {field}")],
            "{data}"
        );
        assert!(compiled.snapshot.keys.is_empty());
    }
}

#[test]
fn a_malformed_secret_keeps_its_last_good_entry_but_no_key_that_it_no_longer_holds() {
    let good = compiled(&[client_key("k", json!({"key": SECRET}))]);
    for (data, stays) in [
        (json!({"key": SECRET, "role": "admin"}), true),
        (json!({"key": "short"}), true),
        (json!({"key": "another-good-key", "role": "admin"}), false),
        (json!({"role": "Admin"}), false),
        (json!({"key": ""}), false),
    ] {
        let after = again(&[client_key("k", data.clone())], &good);
        assert_eq!(
            after.snapshot.keys.get(&name("k")).map(|entry| entry.stale),
            stays.then_some(true),
            "{data}"
        );
        assert_eq!(found(&after).len(), 1);
    }
}

#[test]
fn a_secret_that_is_deleted_or_loses_its_label_is_no_key_at_once() {
    let good = compiled(&[client_key("k", json!({"key": SECRET}))]);
    assert!(again(&[], &good).snapshot.keys.is_empty());
    let mut unlabelled = client_key("k", json!({"key": SECRET}));
    unlabelled["metadata"]["labels"] = json!({"routeswitch.io/api-key": "True"});
    let after = again(&[unlabelled], &good);
    assert_eq!((after.snapshot.keys.len(), found(&after).len()), (0, 0));
}

#[test]
fn one_key_in_two_secrets_belongs_to_the_senior_one() {
    let twice = [
        client_key("b", json!({"key": SECRET})),
        client_key("a", json!({"keySha256": sha256_hex(SECRET.as_bytes())})),
    ];
    let unordered = compiled(&twice);
    assert_eq!(unordered.snapshot.keys.keys().collect::<Vec<_>>(), [&name("a")]);
    assert_eq!(found(&unordered), ["Secret default/b Accepted Conflicted"]);
    let [b, a] = twice;
    let timed = compiled(&[created(b, "2024-01-01T00:00:00Z"), created(a, "2025-01-01T00:00:00Z")]);
    assert_eq!(timed.snapshot.keys.keys().collect::<Vec<_>>(), [&name("b")]);
}
