//! Prompts and their parameters on `Anthropic`'s front, and behind a target of `Anthropic`'s dialect.

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, CHAT};
use e2e::manifest::{prompt, route, target};
use serde_json::{Value, json};

use super::messages::{self, MESSAGES, Said};
use super::{said, stage};
use crate::worked;

/// A prompt with instructions, an example and the variable `name`, and a Route with it to each vendor.
fn objects() -> Vec<Value> {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    let mut objects = vec![prompt(
        "greeting",
        json!({
            "messages": [
                { "role": "system", "content": "Greet {{ name }}." },
                { "role": "developer", "content": "Be kind." },
                { "role": "user", "content": "Hello" },
                { "role": "assistant", "content": "Good day" },
            ],
            "variables": [{ "name": "name", "type": "String" }],
            "parameters": { "temperature": "0.25", "maxTokens": 77, "seed": 5, "stop": ["END"] },
            "responseFormat": { "name": "shape", "schema": schema },
        }),
    )];
    for vendor in super::VENDORS {
        objects.push(route(
            &format!("{vendor}-echo"),
            json!({ "promptRef": { "name": "greeting" }, "targets": [target("only", vendor, "sim-echo", 1)] }),
        ));
    }
    objects
}

/// The body that the provider got, as it tells in its answer.
fn heard(path: &str, answer: &Answer) -> anyhow::Result<Value> {
    let text = said(path, answer)?.text;
    let mut told: Value = serde_json::from_str(&text).with_context(|| format!("no echo of a request: {text:.300}"))?;
    Ok(told["body"].take())
}

fn ask(vendor: &str, more: &Value) -> anyhow::Result<String> {
    let mut body = json!({
        "model": format!("{vendor}-echo"), "max_tokens": 9000, "variables": { "name": "\"Ada\"},{" },
        "messages": [{ "role": "user", "content": "Hi" }],
    });
    let fields = more.as_object().context("fields")?.clone();
    body.as_object_mut().context("a body")?.extend(fields);
    Ok(body.to_string())
}

#[tokio::test]
async fn a_prompt_goes_in_front_of_what_the_client_says_in_its_dialect() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&[], &objects()).await?;
    for (client_system, expected) in [
        (json!({}), json!([])),
        (json!({ "system": "Own." }), json!(["Own."])),
        (
            json!({ "system": [{ "type": "text", "text": "One." }, { "type": "text", "text": "Two." }] }),
            json!(["One.", "Two."]),
        ),
    ] {
        let answer = worked(gateway.client.post(MESSAGES, ask("anthropic", &client_system)?).await?)?;
        ensure!(
            answer.header("x-route-switch-prompt-revision").starts_with("greeting-"),
            "{:?}",
            answer.headers
        );
        let body = heard(MESSAGES, &answer)?;
        let texts: Vec<Value> = body["system"]
            .as_array()
            .with_context(|| body.to_string())?
            .iter()
            .map(|block| block["text"].clone())
            .collect();
        let mut all = vec![json!("Greet \"Ada\"},{."), json!("Be kind.")];
        all.extend(expected.as_array().cloned().unwrap_or_default());
        ensure!(texts == all, "{body}");
        let roles: Vec<_> = body["messages"]
            .as_array()
            .context("messages")?
            .iter()
            .map(|it| it["role"].clone())
            .collect();
        ensure!(roles == ["user", "assistant", "user"], "{body}");
        ensure!(body.get("variables").is_none() && body["max_tokens"] == 9000, "{body}");
        ensure!(
            body["temperature"] == 0.25 && body["stop_sequences"] == json!(["END"]),
            "{body}"
        );
        ensure!(
            body["output_config"]["format"]["schema"]["additionalProperties"] == false,
            "{body}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_the_client_sets_comes_before_the_prompts_parameters() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&[], &objects()).await?;
    let own = json!({
        "temperature": 0.5, "stop_sequences": ["X"],
        "output_config": { "effort": "low", "format": { "type": "json_schema", "schema": { "type": "object", "additionalProperties": false } } },
    });
    let answer = worked(gateway.client.post(MESSAGES, ask("anthropic", &own)?).await?)?;
    let body = heard(MESSAGES, &answer)?;
    for name in ["temperature", "stop_sequences", "output_config"] {
        ensure!(body[name] == own[name], "{name}: {body}");
    }
    Ok(())
}

#[tokio::test]
async fn a_prompt_reaches_a_target_of_the_other_dialect() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&[], &objects()).await?;
    let answer = worked(
        gateway
            .client
            .post(MESSAGES, ask("openai", &json!({ "system": "Own." }))?)
            .await?,
    )?;
    let body = heard(MESSAGES, &answer)?;
    let expected = json!([
        { "role": "system", "content": "Greet \"Ada\"},{." },
        { "role": "developer", "content": "Be kind." },
        { "role": "system", "content": "Own." },
        { "role": "user", "content": "Hello" },
        { "role": "assistant", "content": "Good day" },
        { "role": "user", "content": "Hi" },
    ]);
    ensure!(body["messages"] == expected, "{body}");
    ensure!(
        body["temperature"] == 0.25 && body["seed"] == 5 && body["stop"] == json!(["END"]),
        "{body}"
    );
    ensure!(
        body["response_format"]["json_schema"]["schema"]["type"] == "object",
        "{body}"
    );

    let chat = gateway.client.post(CHAT, ask("anthropic", &json!({}))?).await?;
    let body = heard(CHAT, &worked(chat)?)?;
    ensure!(body["system"][0]["text"] == "Greet \"Ada\"},{.", "{body}");
    ensure!(body["messages"].as_array().map(Vec::len) == Some(3), "{body}");
    ensure!(
        body["temperature"] == 0.25 && body["stop_sequences"] == json!(["END"]),
        "{body}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_the_variables_is_told_in_the_clients_shape() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&[], &objects()).await?;
    for vendor in super::VENDORS {
        for (more, named) in [
            (json!({ "variables": {} }), "variables.name"),
            (json!({ "variables": { "name": "x", "other": 1 } }), "variables.other"),
            (json!({ "variables": 1 }), "variables"),
        ] {
            let answer = gateway.client.post(MESSAGES, ask(vendor, &more)?).await?;
            messages::ensure_error(&answer, 400, "invalid_request_error")?;
            ensure!(answer.text().contains(named), "{}", answer.text());
        }
    }
    // The prompt's own name and revision, as OpenAI's shape has it.
    let named = json!({ "variables": null, "prompt": { "id": "greeting", "variables": { "name": "x" } }, "metadata": { "template_id": "greeting", "user_id": "u" } });
    let answer = worked(gateway.client.post(MESSAGES, ask("anthropic", &named)?).await?)?;
    let body = heard(MESSAGES, &answer)?;
    ensure!(
        body["metadata"] == json!({ "user_id": "u" }) && body.get("prompt").is_none(),
        "{body}"
    );
    let Said { text, .. } = said(MESSAGES, &answer)?;
    ensure!(text.contains("Greet x."), "{text}");
    Ok(())
}
