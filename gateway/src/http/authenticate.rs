//! Who asks: the client key in the request, or a caller from this machine without one.

use std::{net::IpAddr, sync::Arc};

use crds::snapshot::Role;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{error::ApiError, this_machine};
use crate::config::resolved::{Caller, ClientKey, Config};

/// The caller of a request from `remote`.
///
/// In a pod, whoever is on loopback is another container, and needs a key like all others; so does whoever speaks for somebody elsewhere.
///
/// A key is looked up by its SHA-256, so that the time this takes says nothing about keys that exist.
pub(super) fn authenticate(config: &Config, headers: &HeaderMap, remote: IpAddr) -> Result<Caller, ApiError> {
    match key_of(headers) {
        Some(key) => find(config, key).map(Caller::Key).ok_or_else(ApiError::wrong_key),
        None if config.trusts_this_machine && remote.to_canonical().is_loopback() => {
            let is_for_here = this_machine::is_named(headers);
            is_for_here
                .then_some(Caller::Local)
                .ok_or_else(ApiError::key_for_elsewhere)
        }
        None => Err(ApiError::missing_key()),
    }
}

/// As [`authenticate`], and refuses a caller whose role is too low.
pub(super) fn authorize(
    config: &Config,
    headers: &HeaderMap,
    remote: IpAddr,
    needed: Role,
) -> Result<Caller, ApiError> {
    let caller = authenticate(config, headers, remote)?;
    if caller.role() >= needed {
        Ok(caller)
    } else {
        Err(ApiError::role_too_low(needed))
    }
}

fn key_of(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.as_bytes();
        let (scheme, key) = value.split_at_checked(7)?;
        return if scheme.eq_ignore_ascii_case(b"bearer ") {
            Some(key.trim_ascii())
        } else {
            Some(value)
        };
    }
    headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii())
}

fn find(config: &Config, key: &[u8]) -> Option<Arc<ClientKey>> {
    let sha256: [u8; 32] = Sha256::digest(key).into();
    let found = config.key(&sha256)?;
    bool::from(found.sha256.ct_eq(&sha256)).then(|| Arc::clone(found))
}
