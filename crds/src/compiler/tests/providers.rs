//! Providers: acceptance, credentials, what stays and what goes.

use super::*;
use crate::provider::Dialect;
use crate::snapshot::{AuthEntry, ModelEntry, ProviderEntry, ProviderTimeouts};

fn entry(spec: Value) -> ProviderEntry {
    let compiled = compiled(&[provider("p", spec)]);
    assert_eq!(found(&compiled), Vec::<String>::new());
    compiled.snapshot.providers[&name("p")].clone()
}

fn secret() -> Value {
    credential("keys", json!({"main": SECRET}))
}

/// Names and values of the credentials.
fn secrets(entry: &ProviderEntry) -> Vec<(&str, &str)> {
    let credentials = entry.credentials.iter();
    credentials
        .map(|entry| (entry.name.as_str(), entry.credential.expose()))
        .collect()
}

/// A Provider with two keys of one Secret.
fn two_keys() -> Value {
    let key = |key: &str, weight: u32| json!({"secretRef": {"name": "keys", "key": key}, "weight": weight});
    provider(
        "p",
        json!({"vendor": "OpenAI", "auth": {"keys": [key("main", 3), key("second", 1)]}}),
    )
}

#[test]
fn base_urls_come_from_the_object_the_vendor_or_the_simulator() {
    let none = json!({"none": {}});
    for (spec, url) in [
        (json!({"vendor": "OpenAI", "auth": none}), "https://api.openai.com/v1"),
        (
            json!({"vendor": "OpenAI", "auth": none, "baseUrl": "https://eu.example.com/v1/"}),
            "https://eu.example.com/v1",
        ),
        (json!({"vendor": "Simulated"}), "http://127.0.0.1:9999/v1"),
        (
            json!({"vendor": "Simulated", "baseUrl": "https://sim.example.com/v1"}),
            "https://sim.example.com/v1",
        ),
        (
            json!({"vendor": "OpenAICompatible", "baseUrl": "http://vllm.ai.svc:8000/v1"}),
            "http://vllm.ai.svc:8000/v1",
        ),
        (
            json!({"vendor": "Anthropic", "auth": none}),
            "https://api.anthropic.com",
        ),
        (
            json!({"vendor": "Simulated", "dialect": "Anthropic"}),
            "http://127.0.0.1:9999",
        ),
    ] {
        assert_eq!(entry(spec).base_url, url);
    }
}

#[test]
fn the_dialect_is_the_vendors_unless_the_provider_chooses() {
    for (vendor, chosen, dialect) in [
        ("OpenAI", None, Dialect::OpenAI),
        ("Anthropic", None, Dialect::Anthropic),
        ("Anthropic", Some("Anthropic"), Dialect::Anthropic),
        ("Simulated", None, Dialect::OpenAI),
        ("Simulated", Some("Anthropic"), Dialect::Anthropic),
    ] {
        let mut spec = json!({"vendor": vendor, "auth": {"none": {}}});
        if let Some(chosen) = chosen {
            spec["dialect"] = json!(chosen);
        }
        assert_eq!(entry(spec).dialect, dialect, "{vendor} {chosen:?}");
    }
}

#[test]
fn urls_without_a_usable_host_are_refused() {
    for url in [
        "https://2852039166/v1",
        "https://[::ffff:169.254.169.254]/",
        "https://host:99999/",
        "https://[fe8::1/",
    ] {
        let document = provider("p", json!({"vendor": "OpenAICompatible", "baseUrl": url}));
        let compiled = compiled(&[document]);
        assert!(compiled.snapshot.providers.is_empty(), "{url}");
        assert!(
            found(&compiled)[0].ends_with("spec.baseUrl"),
            "{url}: {:?}",
            found(&compiled)
        );
    }
}

