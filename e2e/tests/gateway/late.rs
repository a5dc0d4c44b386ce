//! Answers that are late or leave something out.

use anyhow::ensure;
use e2e::client::{CHAT, Event, OPENROUTER_CHAT, header_of};
use e2e::manifest::{route, target};
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::json;

use crate::{ask, ask_stream, worked};

/// The head goes out while the first target is still silent, and the second one answers nonetheless.
#[tokio::test]
async fn after_commit_after_the_head_is_sent_and_another_target_can_still_answer() -> anyhow::Result<()> {
    let timeouts = json!({ "commitAfter": "200ms", "firstToken": "3s" });
    let targets = [
        target("silent", "sim", "sim-hang", 1),
        target("second", "sim", "sim-words-5", 0),
    ];
    let slow = route("slow", json!({ "targets": targets, "timeouts": timeouts }));
    let alone = route("alone", json!({ "targets": [targets[0]], "timeouts": timeouts }));
    let (stage, gateway) = Stage::playing(&[slow, alone]).await?;

    for path in [CHAT, OPENROUTER_CHAT] {
        let before = stage.simulator.requests_for("sim-words-5").await?;
        let stream = gateway.client.open(path, ask_stream("slow").to_string()).await?;
        let after = stage.simulator.requests_for("sim-words-5").await?;
        ensure!(
            stream.status == 200 && before == after,
            "the head came only with the second target's answer"
        );
        ensure!(
            header_of(&stream.headers, "x-route-switch-target").is_empty(),
            "{:?}",
            stream.headers
        );
        let answer = worked(stream.whole().await)?;
        let transcript = answer.transcript()?;
        ensure!(
            transcript.is_done && transcript.content_chunks() == 5,
            "{}",
            answer.text()
        );
        let own = transcript.route_switch();
        ensure!(own["target"] == "second" && own["attempts"] == 2, "{own}");
        let told = gateway.client.generation(answer.id()).await?;
        ensure!(
            told["outcome"] == "ok" && told["attempts"][0]["outcome"] == "timeout",
            "{told}"
        );
    }
    let answer = worked(gateway.client.chat(&ask_stream("alone")).await?)?;
    let transcript = answer.transcript()?;
    ensure!(
        transcript.is_done && transcript.finish_reason() == Some("error"),
        "{}",
        answer.text()
    );
    ensure!(
        transcript.error().is_some_and(|error| error["code"] == "timeout"),
        "{}",
        answer.text()
    );
    let told = gateway.client.generation(answer.id()).await?;
    ensure!(told["outcome"] == "timeout" && told["status"] == 200, "{told}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_waits_for_long_gets_keep_alive_comments() -> anyhow::Result<()> {
    let timeouts = json!({ "commitAfter": "100ms", "firstToken": "60s" });
    let slow = route(
        "slow",
        json!({ "targets": [target("only", "sim", "sim-latency-18000-words-3", 1)], "timeouts": timeouts }),
    );
    let (_stage, gateway) = Stage::playing(&[slow]).await?;
    let mut stream = gateway.client.open(CHAT, ask_stream("slow").to_string()).await?;
    ensure!(
        matches!(stream.event().await?, Some(Event::Comment(_))),
        "no comment before the first chunk"
    );
    let transcript = worked(stream.whole().await)?.transcript()?;
    ensure!(transcript.is_done && transcript.content_chunks() == 3, "{transcript:?}");
    Ok(())
}

#[tokio::test]
async fn usage_that_the_provider_leaves_out_is_estimated_and_says_so() -> anyhow::Result<()> {
    let routes = [("silent", "sim-nousage"), ("telling", "sim-fast")];
    let routes = routes.map(|(name, model)| route(name, json!({ "targets": [target("only", "sim", model, 1)] })));
    let (_stage, gateway) = Stage::playing(&routes).await?;
    for (model, is_estimated) in [("silent", true), ("telling", false)] {
        let mut with_usage = ask_stream(model);
        with_usage["stream_options"] = json!({ "include_usage": true });
        for path in [CHAT, OPENROUTER_CHAT] {
            for body in [ask(model), ask_stream(model), with_usage.clone()] {
                let answer = worked(gateway.client.post(path, body.to_string()).await?)?;
                let usage = answer.usage()?;
                ensure!((usage["estimated"] == true) == is_estimated, "{path} {body}: {usage}");
                let (prompt, completion) = (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64());
                ensure!(prompt > Some(0) && completion > Some(0), "{path} {body}: {usage}");
                let told = gateway.client.generation(answer.id()).await?;
                ensure!(
                    told["tokens_estimated"] == is_estimated && told["tokens_prompt"] == json!(prompt),
                    "{told}"
                );
            }
        }
    }
    Ok(())
}

/// Leaving is told to the provider, which so stops to work, and recorded with what had come.
#[tokio::test]
async fn a_client_that_leaves_takes_its_provider_call_with_it() -> anyhow::Result<()> {
    let routes = [("gated", "sim-gate-3-chunks-9"), ("silent", "sim-hang")];
    let routes = routes.map(|(name, model)| route(name, json!({ "targets": [target("only", "sim", model, 1)] })));
    let (stage, gateway) = Stage::playing(&routes).await?;
    let has_left = async || {
        let request = stage.simulator.last_request().await?;
        Ok((request["outcome"] == "client_left").then_some(()))
    };

    let mut stream = gateway.client.open(CHAT, ask_stream("gated").to_string()).await?;
    let id = header_of(&stream.headers, "x-generation-id").to_owned();
    let text = stream.content().await?.unwrap_or_default();
    drop(stream);
    until("the provider to see the client leave", has_left).await?;
    let told = until("the record", async || {
        let answer = gateway.client.get(&format!("/v1/generation?id={id}")).await?;
        if answer.status == 200 {
            Ok(Some(answer.json()?["data"].take()))
        } else {
            Ok(None)
        }
    })
    .await?;
    ensure!(
        told["outcome"] == "cancelled" && told["cancelled"] == true && told["status"] == 200,
        "{told}"
    );
    ensure!(
        told["tokens_completion"] == text.len().div_ceil(4) && told["tokens_estimated"] == true,
        "{told}"
    );

    let (body, client) = (ask("silent").to_string(), gateway.client.clone());
    let waiting = tokio::spawn(async move { client.open(CHAT, body).await });
    until("the provider to be asked", async || {
        Ok((stage.simulator.last_request().await?["model"] == "sim-hang").then_some(()))
    })
    .await?;
    waiting.abort();
    until("the provider to see the client leave", has_left).await
}
