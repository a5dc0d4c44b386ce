//! When to compile: at once when nothing was going on, else when changes have paused, but not too late. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::cluster::changes::Span;

/// Changes that come within this time of the last compilation, or of each other, are taken together.
const TRAILING: Duration = Duration::from_millis(50);
/// Changes wait no longer than this.
const LONGEST: Duration = Duration::from_millis(500);

/// When was compiled last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// When to compile what is pending.
    pub(super) fn due(&self, pending: Span) -> Instant {
        let Span { first, last, input: _ } = pending;
        match self.last {
            Some(compiled) if first < compiled + TRAILING => (last + TRAILING).min(first + LONGEST),
            _ => first,
        }
    }

    /// Notes that a compilation has ended.
    pub(super) fn compiled(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn at(millis: u64) -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START + Duration::from_millis(millis)
    }

    fn span(first: u64, last: u64) -> Span {
        Span {
            first: at(first),
            last: at(last),
            input: None,
        }
    }

    #[test]
    fn the_first_change_after_a_pause_is_compiled_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(span(7, 7)), at(7));
        pace.compiled(at(20));
        assert_eq!(pace.due(span(70, 90)), at(70));
    }

    #[test]
    fn changes_that_follow_each_other_are_taken_together() {
        let mut pace = Pace::default();
        pace.compiled(at(20));
        assert_eq!(pace.due(span(10, 10)), at(60), "what came meanwhile");
        assert_eq!(pace.due(span(30, 60)), at(110));
        assert_eq!(pace.due(span(30, 520)), at(530), "but not for ever");
    }

    proptest! {
        #[test]
        fn nothing_waits_longer_than_it_may(compiled in 0..2000_u64, first in 0..2000_u64, more in 0..2000_u64) {
            let mut pace = Pace::default();
            pace.compiled(at(compiled));
            let due = pace.due(span(first, first + more));
            prop_assert!(due >= at(first) && due <= at(first) + LONGEST);
        }
    }
}
