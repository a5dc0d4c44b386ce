//! A Provider's keys and limits, looked up.

use crds::{
    provider::Dialect,
    snapshot::{CredentialEntry, ProviderEntry},
};
use http::{HeaderName, HeaderValue, header};
use tokio::time::Instant;

use crate::routing::{
    account::{Account, Key},
    attempt::Credential,
};

/// The account of a Provider; what was learnt of it goes on from `before`.
pub(super) fn resolve(provider: &ProviderEntry, before: Option<&Account>) -> Account {
    let now = Instant::now();
    let keys = provider.credentials.iter().filter_map(|entry| {
        let CredentialEntry { name, weight, .. } = entry;
        Some(Key::new(name, *weight, credential(provider.dialect, entry)?, now))
    });
    let max_concurrent = provider.max_concurrent.and_then(|most| usize::try_from(most).ok());
    Account::new(keys.collect(), max_concurrent, before)
}

/// The header that carries a credential.
fn credential(dialect: Dialect, entry: &CredentialEntry) -> Option<Credential> {
    let key = entry.credential.expose();
    let (name, value) = match dialect {
        Dialect::OpenAI => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))),
        Dialect::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key)),
    };
    let mut value = value.ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
