//! Places that are limited: so many requests at once, and so many that wait for so long.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long a request waits for a place.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many may wait for each place that there is.
const WAITING_FOR_EACH: usize = 4;

/// The places of one Provider, shared by all traffic threads.
#[derive(Debug, Default)]
pub struct Gate {
    inside: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// A place that is taken; dropped, it is free.
#[derive(Debug)]
pub struct Place(Arc<Gate>);

/// No place came free in time, or too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub limit: usize,
}

/// One that waits.
struct Waiting<'a>(&'a Gate);

impl Gate {
    /// Takes one of `limit` places, now or within `patience`.
    pub async fn enter(self: &Arc<Self>, limit: usize, patience: Duration) -> Result<Place, Full> {
        match self.try_enter(limit) {
            Some(place) => Ok(place),
            None => self.wait(limit, patience).await,
        }
    }

    /// Takes a place if one is free now.
    pub fn try_enter(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let add = |inside: usize| (inside < limit).then_some(inside + 1);
        let entered = self.inside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        entered.is_ok().then(|| Place(Arc::clone(self)))
    }

    async fn wait(self: &Arc<Self>, limit: usize, patience: Duration) -> Result<Place, Full> {
        let most = limit.saturating_mul(WAITING_FOR_EACH);
        let join = |waiting: usize| (waiting < most).then_some(waiting + 1);
        let joined = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, join);
        if joined.is_err() {
            return Err(Full { limit });
        }
        let _waiting = Waiting(self);
        let deadline = Instant::now() + patience;
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no place comes free unheard; one that did before is seen next.
            freed.as_mut().enable();
            if let Some(place) = self.try_enter(limit) {
                return Ok(place);
            }
            if timeout_at(deadline, freed).await.is_err() {
                return Err(Full { limit });
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const FOREVER: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn a_place_that_comes_free_goes_to_one_that_waits() {
        let gate = Arc::new(Gate::default());
        let place = gate.try_enter(1).unwrap();
        let waits = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(1, FOREVER).await.is_ok() }
        });
        yield_now().await;
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 1);
        drop(place);
        assert!(waits.await.unwrap());
        assert_eq!(gate.inside.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_is_bounded_in_time() {
        let gate = Arc::new(Gate::default());
        let _place = gate.try_enter(1).unwrap();
        let patience = Duration::from_millis(20);
        let began = Instant::now();
        assert_eq!(gate.enter(1, patience).await.unwrap_err(), Full { limit: 1 });
        assert!(began.elapsed() >= patience);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_is_bounded_in_number() {
        let gate = Arc::new(Gate::default());
        let _place = gate.try_enter(1).unwrap();
        let mut waiting = JoinSet::new();
        for _ in 0..WAITING_FOR_EACH {
            let gate = Arc::clone(&gate);
            waiting.spawn(async move { gate.enter(1, FOREVER).await.is_ok() });
        }
        yield_now().await;
        assert!(gate.enter(1, FOREVER).await.is_err(), "one more is refused at once");
        waiting.shutdown().await;
        let left = gate.waiting.load(Ordering::Relaxed);
        assert_eq!(left, 0, "those that were cancelled wait no more");
    }

    #[tokio::test]
    async fn never_are_more_inside_than_the_limit() {
        let gate = Arc::new(Gate::default());
        let mut tasks = JoinSet::new();
        let most = Arc::new(AtomicUsize::new(0));
        for _ in 0..12 {
            let (gate, most) = (Arc::clone(&gate), Arc::clone(&most));
            tasks.spawn(async move {
                let place = gate.enter(3, FOREVER).await.unwrap();
                most.fetch_max(gate.inside.load(Ordering::SeqCst), Ordering::SeqCst);
                yield_now().await;
                drop(place);
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