#[test]
fn auth_that_is_omitted_depends_on_the_vendor() {
    assert_eq!(entry(json!({"vendor": "Simulated"})).auth, AuthEntry::None);
    assert_eq!(
        entry(json!({"vendor": "OpenAICompatible", "baseUrl": "https://a.example.com"})).auth,
        AuthEntry::None
    );
    let ambient = BTreeMap::from([(Vendor::OpenAI, Credential::new(SECRET))]);
    let with_key = Settings {
        ambient_credentials: ambient,
        ..settings()
    };
    let compiled = compile(
        &resources(&[provider("p", json!({"vendor": "OpenAI"}))]),
        &with_key,
        None,
    );
    let entry = &compiled.snapshot.providers[&name("p")];
    assert_eq!(
        (&entry.auth, secrets(entry)),
        (&AuthEntry::Ambient, vec![("OPENAI_API_KEY", SECRET)])
    );
}

#[test]
fn waits_have_defaults_and_bounds() {
    let default = ProviderTimeouts::default();
    assert_eq!(entry(json!({"vendor": "Simulated"})).timeouts, default);
    let asked = json!({"connect": "1s", "firstToken": "24h", "idle": "1ms", "total": "1m30s"});
    let timeouts = entry(json!({"vendor": "Simulated", "timeouts": asked})).timeouts;
    let milliseconds =
        [timeouts.connect, timeouts.first_token, timeouts.idle, timeouts.total].map(|wait| wait.as_millis());
    assert_eq!(milliseconds, [1_000, 86_400_000, 1, 90_000]);
    for (field, text) in [
        ("connect", "0ms"),
        ("firstToken", "24h1ms"),
        ("idle", "2d"),
        ("total", "99999999999999999999s"),
    ] {
        let compiled = compiled(&[provider("p", json!({"vendor": "Simulated", "timeouts": {field: text}}))]);
        assert_eq!(
            found(&compiled),
            [format!("Provider default/p Accepted Invalid spec.timeouts.{field}")]
        );
    }
}

#[test]
fn what_a_provider_says_of_models_and_headers_reaches_the_snapshot() {
    let models = json!([{"name": "a", "contextTokens": 8, "inputMicroUsdPerMTok": 0, "cachedInputMicroUsdPerMTok": 7, "cacheWriteMicroUsdPerMTok": 9}, {"name": "b"}]);
    let entry = entry(json!({"vendor": "Simulated", "models": models, "headers": {"X-Team": "a b"}}));
    let known = &entry.models["a"];
    assert_eq!(
        (known.context_tokens, known.input_micro_usd_per_m_tok),
        (Some(8), Some(0))
    );
    assert_eq!(
        (known.cached_input_micro_usd_per_m_tok, known.output_micro_usd_per_m_tok),
        (Some(7), None)
    );
    assert_eq!(known.cache_write_micro_usd_per_m_tok, Some(9));
    assert_eq!(entry.models["b"], ModelEntry::default());
    assert_eq!(entry.headers, BTreeMap::from([("X-Team".to_owned(), "a b".to_owned())]));
}

#[test]
fn an_object_that_became_bad_keeps_its_last_good_entry_until_it_is_mended_or_deleted() {
    let good = compiled(&[keyed("p"), secret()]);
    for bad in [
        provider("p", json!({"vendor": "Nobody"})),
        provider("p", json!({"vendor": "OpenAICompatible"})),
    ] {
        let stale = again(&[bad, secret()], &good);
        let expected = ProviderEntry {
            stale: true,
            ..good.snapshot.providers[&name("p")].clone()
        };
        assert_eq!(stale.snapshot.providers[&name("p")], expected);
        assert_ne!(stale.snapshot.revision, good.snapshot.revision);
        let mended = again(&[keyed("p"), secret()], &stale);
        assert_eq!(mended.snapshot, good.snapshot);
        assert!(again(&[secret()], &stale).snapshot.providers.is_empty());
    }
}

#[test]
fn one_that_never_was_good_is_not_there() {
    assert!(compiled(&[provider("p", json!({}))]).snapshot.providers.is_empty());
}

