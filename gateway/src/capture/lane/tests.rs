//! A lane with a store that works or fails as it is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::room::Load;
use super::super::sample::Traffic;
use super::super::store::{Forget, Size};
use super::*;

/// A store that works while it is told to, and remembers what it has.
#[derive(Default)]
struct Told {
    works: AtomicBool,
    stored: AtomicUsize,
    tries_again: AtomicUsize,
}

/// Requests in a full group.
const FULL: usize = 3;

/// Requests whose ids have been counted: as many bytes as their users have letters.
#[derive(Default)]
struct Counted {
    requests: usize,
    bytes: usize,
}

impl Group for Counted {
    type Book = ();

    const ROOM_PARTS: usize = 12;

    fn gather(&mut self, entries: &mut Vec<Entry>, from: usize, (): &mut ()) -> usize {
        let end = entries.len().min(from + FULL.saturating_sub(self.requests));
        self.requests += end - from;
        self.bytes += entries[from..end]
            .iter()
            .filter_map(|entry| Some(entry.record.user.as_ref()?.len()))
            .sum::<usize>();
        end
    }

    fn requests(&self) -> usize {
        self.requests
    }

    fn load(&self) -> Load {
        Load::of_figures(self.bytes)
    }

    fn is_full(&self) -> bool {
        self.requests >= FULL
    }

    fn is_outgrown((): &()) -> bool {
        false
    }

    fn tidy((): &mut ()) {}
}

impl Store for Arc<Told> {
    type Error = std::fmt::Error;
    type Group = Counted;

    fn write(&mut self, group: &Counted, (): &(), this_is: Try) -> Result<(), Self::Error> {
        self.tries_again
            .fetch_add((this_is == Try::Again).into(), Ordering::Relaxed);
        if !self.works.load(Ordering::Relaxed) {
            return Err(std::fmt::Error);
        }
        self.stored.fetch_add(group.requests, Ordering::Relaxed);
        Ok(())
    }

