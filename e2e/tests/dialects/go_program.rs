//! What clients of the Go program of the same name send and read works as its documentation says: the same paths, the same fields.

use anyhow::ensure;
use e2e::client::CHAT;
use e2e::manifest::{prompt, route, target};
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::worked;

/// Two combinations of one Route.
async fn playing() -> anyhow::Result<(Stage, Gateway)> {
    let targets = [
        target("short", "sim", "sim-words-2", 3),
        target("long", "sim", "sim-words-5", 1),
    ];
    Stage::playing(&[route("support", json!({ "targets": targets }))]).await
}

/// The request of its documentation.
fn chat(more: &Value) -> Value {
    let mut body = json!({
        "model": "support",
        "messages": [{ "role": "user", "content": "Where is my parcel?" }],
        "temperature": 0.7, "top_p": 0.9, "max_tokens": 100, "stop": ["END"],
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "user": "ann",
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_chat_is_a_completion_with_usage() -> anyhow::Result<()> {
    let (_stage, gateway) = playing().await?;
    let answer = worked(gateway.client.chat(&chat(&json!({}))).await?)?.json()?;
    ensure!(
        answer["object"] == "chat.completion" && answer["choices"][0]["message"]["role"] == "assistant",
        "{answer}"
    );
    ensure!(answer["choices"][0]["finish_reason"] == "stop", "{answer}");
    let tokens = |name: &str| answer["usage"][name].as_u64().unwrap_or_default();
    ensure!(
        tokens("prompt_tokens") > 0 && tokens("completion_tokens") > 0,
        "{answer}"
    );
    ensure!(
        tokens("total_tokens") == tokens("prompt_tokens") + tokens("completion_tokens"),
        "{answer}"
    );
    Ok(())
}

/// The last chunk has the reason and the usage together, as its clients expect, then comes the end mark.
#[tokio::test]
async fn a_stream_ends_with_reason_and_usage_in_one_chunk() -> anyhow::Result<()> {
    let (_stage, gateway) = playing().await?;
    let answer = worked(gateway.client.chat(&chat(&json!({ "stream": true }))).await?)?;
    let transcript = answer.transcript()?;
    let last = transcript.chunks.last().cloned().unwrap_or_default();
    ensure!(
        transcript.is_done && !transcript.content().is_empty(),
        "{}",
        answer.text()
    );
    ensure!(
        last["choices"][0]["finish_reason"] == "stop" && last["usage"]["total_tokens"].as_u64() > Some(0),
        "{last}"
    );
    let whole = |chunk: &Value| {
        chunk["object"] == "chat.completion.chunk" && chunk["created"].is_u64() && chunk["model"].is_string()
    };
    ensure!(transcript.chunks.iter().all(whole), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn its_other_endpoints_are_where_they_were() -> anyhow::Result<()> {
    let (_stage, gateway) = playing().await?;
    worked(gateway.client.chat(&chat(&json!({}))).await?)?;
    let health = gateway.client.get_json("/health").await?;
    ensure!(
        health["status"] == "healthy" && health["message"].is_string(),
        "{health}"
    );
    let storage = gateway.client.get_json("/health/storage").await?;
    ensure!(storage["dataset"] == "ok" && storage["analytics"] == "ok", "{storage}");
    let status = gateway.client.get_json("/status").await?;
    ensure!(status["status"] == "ok" && status["count"] == 2, "{status}");
    let combinations = status["combinations"].as_array().cloned().unwrap_or_default();
    for combination in &combinations {
        for name in ["id", "model", "provider", "weight"] {
            ensure!(!combination[name].is_null(), "{name} is missing: {combination}");
        }
    }
    let mut ids = combinations.iter().filter_map(|combination| combination["id"].as_str());
    ensure!(ids.any(|id| id.ends_with("support/short")), "{status}");
    let analytics = until("the request", async || {
        let told = gateway.client.get_json("/v1/system/analytics").await?;
        Ok((told["total_requests"] == 1).then_some(told))
    });
    let analytics = analytics.await?;
    for name in ["total_prompts", "success_rate", "avg_latency_ms", "avg_cost"] {
        ensure!(analytics.get(name).is_some(), "{name} is missing: {analytics}");
    }
    Ok(())
}

/// Where it answered with a line of text, an error object says the same with the same status.
#[tokio::test]
async fn what_it_refused_is_refused_with_its_status() -> anyhow::Result<()> {
    let (_stage, gateway) = playing().await?;
    let broken = gateway.client.post(CHAT, "{").await?;
    ensure!(
        broken.status == 400 && broken.error()?["message"].is_string(),
        "{}",
        broken.text()
    );
    let got = gateway.client.get(CHAT).await?;
    ensure!(got.status == 405, "{}", got.text());
    Ok(())
}

/// A prompt of the registry, and a Route of two targets that uses it.
async fn playing_a_prompt() -> anyhow::Result<(Stage, Gateway)> {
    let messages = [json!({ "role": "system", "content": "You answer for {{ company }}." })];
    let variables = [json!({ "name": "company", "type": "String" })];
    let template = prompt("answering", json!({ "messages": messages, "variables": variables }));
    let targets = [
        target("short", "sim", "sim-echo", 3),
        target("long", "sim", "sim-echo", 1),
    ];
    let support = route(
        "support",
        json!({ "promptRef": { "name": "answering" }, "targets": targets }),
    );
    Stage::playing(&[template, support]).await
}

#[tokio::test]
async fn variables_and_metadata_choose_and_fill_the_prompt_and_the_combination() -> anyhow::Result<()> {
    let (_stage, gateway) = playing_a_prompt().await?;
    let metadata = json!({ "template_id": "answering", "combination_id": "support/long", "team": "x" });
    let body = chat(&json!({ "variables": { "company": "Acme" }, "metadata": metadata }));
    for _ in 0..8 {
        let answer = worked(gateway.client.chat(&body).await?)?;
        ensure!(answer.header("x-route-switch-target") == "long", "{:?}", answer.headers);
        let told: Value = serde_json::from_str(&answer.content()?)?;
        let messages = json!([
            { "role": "system", "content": "You answer for Acme." },
            { "role": "user", "content": "Where is my parcel?" },
        ]);
        ensure!(
            told["body"]["messages"] == messages && told["body"]["metadata"] == json!({ "team": "x" }),
            "{told}"
        );
        ensure!(told["body"].get("variables").is_none(), "{told}");
    }
    for name in ["template_id", "combination_id"] {
        let unknown = chat(&json!({ "variables": { "company": "Acme" }, "metadata": { name: "nobody/knows" } }));
        let answer = gateway.client.chat(&unknown).await?;
        ensure!(
            answer.status == 400 && answer.text().contains(name),
            "{}",
            answer.text()
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_prompts_stats_have_its_fields() -> anyhow::Result<()> {
    let (_stage, gateway) = playing_a_prompt().await?;
    let fields = [
        "prompt_id",
        "template_id",
        "total_requests",
        "success_rate",
        "avg_latency_ms",
        "avg_cost",
        "error_count",
        "first_seen",
        "last_seen",
    ];
    let unused = gateway.client.get_json("/v1/prompts/answering/stats").await?;
    ensure!(unused["total_requests"] == 0, "{unused}");
    worked(
        gateway
            .client
            .chat(&chat(&json!({ "variables": { "company": "Acme" } })))
            .await?,
    )?;
    let used = until("the request", async || {
        let told = gateway.client.get_json("/v1/prompts/answering/stats").await?;
        Ok((told["total_requests"] == 1).then_some(told))
    });
    let used = used.await?;
    for name in fields {
        ensure!(used.get(name).is_some(), "{name} is missing: {used}");
    }
    ensure!(gateway.client.get("/v1/prompts/nobody/stats").await?.status == 404);
    Ok(())
}
