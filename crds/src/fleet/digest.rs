//! What each object comes to in a Snapshot: the digest of its compiled entry with all that it refers to. A pod that serves the
//! digest serves the object as it is now, whatever else changed since.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};
use serde::Serialize;

use crate::{
    object::{Kind, ObjectId, ObjectName},
    snapshot::{ProviderEntry, Snapshot},
};

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// By object. Client keys stand under the kind Secret.
pub type Digests = BTreeMap<ObjectId, String>;

/// The digest of each object in `snapshot`, which must hold its credentials.
pub fn of(snapshot: &Snapshot) -> Digests {
    let Snapshot {
        version: _,
        revision: _,
        providers,
        routes,
        prompts,
        revisions,
        keys,
    } = snapshot;
    let mut digests = Digests::new();
    for (name, entry) in providers {
        digests.insert(id(Kind::Provider, name), provider(entry));
    }
    for (name, entry) in revisions {
        digests.insert(id(Kind::PromptRevision, name), digest([&entry]));
    }
    for (name, entry) in prompts {
        // Its revision's content is in its name.
        digests.insert(id(Kind::PromptTemplate, name), digest([&entry]));
    }
    for (name, entry) in keys {
        digests.insert(id(Kind::Secret, name), digest([&entry]));
    }
    for (name, entry) in routes {
        let mut parts = vec![digest([&entry])];
        for target in &entry.targets {
            let revision = target.prompt.as_ref().and_then(|prompt| prompt.revision.as_ref());
            let named = [
                Some(id(Kind::Provider, &target.provider)),
                revision.map(|name| id(Kind::PromptRevision, name)),
            ];
            parts.extend(
                named
                    .into_iter()
                    .flatten()
                    .map(|named| digests.get(&named).cloned().unwrap_or_default()),
            );
        }
        digests.insert(id(Kind::Route, name), digest(&parts));
    }
    digests
}

fn id(kind: Kind, name: &ObjectName) -> ObjectId {
    ObjectId {
        kind,
        name: name.clone(),
    }
}

/// Credentials do not serialize: they count by their hash, with the secret's name.
fn provider(entry: &ProviderEntry) -> String {
    let credentials = entry.credentials.iter();
    let credentials = credentials.map(|entry| crate::compiler::sha256_hex(entry.credential.expose().as_bytes()));
    let mut parts = vec![digest([&entry])];
    parts.extend(credentials);
    digest(&parts)
}

fn digest<T: Serialize>(parts: impl IntoIterator<Item = T>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        let text = serde_json::to_vec(&part).expect("an entry has string keys and finite numbers only");
        context.update(&text.len().to_be_bytes());
        context.update(&text);
    }
    let digest = context.finish();
    let mut text = String::with_capacity(2 * DIGITS);
    for byte in &digest.as_ref()[..DIGITS / 2] {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