#[test]
fn a_withdrawn_secret_takes_good_and_stale_providers_out_at_once() {
    let good = compiled(&[keyed("p"), secret(), to("r", "x", "p")]);
    assert!(good.snapshot.routes[&name("r")].targets[0].resolved);
    let mut unlabelled = secret();
    unlabelled["metadata"]["labels"] = json!({});
    let other_key = credential("keys", json!({"other": SECRET}));
    let empty = credential("keys", json!({"main": ""}));
    let bad = provider("p", json!({"vendor": "Nobody"}));
    for (object, said) in [
        (keyed("p"), "Provider default/p ResolvedRefs"),
        (bad, "Provider default/p Accepted"),
    ] {
        for secrets in [
            vec![],
            vec![unlabelled.clone()],
            vec![other_key.clone()],
            vec![empty.clone()],
        ] {
            let mut documents = vec![object.clone(), to("r", "x", "p")];
            documents.extend(secrets);
            let after = again(&documents, &good);
            assert!(after.snapshot.providers.is_empty(), "{documents:?}");
            let route = &after.snapshot.routes[&name("r")];
            assert!(!route.targets[0].resolved && !route.stale);
            assert!(found(&after).iter().any(|line| line.starts_with(said)));
            assert_eq!(found(&after), found(&again(&documents, &after)));
            assert!(
                found(&after)
                    .iter()
                    .any(|line| line.contains("Route default/r ResolvedRefs ProviderNotUsable"))
            );
        }
    }
}

#[test]
fn a_stale_entry_takes_the_current_credential() {
    let good = compiled(&[keyed("p"), secret()]);
    let rotated = credential("keys", json!({"main": "sk-new"}));
    let stale = again(&[provider("p", json!({"vendor": "Nobody"})), rotated], &good);
    let entry = &stale.snapshot.providers[&name("p")];
    assert_eq!((entry.stale, secrets(entry)), (true, vec![("keys/main", "sk-new")]));
}

#[test]
fn a_credential_that_no_header_can_carry_leaves_the_last_good_one_in_place() {
    let good = compiled(&[keyed("p"), secret()]);
    for bad in ["sk-with-newline\n", "sk with space", "sk-ä", "\u{7f}"] {
        let documents = [keyed("p"), credential("keys", json!({"main": bad}))];
        let after = again(&documents, &good);
        let entry = &after.snapshot.providers[&name("p")];
        assert_eq!(
            (entry.stale, secrets(entry)),
            (true, vec![("keys/main", SECRET)]),
            "{bad:?}"
        );
        assert_eq!(
            found(&after),
            ["Provider default/p ResolvedRefs InvalidKey spec.auth.keys[0].secretRef"]
        );
        let message = &after.diagnostics.values().next().unwrap()[0].message;
        assert!(!message.contains(bad.trim()), "{message}");
        assert!(compiled(&documents).snapshot.providers.is_empty());
    }
}

#[test]
fn an_old_credential_is_never_sent_where_a_new_object_points() {
    let good = compiled(&[keyed("p"), secret()]);
    let mut elsewhere = keyed("p");
    elsewhere["spec"]["baseUrl"] = "https://elsewhere.example.com/v1".into();
    let after = again(&[elsewhere, credential("keys", json!({"main": "bad one"}))], &good);
    let entry = &after.snapshot.providers[&name("p")];
    assert_eq!(
        (entry.base_url.as_str(), entry.stale),
        ("https://api.openai.com/v1", true)
    );
}

