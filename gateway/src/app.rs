//! What all parts of a running gateway share.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::{
    backup::Backups,
    capture::Queue,
    config::resolved::Config,
    fleet::Fleet,
    fleet_reads::FleetReads,
    telemetry::{logs::LostLines, metrics::Metrics, traces::SpanCounts},
};

/// One gateway.
pub struct App {
    /// What new requests run on.
    pub config: ArcSwap<Config>,
    pub queue: Arc<Queue>,
    /// Answers for all gateways of the fleet; none where there is no fleet.
    pub fleet_reads: Option<Arc<FleetReads>>,
    pub metrics: Arc<Metrics>,
    /// What became of spans; none if requests have none.
    pub spans: Option<Arc<SpanCounts>>,
    /// Log lines that nobody wrote.
    pub lost_lines: LostLines,
    pub ids: GenerationIds,
    /// What is wrong with the manifests, for `/status`.
    pub faults: ArcSwap<Vec<ConfigFault>>,
    pub backups: Backups,
    /// Its place in a fleet; none under `--manifests`.
    pub fleet: Option<Arc<Fleet>>,
    /// It takes requests; false while it starts and while it drains.
    pub ready: AtomicBool,
    pub started: Timestamp,
    pub data: PathBuf,
    pub listen: SocketAddr,
}

/// One thing that is wrong with what was configured.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConfigFault {
    pub file: Option<String>,
    pub line: Option<u32>,
    pub object: Option<String>,
    pub field: String,
    pub reason: String,
    pub message: String,
    /// What the object said before is still served.
    pub serving_last_good: bool,
}

/// Makes generation ids: `gen-<ordinal>-<ULID>`.
pub struct GenerationIds {
    /// `gen-<ordinal>-`
    prefix: Box<str>,
    /// The clock, in milliseconds since 1970.
    now_unix_millis: fn() -> u64,
    random: Mutex<SmallRng>,
    last_unix_millis: AtomicU64,
}

const ULID_DIGITS: usize = 26;
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl GenerationIds {
    pub fn new(ordinal: u32, seed: u64, now_unix_millis: fn() -> u64) -> Self {
        Self {
            prefix: format!("gen-{ordinal}-").into(),
            now_unix_millis,
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
            last_unix_millis: AtomicU64::new(0),
        }
    }

    /// A new id. Their time never goes backwards. (ULID: 48 bits of milliseconds, 80 of randomness, Crockford's base 32.)
    pub fn next(&self) -> Box<str> {
        let now = (self.now_unix_millis)();
        let millis = self.last_unix_millis.fetch_max(now, Ordering::Relaxed).max(now);
        let random: u128 = self.random.lock().unwrap_or_else(PoisonError::into_inner).random();
        let bits = u128::from(millis) << 80 | random >> 48;
        // Of its exact length, so that it need not be moved again.
        let mut id = String::with_capacity(self.prefix.len() + ULID_DIGITS);
        id.push_str(&self.prefix);
        for position in (0..ULID_DIGITS).rev() {
            id.push(char::from(CROCKFORD[(bits >> (5 * position)) as usize & 31]));
        }
        id.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_ordinal_and_the_time_and_differ() {
        let ids = GenerationIds::new(3, 9, || 1_469_918_176_385);
        let (one, other) = (ids.next(), ids.next());
        assert!(one.starts_with("gen-3-01ARYZ6S41"), "{one}");
        assert_eq!(one.len(), "gen-3-".len() + 26);
        assert_ne!(one, other);
        assert_eq!(GenerationIds::new(3, 9, || 1_469_918_176_385).next(), one);
    }
}
