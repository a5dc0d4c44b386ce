//! What the client itself did wrong: told in the provider's words, and not tried elsewhere.

use anyhow::{Context as _, ensure};
use e2e::manifest::{route, target};
use e2e::stage::{Gateway, Stage};
use serde_json::{Value, json};

use crate::{ask, ask_stream};

#[tokio::test]
async fn a_request_that_the_provider_finds_at_fault_is_refused_in_its_words_and_not_tried_elsewhere()
-> anyhow::Result<()> {
    let two = |model: &str| json!({ "targets": [target("first", "sim", model, 1), target("second", "sim", "sim-words-3", 0)] });
    let routes = [
        ("plain", "sim-fast"),
        ("r400", "sim-400"),
        ("r413", "sim-413"),
        ("r422", "sim-422"),
    ];
    let (stage, gateway) = Stage::playing(&routes.map(|(name, model)| route(name, two(model)))).await?;

    let mut hot = ask("plain");
    hot["temperature"] = json!(9);
    check(&stage, &gateway, &hot, "sim-fast").await.context("temperature")?;
    hot["stream"] = json!(true);
    check(&stage, &gateway, &hot, "sim-fast")
        .await
        .context("temperature, streamed")?;
    let mut tool = ask("plain");
    tool["messages"] = json!([{ "role": "tool", "tool_call_id": "call_1", "content": "4" }]);
    check(&stage, &gateway, &tool, "sim-fast")
        .await
        .context("a result without its call")?;
    for (name, model) in &routes[1..] {
        check(&stage, &gateway, &ask(name), model).await.context(*name)?;
        check(&stage, &gateway, &ask_stream(name), model).await.context(*name)?;
    }
    ensure!(
        stage.simulator.requests_for("sim-words-3").await? == 0,
        "the second target was asked"
    );
    Ok(())
}

/// The gateway says what the provider says to the same body.
async fn check(stage: &Stage, gateway: &Gateway, body: &Value, model: &str) -> anyhow::Result<()> {
    let mut direct = body.clone();
    direct["model"] = json!(model);
    let said = stage.simulator.answer(&direct).await?;
    let answer = gateway.client.chat(body).await?;
    ensure!(answer.status == said.status, "{}: {}", answer.status, answer.text());
    let (error, said) = (answer.error()?, said.error()?);
    for field in ["message", "type", "param", "code"] {
        let is_ours = field == "code" && said[field].is_null();
        ensure!(
            is_ours || error[field] == said[field],
            "{field}: {error}, the provider said {said}"
        );
    }
    ensure!(error["metadata"]["provider"] == "default/sim", "{error}");
    ensure!(answer.header("x-route-switch-attempts") == "1", "{:?}", answer.headers);
    let told = gateway.client.generation(answer.id()).await?;
    ensure!(
        told["outcome"] == "client_error" && told["status"] == answer.status,
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_place_of_the_fault() -> anyhow::Result<()> {
    let (_stage, gateway) = Stage::playing(&[route(
        "plain",
        json!({ "targets": [target("only", "sim", "sim-fast", 1)] }),
    )])
    .await?;
    let too_long = format!("{{\"model\":\"plain\",\"messages\":\"{}\"}}", "x".repeat(33 << 20));
    let cases: [(&str, u16, &str, Value); 8] = [
        ("{\"model\":", 400, "invalid_json", Value::Null),
        ("", 400, "invalid_json", Value::Null),
        ("{\"messages\":[{}]}", 400, "missing_required_parameter", json!("model")),
        (
            "{\"model\":\"plain\"}",
            400,
            "missing_required_parameter",
            json!("messages"),
        ),
        (
            "{\"model\":\"plain\",\"messages\":[]}",
            400,
            "empty_array",
            json!("messages"),
        ),
        ("{\"model\":7,\"messages\":[{}]}", 400, "invalid_type", json!("model")),
        (
            "{\"model\":\"plain\",\"messages\":[{}],\"models\":[\"a\"]}",
            400,
            "unsupported_parameter",
            json!("models"),
        ),
        (&too_long, 413, "request_too_large", Value::Null),
    ];
    for (body, status, code, param) in cases {
        let shown: String = body.chars().take(60).collect();
        let answer = gateway
            .client
            .post("/v1/chat/completions", body.to_owned())
            .await
            .context(shown.clone())?;
        let error = answer.error().context(shown.clone())?;
        ensure!(
            answer.status == status && error["code"] == code && error["param"] == param,
            "{shown}: {error}"
        );
        ensure!(error["type"] == "invalid_request_error", "{shown}: {error}");
        let answer = gateway
            .client
            .post("/api/v1/chat/completions", body.to_owned())
            .await
            .context(shown.clone())?;
        ensure!(answer.error()?["code"] == status, "{shown}: {}", answer.text());
    }
    Ok(())
}