#[test]
fn a_namespace_that_is_no_longer_allowed_is_out_even_when_the_same_edit_made_the_object_bad() {
    let shared = |list: Value, vendor: &str| provider("shared/p", json!({"vendor": vendor, "allowedNamespaces": list}));
    let good = compiled(&[shared(json!(["default", "b"]), "Simulated"), to("r", "x", "shared/p")]);
    assert!(good.snapshot.routes[&name("r")].targets[0].resolved);
    for (object, stale, allowed) in [
        (shared(json!(["b"]), "Simulated"), false, false),
        (shared(json!(["b"]), "Nobody"), true, false),
        (provider("shared/p", json!({"vendor": "Nobody"})), true, false),
        (shared(json!(["default"]), "Nobody"), true, true),
        (shared(json!("default"), "Simulated"), true, true),
        (shared(json!(["b"]), "OpenAICompatible"), true, false),
    ] {
        let after = again(&[object.clone(), to("r", "x", "shared/p")], &good);
        assert_eq!(after.snapshot.providers[&name("shared/p")].stale, stale, "{object}");
        assert_eq!(
            after.snapshot.routes[&name("r")].targets[0].resolved,
            allowed,
            "{object}"
        );
    }
}

#[test]
fn of_several_keys_those_that_are_there_serve() {
    let both = json!({"main": SECRET, "second": "sk-second"});
    let good = compiled(&[two_keys(), credential("keys", both)]);
    let entry = &good.snapshot.providers[&name("p")];
    assert_eq!(secrets(entry), [("keys/main", SECRET), ("keys/second", "sk-second")]);
    assert_eq!(entry.credentials[0].weight, 3);
    for (data, reason) in [
        (json!({"second": "sk-second"}), "SecretKeyMissing"),
        (json!({"main": "no header", "second": "sk-second"}), "InvalidKey"),
    ] {
        let after = again(&[two_keys(), credential("keys", data)], &good);
        let entry = &after.snapshot.providers[&name("p")];
        assert_eq!(
            (entry.stale, secrets(entry)),
            (false, vec![("keys/second", "sk-second")])
        );
        assert_eq!(
            found(&after),
            [format!(
                "Provider default/p ResolvedRefs {reason} spec.auth.keys[0].secretRef"
            )]
        );
    }
}

#[test]
fn a_withdrawn_key_is_not_kept_beside_an_unusable_one() {
    let both = json!({"main": SECRET, "second": "sk-second"});
    let good = compiled(&[two_keys(), credential("keys", both)]);
    let after = again(&[two_keys(), credential("keys", json!({"second": "no header"}))], &good);
    let entry = &after.snapshot.providers[&name("p")];
    assert_eq!(
        (entry.stale, secrets(entry)),
        (true, vec![("keys/second", "sk-second")])
    );
    let withdrawn = again(&[two_keys(), credential("keys", json!({}))], &good);
    assert!(withdrawn.snapshot.providers.is_empty());
}

#[test]
fn a_rotated_key_makes_another_revision() {
    let with = |second: &str| {
        let data = json!({"main": SECRET, "second": second});
        compiled(&[two_keys(), credential("keys", data)])
            .snapshot
            .revision
            .clone()
    };
    assert_ne!(with("sk-one"), with("sk-two"));
}

#[test]
fn limits_reach_the_snapshot() {
    let limited = entry(json!({"vendor": "Simulated", "limits": {"maxConcurrent": 7}}));
    assert_eq!(limited.max_concurrent, Some(7));
    assert_eq!(entry(json!({"vendor": "Simulated"})).max_concurrent, None);
}

#[test]
fn a_secret_of_a_namespace_that_is_not_read_is_told_from_one_that_is_not_there() {
    let message = |namespace: &str| {
        let settings = Settings {
            secret_namespaces: Some(std::collections::BTreeSet::from([namespace.to_owned()])),
            ..settings()
        };
        let compiled = compile(&resources(&[keyed("p")]), &settings, None);
        let [diagnostic] = compiled.diagnostics.values().next().unwrap().as_slice() else {
            panic!("{:?}", compiled.diagnostics)
        };
        assert_eq!(diagnostic.reason, Reason::SecretNotFound);
        diagnostic.message.clone()
    };
    assert_eq!(message("default"), "there is no Secret default/keys");
    assert!(message("other").contains("--secret-namespaces"), "{}", message("other"));
}
