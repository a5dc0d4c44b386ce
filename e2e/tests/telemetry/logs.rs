//! The log: a line a request for whoever asks for it, with the request's id and without what was said.

use anyhow::ensure;
use e2e::manifest::{self, target};
use e2e::stage::{Gateway, Stage};
use serde_json::{Value, json};

use super::{KEY, PROMPT, ask};

async fn stage() -> anyhow::Result<Stage> {
    let stage = Stage::new().await?;
    let objects = [
        manifest::provider("sim", json!({"vendor": "Simulated"})),
        manifest::key("app", json!({"key": KEY})),
        manifest::route(
            "failover",
            json!({"targets": [target("bad", "sim", "sim-503", 1), target("good", "sim", "sim-fast-echo", 0)]}),
        ),
    ];
    stage.write("all.yaml", &manifest::file(&objects))?;
    Ok(stage)
}

/// The lines of the log that name this request, after the gateway's end.
async fn lines_of(gateway: &mut Gateway, id: &str) -> anyhow::Result<Vec<Value>> {
    gateway.stop().await?;
    let output = gateway.program.output()?;
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter(|line| line["id"] == id).collect())
}

#[tokio::test]
async fn a_line_a_request_names_its_id_and_neither_content_nor_key() -> anyhow::Result<()> {
    let stage = stage().await?;
    let mut gateway = stage.gateway(&["--log", "info,access=debug"]).await?;
    let answer = gateway.client.with_key(KEY)?.chat(&ask("failover", false)).await?;
    ensure!(
        answer.status == 200 && answer.text().contains(PROMPT),
        "{}",
        answer.text()
    );
    let lines = lines_of(&mut gateway, answer.id()).await?;
    let [attempt, .., request] = &lines[..] else {
        anyhow::bail!("not two lines or more: {lines:#?}")
    };
    let expected = json!({"message": "attempt failed", "target": "bad", "status": 503, "outcome": "upstream_error"});
    for (field, value) in expected.as_object().into_iter().flatten() {
        ensure!(attempt[field] == *value, "{field} of {attempt:#}");
    }
    let expected = json!({
        "message": "request", "route": "default/failover", "key": "default/app", "target": "good", "status": 200,
        "outcome": "ok", "attempts": lines.len(), "streamed": false,
    });
    for (field, value) in expected.as_object().into_iter().flatten() {
        ensure!(request[field] == *value, "{field} of {request:#}");
    }
    let output = gateway.program.output()?;
    ensure!(!output.contains(PROMPT) && !output.contains(KEY), "{output}");
    Ok(())
}

#[tokio::test]
async fn requests_have_no_line_unless_asked_for() -> anyhow::Result<()> {
    let stage = stage().await?;
    let mut gateway = stage.gateway(&[]).await?;
    let answer = gateway.client.with_key(KEY)?.chat(&ask("failover", false)).await?;
    let lines = lines_of(&mut gateway, answer.id()).await?;
    ensure!(lines.is_empty(), "{lines:#?}");
    Ok(())
}
