//! What is done about faults, as the configuration in use knows it: breakers, further tries, keys that are left alone, waits.

use tokio::time::Instant;

use super::{families, page::Page};
use crate::{config::resolved::Config, routing::breaker::State};

pub(super) fn show(config: &Config, page: &mut Page) {
    let now = Instant::now();
    for route in config.all_routes() {
        for target in &route.targets {
            let labels = [("route", &*route.name), ("target", &*target.name)];
            let health = &target.health;
            let state = match health.breaker.state(now) {
                State::Closed => 0,
                State::HalfOpen => 1,
                State::Open(_) => 2,
            };
            page.gauge(&families::BREAKER, &labels, state);
            page.counted(&families::OPENINGS, &labels, health.openings.get());
            page.counted(&families::RETRIES, &labels, health.retries.get());
            page.counted(&families::FAILOVERS, &labels, health.failovers.get());
        }
    }
    for (provider, account) in config.accounts() {
        let provider = provider.to_string();
        let counts = &account.counts;
        for (cause, count) in [("limited", &counts.limited), ("refused", &counts.refused)] {
            let labels = [("cause", cause), ("provider", &*provider)];
            page.counted(&families::COOLDOWNS, &labels, count.get());
        }
        for (result, count) in [("entered", &counts.entered), ("full", &counts.full)] {
            let labels = [("provider", &*provider), ("result", result)];
            page.counted(&families::PLACE_WAITS, &labels, count.get());
        }
    }
}
