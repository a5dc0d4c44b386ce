//! `--data-max-bytes`: the files stay below it, and figures of what was deleted stay exact.

use std::path::Path;

use anyhow::ensure;
use e2e::stage::Stage;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::{ask, capturing, worked};

const MAX_BYTES: u64 = 64 << 20;
const ROUNDS: usize = 60;
/// Requests of a round.
const REQUESTS: usize = 200;
const CONNECTIONS: usize = 8;

fn on_disk(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(directory)? {
        // A log may vanish meanwhile.
        bytes += file?
            .metadata()
            .map_or(0, |file| if file.is_file() { file.len() } else { 0 });
    }
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_stay_below_their_bound_and_the_figures_are_exact() -> anyhow::Result<()> {
    let route = capturing(
        "kept",
        "sim-words-2",
        &json!({ "content": true, "maxExamples": 10_000_000 }),
    );
    let stage = Stage::new().await?;
    let provider = e2e::manifest::provider("sim", json!({ "vendor": "Simulated" }));
    stage.write("objects.yaml", &e2e::manifest::file(&[provider, route]))?;
    let mut gateway = stage.gateway(&["--data-max-bytes", "64MiB"]).await?;
    // Twice the bound in all.
    let body = ask("kept", &"x".repeat(11_000)).to_string();
    let mut most = 0;
    for _ in 0..ROUNDS {
        stream::iter(0..REQUESTS)
            .map(|_| gateway.client.post(e2e::client::CHAT, body.clone()))
            .buffer_unordered(CONNECTIONS)
            .map(|answer| answer.and_then(worked))
            .try_collect::<Vec<_>>()
            .await?;
        most = most.max(on_disk(&stage.data())?);
    }
    let told = gateway.client.get_json("/v1/system/analytics").await?;
    ensure!(told["total_requests"] == ROUNDS * REQUESTS, "{told}");
    ensure!(told["rows"][0]["prompt_tokens"].as_u64() > Some(0), "{told}");
    let status = gateway.client.get_json("/status").await?;
    ensure!(status["capture"]["dropped_records"] == 0, "{status}");
    gateway.stop().await?;
    most = most.max(on_disk(&stage.data())?);
    ensure!(most <= MAX_BYTES, "{most} bytes were on the disk");
    let examples = e2e::stores::examples(&stage.data())?.len();
    ensure!(
        (1000..ROUNDS * REQUESTS).contains(&examples),
        "{examples} examples are left"
    );
    eprintln!(
        "at most {most} bytes; {examples} examples of {} are left",
        ROUNDS * REQUESTS
    );
    Ok(())
}