    fn tend(&mut self, _: i64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn size(&self) -> Result<Size, Self::Error> {
        Err(std::fmt::Error)
    }

    fn oldest(&self) -> Result<Option<i64>, Self::Error> {
        Ok(None)
    }

    fn shed(&mut self, _: u64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn forget(&mut self, _: &Forget) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn close(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn lane(limit_bytes: usize) -> (Arc<Told>, Lane<Arc<Told>>) {
    let told = Arc::new(Told::default());
    let terms = Terms {
        room: Room::new(1 << 20),
        limit_bytes,
        first_pause: Duration::ZERO,
        clock: || 7,
    };
    let opened = Arc::clone(&told);
    (told, Lane::open("told", terms, move || Ok(Arc::clone(&opened))))
}

/// A request that takes so many bytes.
fn entry(bytes: usize) -> Entry {
    let record = super::super::record::Record {
        user: Some("u".repeat(bytes).into()),
        ..Traffic::new(1).record()
    };
    Entry {
        record,
        content_dropped: false,
    }
}

fn gather(lane: &mut Lane<Arc<Told>>, bytes: usize) {
    lane.gather(&mut vec![entry(bytes)], Instant::now());
}

/// A group of one such request, that is to be written.
fn push(lane: &mut Lane<Arc<Told>>, bytes: usize) {
    gather(lane, bytes);
    lane.settle();
}

#[test]
fn what_failed_is_stored_once_the_store_works() {
    let (told, mut lane) = lane(1000);
    for _ in 0..3 {
        push(&mut lane, 10);
        lane.advance();
    }
    let health = lane.health();
    let failure = health.lock().unwrap().failure.clone().unwrap();
    assert_eq!(failure.since_unix_micros, 7);
    told.works.store(true, Ordering::Relaxed);
    lane.advance();
    assert_eq!(*health.lock().unwrap(), StoreHealth::default());
    assert_eq!(told.stored.load(Ordering::Relaxed), 3);
    assert_eq!(
        told.tries_again.load(Ordering::Relaxed),
        3,
        "two failures and the success of the first group"
    );
}

#[test]
fn a_group_that_fails_too_often_is_given_up_and_counted() {
    let (told, mut lane) = lane(1000);
    push(&mut lane, 10);
    push(&mut lane, 10);
    for _ in 0..TRIES {
        lane.advance();
    }
    told.works.store(true, Ordering::Relaxed);
    lane.advance();
    let health = lane.health();
    assert_eq!(
        *health.lock().unwrap(),
        StoreHealth {
            dropped_records: 1,
            ..StoreHealth::default()
        }
    );
    assert_eq!(told.stored.load(Ordering::Relaxed), 1);
}

#[test]
fn a_line_that_grows_too_long_loses_its_oldest_groups() {
    let (told, mut lane) = lane(25);
    for _ in 0..4 {
        push(&mut lane, 10);
        lane.advance();
    }
    told.works.store(true, Ordering::Relaxed);
    lane.advance();
    assert_eq!(lane.health().lock().unwrap().dropped_records, 2);
    assert_eq!(told.stored.load(Ordering::Relaxed), 2);
    push(&mut lane, 1000);
    lane.advance();
    assert_eq!(told.stored.load(Ordering::Relaxed), 3, "a group of any size is tried");
}

#[test]
fn closing_tries_once_more_and_counts_what_is_lost() {
    let (told, mut lane) = lane(1000);
    let health = lane.health();
    push(&mut lane, 10);
    lane.advance();
    lane.close();
    assert_eq!(health.lock().unwrap().dropped_records, 1);
    assert_eq!(told.tries_again.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_gathered_is_written_when_it_is_enough_or_old_enough_and_takes_room_until_then() {
    let (told, mut lane) = lane(1000);
    let room = Arc::clone(&lane.terms.room);
    let stored = || told.stored.load(Ordering::Relaxed);
    told.works.store(true, Ordering::Relaxed);
    assert_eq!((lane.due(Duration::ZERO), lane.advance()), (None, false));
    gather(&mut lane, 10);
    gather(&mut lane, 20);
    lane.settle_due(Duration::from_hours(1));
    assert!(!lane.advance() && lane.due(Duration::ZERO).is_some());
    assert_eq!((stored(), room.held_bytes()), (0, 30));
    gather(&mut lane, 5);
    assert!(
        lane.advance() && lane.due(Duration::ZERO).is_none(),
        "three are a full group"
    );
    assert_eq!((stored(), room.held_bytes()), (3, 0));
    gather(&mut lane, 1 << 17);
    assert!(lane.advance(), "a group that takes much room does not wait");
    assert_eq!((stored(), room.held_bytes()), (4, 0));
}

/// What was beyond a whole group of rows made the engine write those around it again.
#[test]
fn what_comes_at_once_is_gathered_into_groups_that_are_exactly_full() {
    let (told, mut lane) = lane(1000);
    told.works.store(true, Ordering::Relaxed);
    gather(&mut lane, 1);
    lane.gather(&mut vec![entry(1); 7], Instant::now());
    let groups: Vec<_> = lane.line.iter().map(|settled| settled.group.requests).collect();
    assert_eq!((groups, lane.open.group.requests), (vec![FULL; 2], 2));
    assert!(lane.advance());
    assert_eq!(
        (told.stored.load(Ordering::Relaxed), lane.terms.room.held_bytes()),
        (2 * FULL, 2)
    );
}

#[test]
fn while_its_store_fails_a_lane_gathers_until_the_next_try() {
    let (told, mut lane) = lane(1000);
    lane.terms.first_pause = Duration::from_hours(1);
    push(&mut lane, 10);
    assert!(lane.advance());
    gather(&mut lane, 10);
    let next_try = lane.next_try.unwrap();
    assert_eq!(lane.due(Duration::ZERO), Some(next_try));
    lane.settle_due(Duration::ZERO);
    gather(&mut lane, 10);
    assert_eq!(lane.line.len(), 1, "both wait in one group");
    told.works.store(true, Ordering::Relaxed);
    lane.close();
    assert_eq!(told.stored.load(Ordering::Relaxed), 3);
}

/// Two batches in one transaction made the files of both stores larger than their bound.
#[test]
fn what_would_be_too_much_together_is_written_apart() {
    let (told, mut lane) = lane(1000);
    told.works.store(true, Ordering::Relaxed);
    let half = lane.terms.room.part_bytes(Counted::ROOM_PARTS) / 2;
    gather(&mut lane, half);
    lane.settle_before(half);
    assert!(!lane.advance());
    lane.settle_before(half + 2);
    assert!(lane.advance());
    assert_eq!(told.stored.load(Ordering::Relaxed), 1);
}
