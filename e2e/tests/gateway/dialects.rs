//! Clients of either dialect in front of providers of either: what they get, and what is kept of it.

mod messages;
mod prompts;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, CHAT};
use e2e::manifest::{credential, file, provider, route, target};
use e2e::stage::{Gateway, Stage};
use e2e::stores;
use serde_json::{Value, json};

use crate::worked;
use messages::{MESSAGES, Said};

const CLIENTS: [&str; 2] = [CHAT, MESSAGES];
const VENDORS: [&str; 2] = ["openai", "anthropic"];

/// Two simulated vendors, one for each dialect, and a Route to each of these models at each.
async fn stage(models: &[&str], more: &[Value]) -> anyhow::Result<(Stage, Gateway)> {
    let stage = Stage::new().await?;
    let mut objects = vec![
        provider("openai", json!({ "vendor": "Simulated" })),
        provider("anthropic", json!({ "vendor": "Simulated", "dialect": "Anthropic" })),
    ];
    for vendor in VENDORS {
        for model in models {
            let only = json!({ "targets": [target("only", vendor, model, 1)], "capture": { "content": true } });
            objects.push(route(&format!("{vendor}-{model}"), only));
        }
    }
    objects.extend_from_slice(more);
    stage.write("all.yaml", &file(&objects))?;
    let gateway = stage.gateway(&[]).await?;
    Ok((stage, gateway))
}

/// A body that both dialects take but for the tools, which each writes in its own way.
fn ask(path: &str, model: &str, stream: bool) -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let tool = match path {
        MESSAGES => json!({ "name": "weather", "input_schema": schema }),
        _ => json!({ "type": "function", "function": { "name": "weather", "parameters": schema } }),
    };
    json!({
        "model": model, "max_tokens": 500, "stream": stream, "tools": [tool],
        "messages": [{ "role": "user", "content": "Tell me of \u{1F600} and rivers." }],
    })
}

fn said(path: &str, answer: &Answer) -> anyhow::Result<Said> {
    if path == MESSAGES {
        return Said::of_messages(answer);
    }
    Said::of_chat(answer)
}

