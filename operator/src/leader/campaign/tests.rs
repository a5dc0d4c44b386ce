//! Elections in small steps: a Lease, replicas with clocks of their own, requests that are late or lost.

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn after(seconds: u64) -> Instant {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    *START + Duration::from_secs(seconds)
}

fn record(holder: Option<&str>, epoch: u64, version: &str) -> Record {
    Record {
        holder: holder.map(str::to_owned),
        epoch,
        version: version.to_owned(),
    }
}

/// What a replica does after having looked.
fn looked(campaign: &mut Campaign, record: Option<Record>, now: Instant) -> Action {
    campaign.saw(record, now);
    campaign.decide(now)
}

#[test]
fn the_first_ever_makes_the_lease_at_once() {
    let mut campaign = Campaign::new("me".to_owned());
    assert_eq!(campaign.decide(after(0)), Action::Look);
    assert_eq!(looked(&mut campaign, None, after(0)), Action::Create { epoch: 1 });
    campaign.wrote(record(Some("me"), 1, "a"), after(0), after(1));
    assert_eq!(campaign.epoch(after(9)), Some(1));
    assert_eq!(campaign.epoch(after(10)), None);
    assert_eq!(campaign.decide(after(4)), Action::Wait);
    assert_eq!(campaign.decide(after(5)), Action::Write { epoch: 1 });
}

#[test]
fn a_candidate_waits_for_a_whole_lease_from_the_last_change_that_it_saw() {
    let mut campaign = Campaign::new("me".to_owned());
    let other = |version| Some(record(Some("other"), 7, version));
    assert_eq!(looked(&mut campaign, other("a"), after(0)), Action::Wait);
    assert_eq!(looked(&mut campaign, other("b"), after(5)), Action::Wait);
    assert_eq!(looked(&mut campaign, other("b"), after(19)), Action::Wait);
    assert_eq!(looked(&mut campaign, other("b"), after(20)), Action::Write { epoch: 8 });
}

#[test]
fn a_lease_that_was_handed_back_is_taken_at_once() {
    let mut campaign = Campaign::new("me".to_owned());
    let action = looked(&mut campaign, Some(record(None, 7, "a")), after(0));
    assert_eq!(action, Action::Write { epoch: 8 });
}

#[test]
fn a_lease_that_is_gone_is_made_by_its_holder_at_once_and_by_others_after_a_lease() {
    let mut holder = Campaign::new("holder".to_owned());
    let mut other = Campaign::new("other".to_owned());
    holder.wrote(record(Some("holder"), 7, "a"), after(0), after(0));
    looked(&mut other, Some(record(Some("holder"), 7, "a")), after(0));
    assert_eq!(looked(&mut holder, None, after(5)), Action::Create { epoch: 8 });
    assert_eq!(looked(&mut other, None, after(5)), Action::Wait);
    assert_eq!(looked(&mut other, None, after(20)), Action::Create { epoch: 8 });
}

#[test]
fn a_holder_that_sees_another_one_is_none_any_more() {
    let mut campaign = Campaign::new("me".to_owned());
    campaign.wrote(record(Some("me"), 7, "a"), after(0), after(0));
    campaign.saw(Some(record(Some("other"), 8, "b")), after(1));
    assert_eq!(campaign.epoch(after(1)), None);
    assert!(campaign.is_overtaken());
}

#[test]
fn a_higher_epoch_is_written_over_what_is_there_and_made_where_nothing_is() {
    let mut campaign = Campaign::new("me".to_owned());
    campaign.wrote(record(Some("me"), 7, "a"), after(0), after(0));
    assert_eq!(campaign.raise_above(40), Action::Write { epoch: 41 });
    campaign.saw(None, after(1));
    assert_eq!(campaign.raise_above(2), Action::Create { epoch: 8 });
}

/// What befalls the request of a replica.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is done after so many ticks, and answered after so many more.
    Served(u8, u8),
    /// It never arrives.
    Lost,
    /// It is done after so many ticks; the answer never arrives.
    Unanswered(u8),
}

/// What happens in a tick, of which there are four a second.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Replica(usize, Fate),
    Nothing,
}

struct Request {
    action: Action,
    sent: Instant,
    /// The version that it writes over.
    over: Option<String>,
    done: Option<u32>,
    answered: Option<u32>,
    result: Option<Result<Record, Option<Record>>>,
}

struct World {
    lease: Option<Record>,
    writes: u32,
    tick: u32,
    replicas: Vec<(Campaign, Option<Request>)>,
}

impl World {
    fn now(&self) -> Instant {
        after(0) + Duration::from_millis(250) * self.tick
    }

