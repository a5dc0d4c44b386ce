//! When what is written.

use std::time::Duration;

use crds::{
    object::{Kind, ObjectId, ObjectName},
    status::ProviderStatus,
};

use super::*;
use crate::controllers::{difference::Urgency, stored::Status, write::StatusWrite};

/// A status that says `generation`.
fn status(name: &str, generation: i64, urgency: Urgency) -> Arc<Write> {
    let status = ProviderStatus {
        observed_generation: Some(generation),
        ..ProviderStatus::default()
    };
    Arc::new(Write::Status(Box::new(StatusWrite {
        id: ObjectId {
            kind: Kind::Provider,
            name: ObjectName::new("default", name),
        },
        uid: None,
        base: generation.to_string(),
        status: Status::Provider(status),
        urgency,
        notices: Vec::new(),
    })))
}

/// A clock that begins at 0.
fn clock() -> impl Fn(u64) -> Instant {
    let began = Instant::now();
    move |millis| began + Duration::from_millis(millis)
}

fn generation(write: Option<Arc<Write>>) -> Option<i64> {
    match &*write? {
        Write::Status(write) => write.status.stored().observed_generation,
        _ => None,
    }
}

#[test]
fn an_object_has_one_status_a_second_the_newest() {
    let (at, mut queue) = (clock(), Queue::default());
    queue.take(&[status("one", 1, Urgency::Now)], at(0));
    let first = queue.start(at(0)).unwrap();
    assert_eq!(queue.start(at(0)), None);
    queue.take(&[status("one", 2, Urgency::Now)], at(10));
    assert_eq!(queue.start(at(10)), None, "one call at a time");
    queue.end(&first, true, at(20));
    queue.take(
        &[status("one", 3, Urgency::Now), status("two", 1, Urgency::Now)],
        at(30),
    );
    let other = queue.start(at(30)).unwrap();
    queue.end(&other, true, at(40));
    assert_eq!(queue.next_due(), Some(at(1_020)));
    assert_eq!(queue.start(at(1_019)), None);
    let next = queue.start(at(1_020));
    assert_eq!(generation(next.clone()), Some(3));
    queue.end(&next.unwrap(), true, at(1_030));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn what_waits_for_pods_is_written_when_they_answer_or_after_a_while() {
    let (at, mut queue) = (clock(), Queue::default());
    queue.take(
        &[status("one", 1, Urgency::Wave), status("two", 1, Urgency::Wave)],
        at(0),
    );
    assert_eq!(queue.start(at(0)), None);
    queue.take(
        &[status("one", 2, Urgency::Now), status("two", 1, Urgency::Wave)],
        at(80),
    );
    assert_eq!(generation(queue.start(at(80))), Some(2));
    assert_eq!(queue.start(at(999)), None);
    assert_eq!(generation(queue.start(at(1_000))), Some(1));
}

#[test]
fn what_passes_by_is_not_written() {
    let (at, mut queue) = (clock(), Queue::default());
    queue.take(&[status("one", 1, Urgency::Restart)], at(0));
    queue.take(&[status("one", 1, Urgency::Quiet)], at(5_000));
    assert_eq!(queue.start(at(200_000)), None);
    queue.take(&[], at(200_000));
    assert_eq!(queue.next_due(), None);
    queue.take(&[status("one", 1, Urgency::Quiet)], at(250_000));
    assert_eq!(queue.start(at(549_999)), None, "the wait begins anew");
    assert!(queue.start(at(550_000)).is_some());
}

#[test]
fn a_failure_is_tried_again_later_and_later_and_not_when_it_is_not_wanted_any_more() {
    let (at, mut queue) = (clock(), Queue::default());
    let mut now = 0;
    queue.take(&[status("one", 1, Urgency::Now)], at(0));
    let mut waits = Vec::new();
    for failures in 1..=8 {
        let write = queue.start(at(now)).unwrap();
        assert_eq!(queue.end(&write, false, at(now)), failures);
        let due = queue.next_due().unwrap();
        waits.push(due.duration_since(at(now)).as_millis());
        now = u64::try_from(due.duration_since(at(0)).as_millis()).unwrap();
    }
    // A status is written once a second, whether or not it arrives.
    assert_eq!(waits, [1_000, 1_000, 1_000, 1_600, 3_200, 5_000, 5_000, 5_000]);
    let write = queue.start(at(now)).unwrap();
    queue.take(&[], at(now));
    queue.end(&write, false, at(now));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn the_same_said_again_is_the_same_write() {
    let (at, mut queue) = (clock(), Queue::default());
    queue.take(&[status("one", 1, Urgency::Now)], at(0));
    let running = queue.start(at(0)).unwrap();
    queue.take(&[status("one", 1, Urgency::Now)], at(10));
    queue.end(&running, true, at(20));
    assert_eq!(queue.next_due(), None);
}