#[tokio::test]
async fn every_client_reaches_every_vendor_and_what_is_kept_is_what_it_saw() -> anyhow::Result<()> {
    let models = ["sim-fast", "sim-tools-2"];
    let (stage, mut gateway) = stage(&models, &[]).await?;
    let mut seen = BTreeMap::new();
    for path in CLIENTS {
        for vendor in VENDORS {
            for model in models {
                for stream in [false, true] {
                    let name = format!("{path} to {vendor} {model}, streamed: {stream}");
                    let body = ask(path, &format!("{vendor}-{model}"), stream).to_string();
                    let answer = worked(gateway.client.post(path, body.clone()).await?).context(name.clone())?;
                    let said = said(path, &answer).with_context(|| format!("{name}: {}", answer.text()))?;
                    ensure!(said.id == answer.id(), "{name}: {}", answer.text());
                    ensure!(said.model == model, "{name}: {}", answer.text());
                    ensure!(said.tokens.0 > 0 && said.tokens.1 > 0, "{name}: {said:?}");
                    ensure!(
                        said.calls.len() == if model == "sim-tools-2" { 2 } else { 0 },
                        "{name}: {said:?}"
                    );
                    let generation = gateway.client.generation(&said.id).await?;
                    ensure!(generation["tokens_prompt"] == said.tokens.0, "{name}: {generation}");
                    ensure!(generation["tokens_completion"] == said.tokens.1, "{name}: {generation}");
                    seen.insert(said.id.clone(), (name, body, said));
                }
            }
        }
    }
    gateway.stop().await?;
    let examples = stores::examples(&stage.data())?;
    ensure!(examples.len() == seen.len(), "{} of {}", examples.len(), seen.len());
    for (id, (name, body, said)) in seen {
        let example = &examples[&id];
        ensure!(example.outcome == "ok" && example.is_complete, "{name}: {example:?}");
        ensure!(example.request == body.as_bytes(), "{name}: {example:?}");
        ensure!(
            example.output.as_deref().unwrap_or_default() == said.text,
            "{name}: {example:?} {said:?}"
        );
        let kept: Value = serde_json::from_str(example.tool_calls.as_deref().unwrap_or("[]"))?;
        let kept: Vec<_> = kept
            .as_array()
            .context("an array")?
            .iter()
            .map(messages::call_of)
            .collect();
        ensure!(kept == said.calls, "{name}: {kept:?} {said:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_fails_is_replaced_by_one_of_the_other_dialect() -> anyhow::Result<()> {
    let to = |first: &str, second: &str| json!({ "targets": [target("first", first, "sim-503", 1), target("second", second, "sim-fast", 0)] });
    let routes = [
        route("openai-first", to("openai", "anthropic")),
        route("anthropic-first", to("anthropic", "openai")),
    ];
    let (_stage, gateway) = stage(&[], &routes).await?;
    for path in CLIENTS {
        for name in ["openai-first", "anthropic-first"] {
            for stream in [false, true] {
                let answer = gateway.client.post(path, ask(path, name, stream).to_string()).await?;
                let answer = worked(answer).with_context(|| format!("{path} {name} {stream}"))?;
                ensure!(
                    answer.header("x-route-switch-target") == "second",
                    "{:?}",
                    answer.headers
                );
                ensure!(answer.header("x-route-switch-attempts") == "2", "{:?}", answer.headers);
                ensure!(!said(path, &answer)?.text.is_empty(), "{}", answer.text());
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_a_target_has_no_words_for_goes_to_the_next_or_is_refused_by_name() -> anyhow::Result<()> {
    let both =
        json!({ "targets": [target("first", "anthropic", "sim-fast", 1), target("second", "openai", "sim-fast", 0)] });
    let (_stage, gateway) = stage(&["sim-fast"], &[route("both", both)]).await?;
    let mut body = ask(CHAT, "both", false);
    body["n"] = json!(2);
    let answer = worked(gateway.client.chat(&body).await?)?;
    ensure!(
        answer.header("x-route-switch-target") == "second",
        "{:?}",
        answer.headers
    );
    ensure!(
        answer.json()?["choices"].as_array().map(Vec::len) == Some(2),
        "{}",
        answer.text()
    );

    body["model"] = json!("anthropic-sim-fast");
    let answer = gateway.client.chat(&body).await?;
    let error = answer.error()?;
    ensure!(answer.status == 400 && error["param"] == "n", "{}", answer.text());
    ensure!(error["code"] == "unsupported_parameter", "{error}");

    let mut body = ask(MESSAGES, "openai-sim-fast", false);
    body["top_k"] = json!(3);
    let answer = gateway.client.post(MESSAGES, body.to_string()).await?;
    messages::ensure_error(&answer, 400, "invalid_request_error")?;
    ensure!(answer.text().contains("`top_k`"), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn errors_have_the_shape_of_the_clients_dialect() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&["sim-429", "sim-503", "sim-500", "sim-cut-3"], &[]).await?;
    for path in [MESSAGES, "/api/v1/messages"] {
        let post = async |body: &Value| gateway.client.post(path, body.to_string()).await;
        messages::ensure_error(&post(&ask(MESSAGES, "nobody", false)).await?, 404, "not_found_error")?;
        messages::ensure_error(
            &post(&json!({ "model": "m", "messages": [1] })).await?,
            400,
            "invalid_request_error",
        )?;
        messages::ensure_error(&gateway.client.get(path).await?, 405, "invalid_request_error")?;
        for vendor in VENDORS {
            for stream in [false, true] {
                for (model, status, kind) in [
                    ("sim-429", 429, "rate_limit_error"),
                    ("sim-503", 529, "overloaded_error"),
                    ("sim-500", 502, "api_error"),
                ] {
                    let answer = post(&ask(MESSAGES, &format!("{vendor}-{model}"), stream)).await?;
                    messages::ensure_error(&answer, status, kind)?;
                    ensure!(answer.json()?["request_id"] == answer.id(), "{}", answer.text());
                    ensure!(answer.header("request-id") == answer.id(), "{:?}", answer.headers);
                }
            }
            let cut = post(&ask(MESSAGES, &format!("{vendor}-sim-cut-3"), true)).await?;
            ensure!(cut.status == 200 && cut.broken.is_none(), "{}", cut.text());
            let last = messages::events(&cut)?.pop().context("an event")?;
            ensure!(
                last["type"] == "error" && last["error"]["type"] == "api_error",
                "{last}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn tokens_are_counted_by_a_target_that_can_and_estimated_else() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&["sim-fast"], &[]).await?;
    let count = async |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "one two three" }] });
        let path = format!("{MESSAGES}/count_tokens");
        worked(gateway.client.post(&path, body.to_string()).await?)?.json()
    };
    let counted = count("anthropic-sim-fast").await?;
    ensure!(
        counted["input_tokens"].as_u64() > Some(0) && counted.get("estimated").is_none(),
        "{counted}"
    );
    let estimated = count("openai-sim-fast").await?;
    ensure!(
        estimated["input_tokens"].as_u64() > Some(0) && estimated["estimated"] == true,
        "{estimated}"
    );
    Ok(())
}

#[tokio::test]
async fn a_credential_goes_where_the_dialect_has_it() -> anyhow::Result<()> {
    const RIGHT: &str = "sk-ant-right-51c0";
    let stage = Stage::with_simulator(&["--api-key", RIGHT]).await?;
    let with = |name: &str| {
        let keys = json!([{ "secretRef": { "name": name, "key": "key" } }]);
        json!({ "vendor": "Simulated", "dialect": "Anthropic", "auth": { "keys": keys } })
    };
    let to = |provider: &str| json!({ "targets": [target("only", provider, "sim-fast", 1)] });
    stage.write(
        "all.yaml",
        &file(&[
            credential("right", RIGHT),
            credential("wrong", "sk-ant-wrong"),
            provider("right", with("right")),
            provider("wrong", with("wrong")),
            route("right", to("right")),
            route("wrong", to("wrong")),
        ]),
    )?;
    let gateway = stage.gateway(&[]).await?;
    for path in CLIENTS {
        worked(gateway.client.post(path, ask(path, "right", false).to_string()).await?)?;
        let refused = gateway.client.post(path, ask(path, "wrong", false).to_string()).await?;
        ensure!(refused.status == 502, "{}", refused.text());
        ensure!(!refused.text().contains("sk-ant"), "{}", refused.text());
    }
    Ok(())
}

#[tokio::test]
async fn models_are_listed_in_the_shape_that_the_client_reads() -> anyhow::Result<()> {
    let (_stage, gateway) = stage(&["sim-fast"], &[]).await?;
    let client = gateway.client.with_header("anthropic-version", "2026-10-21")?;
    let list = client.get_json("/v1/models").await?;
    ensure!(
        list["has_more"] == false && list["first_id"] == "anthropic-sim-fast",
        "{list}"
    );
    ensure!(
        list["data"][0]["type"] == "model" && list["data"][0]["display_name"] == "anthropic-sim-fast",
        "{list}"
    );
    let one = client.get_json("/v1/models/openai-sim-fast").await?;
    ensure!(one["type"] == "model" && one["created_at"].is_string(), "{one}");
    messages::ensure_error(&client.get("/v1/models/nobody").await?, 404, "not_found_error")?;
    ensure!(
        gateway.client.get_json("/v1/models").await?["object"] == "list",
        "OpenAI's shape"
    );
    Ok(())
}
