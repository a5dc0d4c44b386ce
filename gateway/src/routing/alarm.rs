//! A timer that is looked at far more often than it rings: for each chunk of a stream. As long as the same task waits for it, and it has not
//! rung, looking costs next to nothing.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

pub struct Alarm {
    timer: Pin<Box<Sleep>>,
    /// Whom it will wake.
    waker: Option<Waker>,
}

impl Alarm {
    pub fn at(deadline: Instant) -> Self {
        Self {
            timer: Box::pin(sleep_until(deadline)),
            waker: None,
        }
    }

    /// Whether it will wake the task of this context, and has not done so yet.
    pub fn will_wake(&self, context: &Context<'_>) -> bool {
        let waker = self.waker.as_ref();
        waker.is_some_and(|waker| waker.will_wake(context.waker())) && !self.timer.is_elapsed()
    }

    /// Ready when it rings.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.will_wake(context) {
            return Poll::Pending;
        }
        self.waker = Some(context.waker().clone());
        let timer = &mut self.timer;
        // A task that has used up its budget would be told to come again, and the timer would know nothing of it.
        let mut asked = unconstrained(poll_fn(|context| timer.as_mut().poll(context)));
        ready!(Pin::new(&mut asked).poll(context));
        self.waker = None;
        Poll::Ready(())
    }

    pub fn reset(&mut self, deadline: Instant) {
        self.waker = None;
        self.timer.as_mut().reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use tokio::task::consume_budget;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn it_rings_for_whoever_looked_last_and_when_it_was_set_last() {
        let mut alarm = Alarm::at(Instant::now() + Duration::from_hours(1));
        let mut other = Context::from_waker(Waker::noop());
        assert!(alarm.poll(&mut other).is_pending() && alarm.poll(&mut other).is_pending());
        assert!(alarm.will_wake(&other));
        let deadline = Instant::now() + SOON;
        alarm.reset(deadline);
        assert!(!alarm.will_wake(&other));
        let _ = alarm.poll(&mut other);
        poll_fn(|context| alarm.poll(context)).await;
        assert!(Instant::now() >= deadline && !alarm.will_wake(&other));
    }

    #[tokio::test]
    async fn it_rings_for_a_task_that_had_no_budget_left() {
        let deadline = Instant::now() + SOON;
        let mut alarm = Alarm::at(deadline);
        let mut is_first = true;
        poll_fn(|context| {
            while is_first && pin!(consume_budget()).poll(context).is_ready() {}
            is_first = false;
            alarm.poll(context)
        })
        .await;
        assert!(Instant::now() >= deadline);
    }
}
