//! Credentials under AES-256-GCM, bound to the Provider and the base URL that they are for.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use super::key::{BYTES, FleetKeys, KeyId};
use crate::{object::ObjectName, snapshot::Credential};

/// Length of a nonce, in bytes.
pub const NONCE_BYTES: usize = ring::aead::NONCE_LEN;

/// A credential that only a holder of the fleet key can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    pub key_id: KeyId,
    /// Base64 of 12 bytes.
    pub nonce: String,
    /// Base64 of the ciphertext with its tag.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it is sealed with the fleet key {0}, which is not held here")]
    UnknownKey(KeyId),
    #[error("it does not open: it was changed, or sealed for another Provider or base URL")]
    Broken,
}

/// What a credential is bound to.
pub(super) fn about(provider: &ObjectName, base_url: &str, credential: &str) -> String {
    format!("{provider}\n{base_url}\n{credential}")
}

pub(super) fn seal(
    keys: &FleetKeys,
    id: &KeyId,
    about: &str,
    text: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<Sealed, Error> {
    let key = keys.get(id).ok_or_else(|| Error::UnknownKey(id.clone()))?;
    let mut bytes = text.as_bytes().to_vec();
    cipher(key.sealing())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), &mut bytes)
        .map_err(|_| Error::Broken)?;
    Ok(Sealed {
        key_id: id.clone(),
        nonce: BASE64_STANDARD.encode(nonce),
        text: BASE64_STANDARD.encode(bytes),
    })
}

pub(super) fn open(keys: &FleetKeys, about: &str, sealed: &Sealed) -> Result<Credential, Error> {
    let key = keys
        .get(&sealed.key_id)
        .ok_or_else(|| Error::UnknownKey(sealed.key_id.clone()))?;
    let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| Error::Broken);
    let nonce = Nonce::try_assume_unique_for_key(&decode(&sealed.nonce)?).map_err(|_| Error::Broken)?;
    let mut bytes = decode(&sealed.text)?;
    let opened = cipher(key.sealing()).open_in_place(nonce, Aad::from(about), &mut bytes);
    let opened = opened.map_err(|_| Error::Broken)?;
    let text = std::str::from_utf8(opened).map_err(|_| Error::Broken)?;
    Ok(Credential::new(text))
}

fn cipher(key: &[u8; BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a derived key has 32 bytes"))
}
