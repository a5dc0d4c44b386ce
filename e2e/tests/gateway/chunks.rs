//! Chunks reach the client as the provider sends them, not later.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use e2e::client::{CHAT, OPENROUTER_CHAT};
use e2e::manifest::{route, target};
use e2e::stage::{Gateway, Stage};
use serde_json::{Value, json};

use crate::{ask, ask_stream, worked};

const CHUNKS: usize = 25;
const GATE: u64 = 7;

/// The provider may send a chunk only after the client has had the one before it, and the times tell the same.
#[tokio::test]
async fn each_chunk_reaches_the_client_before_the_provider_sends_the_next() -> anyhow::Result<()> {
    let model = format!("sim-gate-{GATE}-words-{CHUNKS}-chunks-{CHUNKS}");
    let gated = route("gated", json!({ "targets": [target("only", "sim", &model, 1)] }));
    let (stage, gateway) = Stage::playing(&[gated]).await?;
    for path in [CHAT, OPENROUTER_CHAT] {
        relay_through_the_gate(&stage, &gateway, path).await?;
    }
    Ok(())
}

async fn relay_through_the_gate(stage: &Stage, gateway: &Gateway, path: &str) -> anyhow::Result<()> {
    let mut stream = gateway.client.open(path, ask_stream("gated").to_string()).await?;
    let mut received_unix_micros = Vec::new();
    for chunk in 1..=CHUNKS {
        ensure!(
            stream.content().await?.is_some(),
            "{path}: the stream ended before chunk {chunk}"
        );
        received_unix_micros.push(now_unix_micros());
        let sent = sent_unix_micros(&stage.simulator.last_request().await?);
        ensure!(
            sent.len() == chunk,
            "{path}: the client has {chunk} chunks, the provider has sent {}",
            sent.len()
        );
        stage.simulator.release(GATE).await?;
    }
    ensure!(
        stream.content().await?.is_none(),
        "{path}: more chunks than the provider has"
    );
    let sent = sent_unix_micros(&stage.simulator.last_request().await?);
    for (chunk, (received, next_sent)) in received_unix_micros.iter().zip(&sent[1..]).enumerate() {
        ensure!(
            received < next_sent,
            "{path}: chunk {chunk} was received at {received}, the next sent at {next_sent}"
        );
    }
    Ok(())
}

fn sent_unix_micros(request: &Value) -> Vec<u64> {
    request["sent_unix_micros"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}

fn now_unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[tokio::test]
async fn events_that_drip_in_a_few_bytes_at_a_time_arrive_whole() -> anyhow::Result<()> {
    let drip = route("drip", json!({ "targets": [target("only", "sim", "sim-drip-1", 1)] }));
    let (stage, gateway) = Stage::playing(&[drip]).await?;
    let whole = stage.simulator.answer(&ask("sim-fast")).await?.content()?;
    let streamed = worked(gateway.client.chat(&ask_stream("drip")).await?)?;
    ensure!(
        streamed.transcript()?.is_done && streamed.content()? == whole,
        "{}",
        streamed.text()
    );
    let not_streamed = worked(gateway.client.chat(&ask("drip")).await?)?;
    ensure!(not_streamed.content()? == whole, "{}", not_streamed.text());
    Ok(())
}