    fn begin(&mut self, index: usize, fate: Fate) {
        let now = self.now();
        let tick = self.tick;
        let (campaign, request) = &mut self.replicas[index];
        if request.is_some() {
            return;
        }
        let action = campaign.decide(now);
        let (done, answered) = match fate {
            Fate::Served(done, answered) => {
                let done = tick + u32::from(done);
                (Some(done), Some(done + u32::from(answered)))
            }
            Fate::Lost => (None, None),
            Fate::Unanswered(done) => (Some(tick + u32::from(done)), None),
        };
        let seen = campaign.seen.as_ref().and_then(|seen| seen.record.as_ref());
        *request = (action != Action::Wait).then(|| Request {
            action,
            sent: now,
            over: seen.map(|record| record.version.clone()),
            done,
            answered,
            result: None,
        });
    }

    /// Requests that are due are done and answered. A call that takes twelve ticks (the three seconds of `CALL`) is given up.
    fn serve(&mut self) {
        let (now, tick) = (self.now(), self.tick);
        for (campaign, pending) in &mut self.replicas {
            let Some(request) = pending else { continue };
            if request.done == Some(tick) {
                let fits = match request.action {
                    Action::Create { .. } => self.lease.is_none(),
                    Action::Write { .. } => self.lease.as_ref().map(|lease| &lease.version) == request.over.as_ref(),
                    Action::Look | Action::Wait => false,
                };
                if let (true, Action::Create { epoch } | Action::Write { epoch }) = (fits, request.action) {
                    self.writes += 1;
                    let written = record(Some(&campaign.identity), epoch, &self.writes.to_string());
                    self.lease = Some(written.clone());
                    request.result = Some(Ok(written));
                } else {
                    request.result = Some(Err(self.lease.clone()));
                }
            }
            let is_late = now >= request.sent + Duration::from_secs(3);
            if request.answered == Some(tick) {
                match request.result.take() {
                    Some(Ok(written)) => campaign.wrote(written, request.sent, now),
                    Some(Err(seen)) => campaign.saw(seen, now),
                    None => {}
                }
                *pending = None;
            } else if is_late && request.done.is_none_or(|done| done <= tick) {
                *pending = None;
            }
        }
    }

    fn leaders(&self) -> Vec<u64> {
        let now = self.now();
        self.replicas
            .iter()
            .filter_map(|(campaign, _)| campaign.epoch(now))
            .collect()
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    let fate = prop_oneof![
        6 => (0..3_u8, 0..3_u8).prop_map(|(done, answered)| Fate::Served(done, answered)),
        1 => (0..60_u8, 0..60_u8).prop_map(|(done, answered)| Fate::Served(done, answered)),
        1 => Just(Fate::Lost),
        1 => (0..20_u8).prop_map(Fate::Unanswered),
    ];
    prop_oneof![
        20 => (0..3_usize, fate).prop_map(|(replica, fate)| Turn::Replica(replica, fate)),
        10 => Just(Turn::Nothing),
    ]
}

proptest! {
    #[test]
    fn there_are_never_two_leaders_and_no_epoch_has_two(
        turns in proptest::collection::vec(turn(), 1..400),
        // Who did not see the epoch of a Lease that is gone cannot exceed it: the pods tell that.
        deleted in proptest::option::of(0..400_usize),
    ) {
        let names = ["a", "b", "c"];
        let mut world = World {
            // All of them have seen a Lease: the exception that the module tells of is left out.
            lease: Some(record(None, 3, "0")),
            writes: 0,
            tick: 0,
            replicas: names.iter().map(|name| (Campaign::new((*name).to_owned()), None)).collect(),
        };
        for (campaign, _) in &mut world.replicas {
            campaign.saw(Some(record(None, 3, "0")), after(0));
        }
        let mut of_epoch = std::collections::BTreeMap::new();
        let mut highest = 0;
        for (number, turn) in turns.into_iter().enumerate() {
            if deleted == Some(number) {
                world.lease = None;
            }
            match turn {
                Turn::Replica(index, fate) => world.begin(index, fate),
                Turn::Nothing => {}
            }
            world.serve();
            let leaders = world.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?}");
            let now = world.now();
            for (campaign, _) in &world.replicas {
                let Some(epoch) = campaign.epoch(now).filter(|_| deleted.is_none()) else { continue };
                prop_assert!(epoch >= highest, "{epoch} after {highest}");
                highest = epoch;
                let first = of_epoch.entry(epoch).or_insert_with(|| campaign.identity.clone());
                prop_assert_eq!(&*first, &campaign.identity);
            }
            world.tick += 1;
        }
    }
}
