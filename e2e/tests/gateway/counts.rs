//! Which target answers how often.

use std::collections::BTreeMap;

use anyhow::ensure;
use e2e::manifest::{route, target};
use e2e::stage::{Gateway, Stage};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::{ask, ask_stream, worked};

const REQUESTS: usize = 1000;
/// Enough that the kernel gives connections to both traffic threads.
const CONNECTIONS: usize = 16;

#[tokio::test]
async fn a_thousand_requests_are_shared_by_weight_and_in_turns() -> anyhow::Result<()> {
    let targets = [
        target("seven", "sim", "sim-fast", 7),
        target("three", "sim", "sim-fast", 3),
    ];
    let weighted = route("weighted", json!({ "targets": targets }));
    let targets = [("one", 5), ("two", 1), ("three", 9)].map(|(name, weight)| target(name, "sim", "sim-fast", weight));
    let turns = route("turns", json!({ "strategy": "RoundRobin", "targets": targets }));
    let (_stage, gateway) = Stage::playing(&[weighted, turns]).await?;

    let counts = count(&gateway, "weighted").await?;
    ensure!(is_within_two(&counts, &[("seven", 700), ("three", 300)]), "{counts:?}");
    let counts = count(&gateway, "turns").await?;
    ensure!(
        is_within_two(&counts, &[("one", 333), ("two", 333), ("three", 333)]),
        "{counts:?}"
    );
    Ok(())
}

/// Sends the requests, every other one for a stream, and counts the targets that answered.
async fn count(gateway: &Gateway, model: &str) -> anyhow::Result<BTreeMap<String, usize>> {
    let answers = stream::iter(0..REQUESTS).map(async |number| {
        let body = if number % 2 == 0 { ask(model) } else { ask_stream(model) };
        let answer = worked(gateway.client.chat(&body).await?)?;
        anyhow::Ok(answer.header("x-route-switch-target").to_owned())
    });
    let targets: Vec<String> = answers.buffer_unordered(CONNECTIONS).try_collect().await?;
    let mut counts = BTreeMap::new();
    for target in targets {
        *counts.entry(target).or_default() += 1;
    }
    Ok(counts)
}

fn is_within_two(counts: &BTreeMap<String, usize>, expected: &[(&str, usize)]) -> bool {
    counts.len() == expected.len()
        && counts.values().sum::<usize>() == REQUESTS
        && expected
            .iter()
            .all(|(name, share)| counts.get(*name).is_some_and(|count| count.abs_diff(*share) <= 2))
}
