//! Which faults there are, and when: drawn from a seed, one draw a request or event.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::Method;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;

/// One request in so many meets a fault.
const REQUESTS: u32 = 6;
/// And one event of a watch in so many.
const EVENTS: u32 = 8;
const LONGEST_DELAY_MILLIS: u64 = 400;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Delay(Duration),
    /// Answered with this status, and not forwarded.
    Refuse(u16),
    CutBefore,
    /// Forwarded, and its answer lost.
    CutAfter,
}

/// What happens to an event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventFault {
    None,
    Delay(Duration),
    Twice,
    /// It is left out, and after this time the watch has expired (410).
    Dropped(Duration),
    Cut,
}

/// Draws faults, and counts them.
#[derive(Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    /// None while it is calm.
    random: Option<SmallRng>,
    countdown: Option<(u32, oneshot::Sender<()>)>,
    counts: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(super) fn disturb(&self, seed: u64) {
        self.state().random = Some(SmallRng::seed_from_u64(seed));
    }

    pub(super) fn calm(&self) {
        let mut state = self.state();
        state.random = None;
        state.countdown = None;
    }

    pub(super) fn after_writes(&self, count: u32) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.state().countdown = Some((count.max(1), sender));
        receiver
    }

    /// Counts a write that was done, and tells whether it is the one that is waited for.
    pub(super) fn is_last_write(&self) -> bool {
        let mut state = self.state();
        let Some((left, sender)) = state.countdown.take() else {
            return false;
        };
        if left > 1 {
            state.countdown = Some((left - 1, sender));
            return false;
        }
        // Whoever waited may be gone.
        let _ = sender.send(());
        true
    }

    pub(super) fn of_request(&self, method: &Method, path: &str) -> Fault {
        let mut state = self.state();
        let Some(random) = state.random_of_one_in(REQUESTS) else {
            return Fault::None;
        };
        let delay = Duration::from_millis(random.random_range(0..LONGEST_DELAY_MILLIS));
        // What the API server answers to reads and to writes.
        let refusals: &[u16] = match *method {
            Method::GET if path.contains("resourceVersion") => &[410, 429, 500],
            Method::GET => &[429, 500],
            _ => &[409, 429, 500],
        };
        let refusal = refusals[random.random_range(0..refusals.len())];
        let (name, fault) = match random.random_range(0..5_u8) {
            0 => ("delayed requests", Fault::Delay(delay)),
            1 => ("connections cut before", Fault::CutBefore),
            2 => ("connections cut after", Fault::CutAfter),
            _ => (name(refusal), Fault::Refuse(refusal)),
        };
        *state.counts.entry(name).or_default() += 1;
        fault
    }

    pub(super) fn of_event(&self) -> EventFault {
        let mut state = self.state();
        let Some(random) = state.random_of_one_in(EVENTS) else {
            return EventFault::None;
        };
        let delay = Duration::from_millis(random.random_range(0..LONGEST_DELAY_MILLIS));
        let (name, fault) = match random.random_range(0..4_u8) {
            0 => ("delayed events", EventFault::Delay(delay)),
            1 => ("doubled events", EventFault::Twice),
            2 => ("dropped events", EventFault::Dropped(delay)),
            _ => ("watches cut", EventFault::Cut),
        };
        *state.counts.entry(name).or_default() += 1;
        fault
    }

    pub(super) fn told(&self) -> String {
        let state = self.state();
        let counts = state.counts.iter().map(|(name, count)| format!("{count} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl State {
    /// What to draw from, for one in so many.
    fn random_of_one_in(&mut self, many: u32) -> Option<&mut SmallRng> {
        let random = self.random.as_mut()?;
        (random.random_range(0..many) == 0).then_some(random)
    }
}

fn name(code: u16) -> &'static str {
    match code {
        409 => "409",
        410 => "410",
        429 => "429",
        _ => "500",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: &Faults) -> Vec<(Fault, EventFault)> {
        (0..500)
            .map(|_| (faults.of_request(&Method::PATCH, "/apis"), faults.of_event()))
            .collect()
    }

    #[test]
    fn one_seed_gives_one_series_and_calm_gives_none() {
        let faults = Faults::default();
        assert!(
            drawn(&faults)
                .iter()
                .all(|drawn| *drawn == (Fault::None, EventFault::None))
        );
        faults.disturb(7);
        let first = drawn(&faults);
        faults.disturb(7);
        assert_eq!(drawn(&faults), first);
        for fault in [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::Refuse(409),
            Fault::Refuse(429),
            Fault::Refuse(500),
        ] {
            assert!(first.iter().any(|(drawn, _)| *drawn == fault), "no {fault:?}");
        }
        assert!(first.iter().any(|(_, drawn)| *drawn == EventFault::Twice));
    }

    #[test]
    fn the_write_that_is_waited_for_is_told_once() {
        let faults = Faults::default();
        let mut waiting = faults.after_writes(2);
        assert!(!faults.is_last_write());
        assert!(waiting.try_recv().is_err());
        assert!(faults.is_last_write());
        assert!(waiting.try_recv().is_ok());
        assert!(!faults.is_last_write());
    }
}
