//! A provider that may be asked for so much at once.

use anyhow::ensure;
use e2e::client::CHAT;
use e2e::manifest::{provider, route, target};
use e2e::stage::Stage;
use e2e::wait::until;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::ask;

const GATE: u64 = 7;

fn objects(targets: &[Value]) -> [Value; 3] {
    [
        provider(
            "one",
            json!({ "vendor": "Simulated", "limits": { "maxConcurrent": 1 } }),
        ),
        route(
            "held",
            json!({ "targets": [target("only", "one", "sim-gate-7-chunks-2-words-2", 1)] }),
        ),
        route("asked", json!({ "targets": targets })),
    ]
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_a_place() -> anyhow::Result<()> {
    let (stage, gateway) = Stage::playing(&objects(&[target("only", "one", "sim-fast", 1)])).await?;
    let mut held = gateway.client.open(CHAT, ask("held", true).to_string()).await?;
    held.content().await?;
    let waiting = ask("asked", false);
    let waits = gateway.client.chat(&waiting);
    let frees = async {
        for _ in 0..4 {
            stage.simulator.release(GATE).await?;
        }
        anyhow::Ok(held.whole().await)
    };
    let (second, first) = tokio::join!(waits, frees);
    ensure!(second?.status == 200 && first?.broken.is_none());
    Ok(())
}

#[tokio::test]
async fn when_no_place_comes_free_the_next_target_answers_or_the_client_is_told_to_come_back() -> anyhow::Result<()> {
    let only = target("only", "one", "sim-fast", 1);
    let (_stage, gateway) = Stage::playing(&objects(&[only])).await?;
    let mut held = gateway.client.open(CHAT, ask("held", true).to_string()).await?;
    held.content().await?;
    let status = gateway.client.get_json("/status").await?;
    let in_flight = |status: &Value| {
        let all = status["combinations"].as_array().cloned().unwrap_or_default();
        all.iter()
            .filter_map(|target| target["in_flight"].as_u64())
            .sum::<u64>()
    };
    ensure!(in_flight(&status) == 1, "{status}");
    let body = ask("asked", false);
    for answer in join_all((0..6).map(|_| gateway.client.chat(&body))).await {
        let answer = answer?;
        ensure!(
            answer.status == 503 && answer.header("retry-after") == "1",
            "{answer:?}"
        );
        ensure!(answer.error()?["code"] == "provider_overloaded", "{}", answer.text());
    }
    drop(held);
    until("the place that its client left", async || {
        Ok((gateway.client.chat(&body).await?.status == 200).then_some(()))
    })
    .await?;
    let metrics = gateway.admin.get("/metrics").await?.text();
    let line = "route_switch_place_waits_total{provider=\"default/one\",result=\"full\"} 6";
    ensure!(metrics.contains(line), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_full_provider_is_passed_over_in_the_end() -> anyhow::Result<()> {
    let targets = [
        target("full", "one", "sim-fast", 1),
        target("free", "sim", "sim-fast", 0),
    ];
    let (_stage, gateway) = Stage::playing(&objects(&targets)).await?;
    let mut held = gateway.client.open(CHAT, ask("held", true).to_string()).await?;
    held.content().await?;
    let answer = gateway.client.chat(&ask("asked", false)).await?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(answer.header("x-route-switch-target") == "free", "{:?}", answer.headers);
    Ok(())
}
