//! What is left out of content for want of room, and how it is counted.

use std::time::{Duration, Instant};

use crds::snapshot::CaptureEntry;
use tempfile::tempdir;

use crate::capture::policy::Policy;
use crate::capture::sample::settings;
use crate::capture::{Dropped, Load, Queue, Settings};

/// Without it a store that hangs was counted as much that comes at once, and nobody was told.
#[test]
fn content_that_finds_no_place_is_thinned_and_when_that_goes_on_dropped() {
    let directory = tempdir().unwrap();
    let queue = Queue::open(Settings {
        capacity_bytes: 16_000,
        ..settings(directory.path())
    })
    .unwrap();
    let policy = Policy::of(
        &CaptureEntry {
            content: true,
            ..CaptureEntry::default()
        },
        None,
    );
    let begin = Instant::now();
    let keeps = |seconds| queue.keeps_content(&policy, "id", 10, begin + Duration::from_secs(seconds));
    let counts = || (queue.thinned_contents(), queue.dropped());
    let dropped = |contents| Dropped { records: 0, contents };
    assert_eq!((keeps(0), counts()), (Some(true), (0, dropped(0))));
    assert!(queue.room.take_for_content(1_000));
    assert_eq!((keeps(1), counts()), (Some(false), (1, dropped(0))));
    assert_eq!((keeps(2), counts()), (Some(false), (1, dropped(1))));
    queue.room.give_back(Load::of_content(1_000));
    assert_eq!((keeps(3), counts()), (Some(true), (1, dropped(1))));
}
