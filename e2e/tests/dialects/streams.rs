//! Streams across the dialects: nothing waits, nothing is lost, and the record is that of the answer.

use anyhow::{Context as _, ensure};
use e2e::manifest::{route, target};
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::{FRONTS, Front, anthropic, worked};

const CHUNKS: usize = 12;
const GATE: u64 = 7;
const PROVIDERS: [&str; 2] = ["sim", "ant"];

/// A Route to this model of each of the Providers, called PROVIDER-NAME.
fn routes(name: &str, model: &str) -> Vec<Value> {
    let to = |provider: &&str| {
        let only = target("only", provider, model, 1);
        route(&format!("{provider}-{name}"), json!({ "targets": [only] }))
    };
    PROVIDERS.iter().map(to).collect()
}

/// The provider may send a chunk only after the client has had the one before it.
#[tokio::test]
async fn each_chunk_crosses_before_the_provider_sends_the_next() -> anyhow::Result<()> {
    let model = format!("sim-gate-{GATE}-words-{CHUNKS}-chunks-{CHUNKS}");
    let mut objects = routes("gated", &model);
    objects.push(anthropic());
    let (stage, gateway) = Stage::playing(&objects).await?;
    for front in FRONTS {
        for provider in PROVIDERS {
            let what = || format!("{front:?} on {provider}");
            relay(&stage, &gateway, front, provider).await.with_context(what)?;
        }
    }
    Ok(())
}

async fn relay(stage: &Stage, gateway: &Gateway, front: Front, provider: &str) -> anyhow::Result<()> {
    let body = front.ask(&format!("{provider}-gated"), true).to_string();
    let mut stream = gateway.client.open(front.path(), body).await?;
    for chunk in 1..=CHUNKS {
        let text = stream.content().await?;
        ensure!(text.is_some(), "the stream ended before chunk {chunk}");
        let request = stage.simulator.last_request().await?;
        let sent = request["sent_unix_micros"].as_array().map_or(0, Vec::len);
        ensure!(
            sent == chunk,
            "the client has {chunk} chunks, the provider has sent {sent}"
        );
        stage.simulator.release(GATE).await?;
    }
    ensure!(stream.content().await?.is_none(), "more chunks than the provider has");
    Ok(())
}

/// However the bytes come, whole or streamed, the answer is the provider's, and what is recorded is the same either way.
#[tokio::test]
async fn an_answer_is_the_providers_own_however_it_comes() -> anyhow::Result<()> {
    let mut objects = routes("drip", "sim-drip-1-words-9");
    objects.extend(routes("cached", "sim-cached-2-written-3"));
    objects.push(anthropic());
    let (stage, gateway) = Stage::playing(&objects).await?;
    for front in FRONTS {
        for provider in PROVIDERS {
            let what = || format!("{front:?} on {provider}");
            same_answers(&stage, &gateway, front, provider)
                .await
                .with_context(what)?;
        }
    }
    Ok(())
}

async fn same_answers(stage: &Stage, gateway: &Gateway, front: Front, provider: &str) -> anyhow::Result<()> {
    let behind = if provider == "sim" {
        Front::OpenAi
    } else {
        Front::Anthropic
    };
    let client = stage.simulator.client.with_header("anthropic-version", "2023-06-01")?;
    let mut plain = behind.ask("sim-words-9", false);
    if front != behind && behind == Front::Anthropic {
        plain["messages"][0]["content"] = json!([{ "type": "text", "text": plain["messages"][0]["content"] }]);
    }
    let own = worked(behind.send(&client, &plain).await?)?.content()?;
    for stream in [false, true] {
        let body = front.ask(&format!("{provider}-drip"), stream);
        let answer = worked(front.send(&gateway.client, &body).await?)?;
        ensure!(answer.content()? == own, "{} is not {own}", answer.text());
        ensure!(
            !stream || answer.transcript()?.is_done,
            "no end mark: {}",
            answer.text()
        );
    }
    let mut records = Vec::new();
    for stream in [false, true] {
        let body = front.ask(&format!("{provider}-cached"), stream);
        let answer = worked(front.send(&gateway.client, &body).await?)?;
        records.push(record(gateway, answer.id()).await?);
    }
    ensure!(records[0] == records[1], "{:#} is not {:#}", records[0], records[1]);
    ensure!(records[0][2] == json!(2), "tokens of the cache: {:#}", records[0]);
    Ok(())
}

/// Of a generation, what an answer and its stream must agree on.
async fn record(gateway: &Gateway, id: &str) -> anyhow::Result<Value> {
    let told = until("the record", async || {
        let answer = gateway.client.get(&format!("/v1/generation?id={id}")).await?;
        Ok((answer.status == 200).then_some(answer))
    });
    let told = told.await?.json()?["data"].take();
    let shown = [
        "tokens_prompt",
        "tokens_completion",
        "native_tokens_cached",
        "finish_reason",
        "native_finish_reason",
    ];
    Ok(shown.iter().map(|name| told[*name].clone()).collect())
}
