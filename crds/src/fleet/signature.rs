//! Who may ask a pod's admin port: an HMAC-SHA-256 over the request, its time and its receiver.
//!
//! `route-switch-signature: v1 KEY-ID UNIX-MILLIS NONCE MAC`, the last two in hexadecimal. The nonce tells two requests of one
//! millisecond apart, and a receiver remembers what it took within [`WINDOW`], so that nothing is accepted twice.
//!
//! A pod signs its answers as well, each for the request that it answers ([`answer`]): nobody who has got the address of a pod can
//! make another one start from a Snapshot of his own.

use std::{collections::HashMap, fmt::Write, time::Duration};

use ring::hmac;
use sha2::{Digest, Sha256};

use super::key::{FleetKeys, KeyId};

/// The header that carries a signature.
pub const HEADER: &str = "route-switch-signature";
/// How far the clocks of two machines may differ.
pub const WINDOW: Duration = Duration::from_secs(30);
/// Signatures remembered at once; more within one window are refused.
const REMEMBERED: usize = 100_000;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// For instance `PUT`.
    pub method: &'a str,
    /// With the query, as on the request line.
    pub path: &'a str,
    pub body: &'a [u8],
    /// The uid of the pod that it is for.
    pub receiver: &'a str,
}

/// Why a request was not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the request carries no signature ({HEADER})")]
    Missing,
    #[error("the signature is not of the form `v1 KEY-ID UNIX-MILLIS NONCE MAC`")]
    Malformed,
    #[error("signed with the fleet key {theirs}; this pod holds {ours}")]
    UnknownKey { theirs: KeyId, ours: String },
    #[error("the signature does not fit the request, or was made for another pod")]
    Wrong,
    #[error("signed {0} ms away from this pod's time; check the clocks")]
    OutOfTime(u64),
    #[error("the request was seen before")]
    Replayed,
}

/// The header's value, made with the key `key`, or with the newest when it is not held.
pub fn sign(keys: &FleetKeys, key: &KeyId, request: Request<'_>, now_unix_millis: i64, nonce: u64) -> String {
    let key = keys.get(key).unwrap_or(&keys.current);
    let start = format!("v1 {} {now_unix_millis} {nonce:016x}", key.id());
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, key.authentication()),
        &covered(&start, request),
    );
    let mut text = start;
    text.push(' ');
    for byte in tag.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What is signed of an answer, in the same header: its status in the place of the method, and whom it is for is whoever made the
/// request that was signed with `asked`. It is checked by a [`Verifier`] of its own.
pub fn answer<'a>(status: &'a str, path: &'a str, body: &'a [u8], asked: &'a str) -> Request<'a> {
    Request {
        method: status,
        path,
        body,
        receiver: asked,
    }
}

/// The key that a signature says it was made with. An answer is signed with the key of its request, which both sides hold.
pub fn key_of(signature: &str) -> Option<KeyId> {
    signature.strip_prefix("v1 ")?.split(' ').next().map(KeyId::from)
}

/// Checks signatures, and remembers those it took.
#[derive(Debug, Default)]
pub struct Verifier {
    /// MAC and time of each.
    taken: HashMap<[u8; 32], i64>,
}

impl Verifier {
    /// Takes a request once.
    pub fn verify(
        &mut self,
        keys: &FleetKeys,
        header: Option<&str>,
        request: Request<'_>,
        now_unix_millis: i64,
    ) -> Result<(), Error> {
        let header = header.ok_or(Error::Missing)?;
        let (start, mac) = header.rsplit_once(' ').ok_or(Error::Malformed)?;
        let mut parts = start.split(' ');
        let (Some("v1"), Some(id), Some(time), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::Malformed);
        };
        let time: i64 = time.parse().map_err(|_| Error::Malformed)?;
        let mac = bytes(mac).ok_or(Error::Malformed)?;
        let id = KeyId::from(id);
        let key = keys.get(&id).ok_or_else(|| Error::UnknownKey {
            theirs: id,
            ours: keys
                .iter()
                .map(|key| key.id().as_str())
                .collect::<Vec<_>>()
                .join(" and "),
        })?;
        let verifying = hmac::Key::new(hmac::HMAC_SHA256, key.authentication());
        hmac::verify(&verifying, &covered(start, request), &mac).map_err(|_| Error::Wrong)?;
        let apart = now_unix_millis.abs_diff(time);
        let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
        if apart > WINDOW.as_millis().try_into().unwrap_or(u64::MAX) {
            return Err(Error::OutOfTime(apart));
        }
        if self.taken.len() >= REMEMBERED {
            self.taken.retain(|_, time| *time + window >= now_unix_millis);
        }
        if self.taken.len() >= REMEMBERED || self.taken.insert(mac, time).is_some() {
            return Err(Error::Replayed);
        }
        Ok(())
    }
}

/// The bytes under the signature. Each part ends with a line feed, which none but the body can hold.
fn covered(start: &str, request: Request<'_>) -> Vec<u8> {
    let Request {
        method,
        path,
        body,
        receiver,
    } = request;
    let mut covered = format!("{start}\n{method}\n{path}\n{receiver}\n").into_bytes();
    covered.extend_from_slice(&Sha256::digest(body));
    covered
}

fn bytes(hexadecimal: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hexadecimal.len() != 64 || !hexadecimal.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hexadecimal[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
