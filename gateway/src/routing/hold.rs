//! A target that a request was let in to: what it takes up there, until it is judged or dropped.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    account::{Account, Cause, Choice},
    attempt::Credential,
    breaker::{Change, Pass, Rules, State, Verdict},
    gate::{Full, LONGEST_WAIT, Place},
    health::Presence,
};
use crate::{
    config::resolved::{Route, Target},
    providers::failure::Failure,
};

/// A request's hold on a target. Dropped without a judgement it says nothing of the target: its client left.
#[derive(Debug)]
pub struct Hold {
    presence: Presence,
    account: Arc<Account>,
    rules: Rules,
    key: Choice,
    place: Option<Place>,
    /// None once it is judged.
    pass: Option<Pass>,
}

/// What a failure came to.
#[derive(Clone, Copy, Debug)]
pub struct Blame {
    /// Of the target's breaker.
    pub change: Change,
    /// The Provider has a key that may be used in its place.
    pub has_other_key: bool,
}

impl Hold {
    /// Enters a target that takes requests.
    pub fn enter(target: &Target, rules: &Rules, now: Instant) -> Option<Self> {
        // The key first: a probe's place must not be taken in vain.
        let key = target.account.choose(now)?;
        let pass = target.health.breaker.admit(now, rules)?;
        Some(Self::new(target, rules, key, pass))
    }

    /// Enters once more for an extra try, unless the breaker has opened by now. The key may be the same.
    pub fn enter_again(target: &Target, rules: &Rules, now: Instant) -> Option<Self> {
        let pass = target.health.breaker.admit(now, rules)?;
        Some(Self::new(target, rules, target.account.force(now), pass))
    }

    /// Enters the target that is to take requests again first, when none does of those that are meant: one more try is better than none.
    pub fn force(route: &Route, is_meant: impl Fn(usize) -> bool, now: Instant) -> Option<(usize, Self)> {
        let targets = route.targets.iter().enumerate().filter(|(index, _)| is_meant(*index));
        let (index, target) = targets.min_by_key(|(_, target)| {
            let open_for = match target.health.breaker.state(now) {
                State::Open(left) => left,
                State::Closed | State::HalfOpen => Duration::ZERO,
            };
            open_for.max(target.account.cooling_for(now).unwrap_or_default())
        })?;
        let rules = &route.settings.breaker;
        let pass = target.health.breaker.admit(now, rules).unwrap_or(Pass::Forced);
        Some((index, Self::new(target, rules, target.account.force(now), pass)))
    }

    fn new(target: &Target, rules: &Rules, key: Choice, pass: Pass) -> Self {
        Self {
            presence: Presence::new(&target.health),
            account: Arc::clone(&target.account),
            rules: *rules,
            key,
            place: None,
            pass: Some(pass),
        }
    }

    /// Takes a place at the Provider, if those are limited and one is free; says whether the request may go on.
    pub fn try_place(&mut self) -> bool {
        if let (Some(limit), None) = (self.account.max_concurrent, &self.place) {
            self.place = self.account.gate.try_enter(limit);
            return self.place.is_some();
        }
        true
    }

    /// Waits for a place at the Provider.
    pub async fn wait_for_place(&mut self) -> Result<(), Full> {
        if let Some(limit) = self.account.max_concurrent {
            self.place = Some(self.account.gate.enter(limit, LONGEST_WAIT).await?);
        }
        Ok(())
    }

    /// The header that carries the credential.
    pub fn credential(&self) -> Option<&Credential> {
        self.account.header(self.key)
    }

    /// The target has answered to the end.
    pub fn succeed(mut self) -> Change {
        self.account.thaw(self.key);
        self.judge(Verdict::Good, Instant::now())
    }

    /// The target has failed.
    pub fn fail(mut self, failure: &Failure) -> Blame {
        let now = Instant::now();
        let cause = match self.key {
            Choice::Keyless => None,
            Choice::Key(_) | Choice::Forced(_) => cause(failure),
        };
        if let Some(cause) = cause {
            self.account.cool(self.key, cause, now);
        }
        let verdict = if cause.is_none() && failure.counts_against_target() {
            Verdict::Bad
        } else {
            Verdict::Neither
        };
        Blame {
            change: self.judge(verdict, now),
            has_other_key: cause.is_some() && self.account.choose(now).is_some(),
        }
    }

    fn judge(&mut self, verdict: Verdict, now: Instant) -> Change {
        match self.pass.take() {
            Some(pass) => self.presence.breaker().judge(pass, verdict, now, &self.rules),
            None => Change::None,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(Pass::Probe(_)) = self.pass {
            self.judge(Verdict::Neither, Instant::now());
        }
    }
}

/// Why the key is at fault, if it is.
fn cause(failure: &Failure) -> Option<Cause> {
    match failure.status()? {
        429 => Some(Cause::Limited(failure.retry_after())),
        401 => Some(Cause::Refused),
        _ => None,
    }
}
