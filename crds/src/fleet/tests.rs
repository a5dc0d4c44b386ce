//! Keys, seals and signatures: what opens, and what does not.

use super::{
    key::{FleetKey, FleetKeys},
    signature::{Error as SignatureError, Request, Verifier, sign},
    *,
};
use crate::snapshot::{AuthEntry, Credential, ProviderEntry};

fn keys(current: u8, previous: Option<u8>) -> FleetKeys {
    let key = |byte| FleetKey::new(&[byte; key::BYTES]).unwrap();
    FleetKeys {
        current: key(current),
        previous: previous.map(key),
    }
}

fn snapshot() -> Snapshot {
    let provider = ProviderEntry {
        stale: false,
        vendor: crate::provider::Vendor::OpenAI,
        dialect: crate::provider::Dialect::OpenAI,
        base_url: "https://api.openai.com/v1".to_owned(),
        auth: AuthEntry::None,
        credentials: vec![CredentialEntry {
            name: "secret/key".to_owned(),
            weight: 2,
            credential: Credential::new("sk-very-secret"),
        }],
        models: BTreeMap::new(),
        max_concurrent: None,
        timeouts: crate::snapshot::ProviderTimeouts::default(),
        headers: BTreeMap::new(),
        allowed_namespaces: Vec::new(),
    };
    Snapshot {
        providers: [(ObjectName::new("default", "openai"), provider)].into(),
        ..Snapshot::default()
    }
}

fn sealed(keys: &FleetKeys) -> Push {
    let order = Order { epoch: 1, sequence: 1 };
    Push::seal(order, snapshot(), keys, keys.current.id(), || [7; seal::NONCE_BYTES]).unwrap()
}

#[test]
fn a_push_travels_as_json_without_its_credentials_and_opens_at_a_holder_of_the_key() {
    let old = keys(1, None);
    let text = serde_json::to_string(&sealed(&old)).unwrap();
    assert!(!text.contains("sk-very-secret"), "{text}");
    let received: Push = serde_json::from_str(&text).unwrap();
    let provider = ObjectName::new("default", "openai");
    // The key has turned meanwhile; the one before still opens.
    let opened = received.open(&provider, &keys(2, Some(1))).unwrap();
    assert_eq!(opened, snapshot().providers[&provider].credentials);
    let refused = received.open(&provider, &keys(2, Some(3))).unwrap_err().to_string();
    assert!(
        refused.contains("default/openai") && refused.contains("which is not held here"),
        "{refused}"
    );
}

#[test]
fn a_credential_does_not_open_for_another_base_url_or_provider() {
    let keys = keys(1, None);
    let provider = ObjectName::new("default", "openai");
    let mut push = sealed(&keys);
    push.snapshot.providers.get_mut(&provider).unwrap().base_url = "https://attacker.example".to_owned();
    assert!(push.open(&provider, &keys).is_err());
    let mut push = sealed(&keys);
    let other = ObjectName::new("default", "other");
    let entry = push.snapshot.providers.remove(&provider).unwrap();
    push.snapshot.providers.insert(other.clone(), entry);
    let credential = push.credentials.remove(&provider).unwrap();
    push.credentials.insert(other.clone(), credential);
    assert!(push.open(&other, &keys).is_err());
}

#[test]
fn a_signature_is_taken_once_by_its_receiver_and_within_its_time() {
    let keys = keys(1, Some(2));
    let request = Request {
        method: "PUT",
        path: SNAPSHOT_PATH,
        body: b"{}",
        receiver: "uid-1",
    };
    for key in keys.ids() {
        let mut verifier = Verifier::default();
        let header = sign(&keys, &key, request, 1_000_000, 5);
        let mut verify = |request, now| verifier.verify(&keys, Some(&header), request, now);
        assert_eq!(
            verify(
                Request {
                    body: b"{ }",
                    ..request
                },
                1_000_000
            ),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            verify(
                Request {
                    receiver: "uid-2",
                    ..request
                },
                1_000_000
            ),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            verify(
                Request {
                    method: "GET",
                    ..request
                },
                1_000_000
            ),
            Err(SignatureError::Wrong)
        );
        assert_eq!(verify(request, 1_030_001), Err(SignatureError::OutOfTime(30_001)));
        assert_eq!(verify(request, 1_030_000), Ok(()));
        assert_eq!(verify(request, 1_000_000), Err(SignatureError::Replayed));
    }
    let mut verifier = Verifier::default();
    assert_eq!(verifier.verify(&keys, None, request, 0), Err(SignatureError::Missing));
    for malformed in ["", "v1", "v1 a b c d", "v2 a 1 2 00", "v1 a 1 2 zz"] {
        let refused = verifier.verify(&keys, Some(malformed), request, 0);
        assert_eq!(refused, Err(SignatureError::Malformed), "{malformed}");
    }
    let strange = self::keys(9, None);
    let header = sign(&strange, strange.current.id(), request, 0, 1);
    let refused = verifier.verify(&keys, Some(&header), request, 0);
    assert!(matches!(refused, Err(SignatureError::UnknownKey { .. })), "{refused:?}");
}

#[test]
fn an_answer_is_believed_for_its_own_request_only() {
    let keys = keys(1, Some(2));
    let request = Request {
        method: "GET",
        path: SNAPSHOT_PATH,
        body: b"",
        receiver: "uid-1",
    };
    let older = keys.previous.as_ref().unwrap().id();
    let asked = sign(&keys, older, request, 1_000_000, 7);
    assert_eq!(signature::key_of(&asked).as_ref(), Some(older));
    let given = signature::answer("200", SNAPSHOT_PATH, b"{}", &asked);
    let header = sign(&keys, older, given, 1_000_001, 8);
    let verify = |request| Verifier::default().verify(&keys, Some(&header), request, 1_000_002);
    assert_eq!(verify(given), Ok(()));
    let other = sign(&keys, older, request, 1_000_000, 9);
    for forged in [
        signature::answer("404", SNAPSHOT_PATH, b"{}", &asked),
        signature::answer("200", SNAPSHOT_PATH, b"[]", &asked),
        signature::answer("200", SNAPSHOT_PATH, b"{}", &other),
        request,
    ] {
        assert_eq!(verify(forged), Err(SignatureError::Wrong));
    }
}

#[test]
fn a_fleet_key_has_32_bytes_and_its_id_does_not_depend_on_its_place() {
    assert_eq!(
        FleetKey::new(&[0; 31]).unwrap_err().to_string(),
        "a fleet key has 32 bytes; this one has 31"
    );
    assert_eq!(keys(1, Some(2)).ids()[1], *keys(2, None).current.id());
    assert_ne!(keys(1, None).current.id(), keys(2, None).current.id());
}

#[test]
fn the_digest_of_a_provider_counts_its_credential() {
    let one = digest::of(&snapshot());
    let mut changed = snapshot();
    changed
        .providers
        .values_mut()
        .for_each(|entry| entry.credentials[0].credential = Credential::new("other"));
    assert_ne!(one, digest::of(&changed));
    assert_eq!(one, digest::of(&snapshot()));
}
