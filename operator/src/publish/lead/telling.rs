//! What is told of the fleet: to the rest of the program, in metrics, in the log.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::Reign;
use crate::publish::{Fleet, client::Answer};

impl Reign<'_> {
    /// Says how the fleet is, where that is news.
    pub(super) fn tell(&mut self) {
        if self.wave.is_complete() {
            for changed in self.timed.drain(..) {
                self.metrics.propagation.observe(changed.elapsed().as_secs_f64());
            }
        }
        self.measure();
        let before = self.outputs.fleet.borrow().clone();
        let mut next = self.wave.fleet(self.fault.as_deref(), self.held, Instant::now());
        next.settled &= self.waiting.is_none();
        log(&before, &next);
        self.outputs.fleet.send_if_modified(|fleet| {
            // An offer that was made meanwhile has unsettled the fleet.
            next.settled &= self.outputs.offers.borrow().count == self.count;
            let changed = **fleet != next;
            if changed {
                *fleet = Arc::new(next);
            }
            changed
        });
    }

    fn measure(&mut self) {
        let metrics = self.metrics;
        let figure = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.connected_pods.set(figure(self.wave.connected()));
        metrics
            .epoch
            .set(i64::try_from(self.orders.epoch()).unwrap_or(i64::MAX));
        let refused = self.wave.refused_by_kind();
        for (kind, &count) in &refused {
            metrics.refused_objects.with_label_values(&[kind]).set(figure(count));
        }
        let kept: Vec<_> = self.wave.kept().collect();
        let now = self.client.now().as_millisecond();
        for (pod, since) in &kept {
            let age = now.saturating_sub(*since).max(0) / 1_000;
            metrics.last_known_good_age.with_label_values(&[pod]).set(age);
        }
        let shown: BTreeSet<String> = refused
            .into_keys()
            .chain(kept.into_iter().map(|(pod, _)| pod.to_owned()))
            .collect();
        for gone in self.shown.difference(&shown) {
            // One of the two does not know it.
            let _ = metrics.refused_objects.remove_label_values(&[gone]);
            let _ = metrics.last_known_good_age.remove_label_values(&[gone]);
        }
        self.shown = shown;
    }
}

pub(super) fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Answer::Report(report) if report.refused.is_empty() => "taken",
        Answer::Report(_) => "partly_refused",
        Answer::Refused(http::StatusCode::UNAUTHORIZED, _) => "unauthorized",
        Answer::Refused(http::StatusCode::CONFLICT, _) => "conflict",
        Answer::Refused(..) => "refused",
        Answer::Held(_) | Answer::None(_) => "unanswered",
    }
}

/// Troubles that begin and end.
fn log(before: &Fleet, after: &Fleet) {
    for pod in &after.pods {
        let known = before.pods.iter().find(|known| known.uid == pod.uid);
        let trouble = known.and_then(|known| known.trouble.as_deref());
        match &pod.trouble {
            Some(words) if trouble != Some(words) => tracing::warn!(pod = pod.name, words, "a gateway is in trouble"),
            None if trouble.is_some() => tracing::info!(pod = pod.name, "the gateway is out of trouble"),
            Some(_) | None => {}
        }
    }
}
