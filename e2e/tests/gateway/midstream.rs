//! What goes wrong after the first content: the client keeps what it has and is told in the stream; nothing ends silently.

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, CHAT};
use e2e::manifest::{route, target};
use e2e::stage::{Gateway, Stage};
use e2e::stores::{Example, examples};
use serde_json::json;

use crate::{ask_stream, worked};

const GATE: u64 = 5;

/// Name, model, how the request is recorded, the code of the error.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("cut", "sim-cut-3", "cut", "provider_unavailable"),
    ("hang", "sim-hang-3", "timeout", "timeout"),
    ("garbage", "sim-garbage-3", "cut", "provider_unavailable"),
    ("error", "sim-error-3", "cut", "provider_unavailable"),
];

fn routes() -> Vec<serde_json::Value> {
    let extra = [
        ("reset", "sim-gate-5-reset-3"),
        ("oversized", "sim-reasoning-2-oversized-17"),
    ];
    let models = TABLE.iter().map(|(name, model, ..)| (*name, *model)).chain(extra);
    models
        .map(|(name, model)| {
            let targets = [
                target("first", "sim", model, 1),
                target("second", "sim", "sim-words-3", 0),
            ];
            let timeouts = json!({ "firstToken": "20s", "idle": "1s" });
            route(
                name,
                json!({ "targets": targets, "timeouts": timeouts, "capture": { "content": true } }),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_fault_after_the_first_content_ends_the_stream_with_an_error_chunk() -> anyhow::Result<()> {
    let (stage, mut gateway) = Stage::playing(&routes()).await?;
    let whole = worked(stage.simulator.answer(&ask_stream("sim-fast")).await?)?.transcript()?;
    let texts = whole
        .chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    let three: String = texts.filter(|text| !text.is_empty()).take(3).collect();

    let mut expected = Vec::new();
    for (name, _, outcome, code) in TABLE {
        let answer = gateway.client.chat(&ask_stream(name)).await?;
        check(&gateway, &answer, outcome, code).await.context(*name)?;
        ensure!(answer.content()? == three, "{name}: {}", answer.text());
        expected.push((answer.id().to_owned(), *outcome, three.clone()));
    }
    let answer = gateway.client.chat(&ask_stream("oversized")).await?;
    check(&gateway, &answer, "cut", "provider_unavailable")
        .await
        .context("oversized")?;
    let reset = reset_after_three(&stage, &gateway).await?;
    ensure!(
        three.starts_with(&reset.content()?) && reset.transcript()?.content_chunks() >= 2,
        "{}",
        reset.text()
    );
    expected.push((reset.id().to_owned(), "cut", reset.content()?));

    ensure!(
        stage.simulator.requests_for("sim-words-3").await? == 0,
        "the second target was asked after the first content"
    );
    gateway.stop().await?;
    let examples = examples(&stage.data())?;
    for (id, outcome, content) in expected {
        let Example {
            outcome: stored,
            is_complete,
            output,
            ..
        } = examples.get(&id).context(id)?;
        ensure!(
            stored == outcome && !is_complete && output.as_ref() == Some(&content),
            "{stored}, {output:?}"
        );
    }
    Ok(())
}

/// A reset may overtake what was sent before it, so the client acknowledges two chunks first.
async fn reset_after_three(stage: &Stage, gateway: &Gateway) -> anyhow::Result<Answer> {
    let mut stream = gateway.client.open(CHAT, ask_stream("reset").to_string()).await?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        while let Some(event) = stream.event().await? {
            let e2e::client::Event::Chunk(chunk) = event else {
                continue;
            };
            let has_text = chunk["choices"][0]["delta"]["content"]
                .as_str()
                .is_some_and(|text| !text.is_empty());
            seen.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
            if has_text {
                break;
            }
        }
        stage.simulator.release(GATE).await?;
    }
    let mut answer = stream.whole().await;
    answer.body.splice(0..0, seen);
    check(gateway, &answer, "cut", "provider_unavailable")
        .await
        .context("reset")?;
    Ok(answer)
}

async fn check(gateway: &Gateway, answer: &Answer, outcome: &str, code: &str) -> anyhow::Result<()> {
    ensure!(answer.status == 200 && answer.broken.is_none(), "{answer:?}");
    ensure!(answer.header("x-route-switch-target") == "first" && answer.header("x-route-switch-attempts") == "1");
    let transcript = answer.transcript()?;
    let error = transcript
        .error()
        .with_context(|| format!("no error in the last chunk: {}", answer.text()))?;
    ensure!(
        transcript.is_done && transcript.rest.is_empty(),
        "no [DONE] at the end: {}",
        answer.text()
    );
    ensure!(transcript.finish_reason() == Some("error"), "{}", answer.text());
    ensure!(
        error["code"] == code && error["metadata"]["provider"] == "default/sim",
        "{error}"
    );
    ensure!(error["message"].is_string() && error["type"].is_string(), "{error}");
    let told = gateway.client.generation(answer.id()).await?;
    ensure!(
        told["outcome"] == outcome && told["status"] == 200 && told["tokens_estimated"] == true,
        "{told}"
    );
    ensure!(
        told["attempts"][0]["outcome"] == outcome && told["attempts"][0]["status"] == 200,
        "{told}"
    );
    let content = transcript.content();
    ensure!(
        content.is_empty() || told["tokens_completion"] == content.len().div_ceil(4),
        "{content:?}: {told}"
    );
    Ok(())
}
