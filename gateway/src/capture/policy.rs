//! What is kept of the requests of a Route, made ready for use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crds::snapshot::CaptureEntry;

use super::pace::Pace;
use super::redact::Redactions;

/// What is kept of the requests of one Route.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether a request has a record at all.
    pub metadata: bool,
    content: bool,
    sample_percent: u32,
    pub redactions: Option<Arc<Redactions>>,
    pub limits: Limits,
    /// How fast examples are taken at most; it goes on from configuration to configuration.
    pub pace: Arc<Pace>,
}

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_examples: u64,
    pub max_age_micros: i64,
}

/// The limits of each Route, by its `namespace/name`; what no Route answers for has the default ones.
pub type LimitsByRoute = HashMap<Arc<str>, Limits>;

impl Policy {
    /// The pace of `before` goes on if it is the same.
    pub fn of(entry: &CaptureEntry, before: Option<&Self>) -> Self {
        let pace = Pace::of_examples(entry.max_examples, Instant::now());
        let before = before.map(|policy| &policy.pace).filter(|before| pace.is_as(before));
        Self {
            pace: before.cloned().unwrap_or_else(|| Arc::new(pace)),
            metadata: entry.metadata,
            content: entry.content,
            sample_percent: entry.sample_percent,
            redactions: Redactions::new(&entry.redact),
            limits: Limits::of(entry),
        }
    }

    /// Whether the content of the request with this id is wanted, if the pace allows. The same id always gives the same answer, on every pod.
    pub fn wants_content(&self, id: &str) -> bool {
        self.content && (self.sample_percent >= 100 || hash(id) % 100 < u64::from(self.sample_percent))
    }
}

impl Limits {
    fn of(entry: &CaptureEntry) -> Self {
        Self {
            max_examples: entry.max_examples,
            max_age_micros: i64::try_from(entry.max_age.as_micros()).unwrap_or(i64::MAX),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&CaptureEntry::default())
    }
}

/// FNV-1a, and a last stir, since the last bytes of an id hardly reach the upper bits otherwise.
fn hash(id: &str) -> u64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let stirred = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    stirred >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::Traffic;

    fn policy(sample_percent: u32) -> Policy {
        let entry = CaptureEntry {
            content: true,
            sample_percent,
            ..CaptureEntry::default()
        };
        Policy::of(&entry, None)
    }

    #[test]
    fn a_sample_has_its_share_and_is_part_of_every_larger_one() {
        let ids: Vec<_> = Traffic::new(20)
            .records(20_000)
            .into_iter()
            .map(|record| record.id)
            .collect();
        let kept = |percent| ids.iter().filter(|id| policy(percent).wants_content(id)).count();
        assert_eq!((kept(0), kept(100)), (0, 20_000));
        for percent in [1, 10, 50] {
            let expected = 200 * percent as usize;
            assert!(
                kept(percent).abs_diff(expected) < expected / 4,
                "{percent}: {}",
                kept(percent)
            );
        }
        assert!(
            ids.iter()
                .all(|id| !policy(10).wants_content(id) || policy(11).wants_content(id))
        );
    }
}
