//! Objects that a pod does not serve as they were pushed.

use anyhow::ensure;
use e2e::manifest;
use serde_json::{Value, json};

use super::{
    pod::Pod,
    pushes::{CLIENT_KEY, key, objects, order, prompt, push},
};
use crate::ask;

const LIMIT: [&str; 2] = ["--max-prompt-bytes", "1000"];

/// A Route with a prompt of this text, beside one without.
fn prompted(text: &str) -> Vec<Value> {
    let spec = json!({
        "targets": [manifest::target("only", "sim", "sim-fast", 1)],
        "promptRef": { "name": "words" },
    });
    objects("plain", &[prompt("words", text), manifest::route("prompted", spec)])
}

/// The text of the prompt as the pod has it.
async fn words(pod: &Pod) -> anyhow::Result<String> {
    let client = pod.client()?.with_key(CLIENT_KEY)?;
    let rendered = client.post("/v1/prompts/words/render", "{}").await?;
    Ok(rendered.text())
}

#[tokio::test]
async fn a_prompt_beyond_the_limit_keeps_its_last_good_text_also_over_a_kill() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let mut pod = Pod::start(fleet.path(), "gateway-0", &LIMIT).await?;
    pod.push(&push(&prompted("Speak plainly."), order(1, 1), &key(1)))
        .await?;
    pod.becomes_ready().await?;
    let long = "Speak at length. ".repeat(100);
    let second = push(&prompted(&long), order(1, 2), &key(1));
    let report = pod.push(&second).await?;
    ensure!(
        report.revision.as_ref() == Some(&second.snapshot.revision),
        "{report:?}"
    );
    let refused: Vec<&str> = report.refused.keys().map(String::as_str).collect();
    let revision = format!(
        "PromptRevision default/{}",
        second.snapshot.revisions.keys().next().expect("one").name
    );
    ensure!(
        refused == [&*revision, "PromptTemplate default/words", "Route default/prompted"],
        "{refused:?}"
    );
    for words in report.refused.values() {
        ensure!(
            words.contains("1700 bytes") && words.contains("--max-prompt-bytes"),
            "{words}"
        );
    }
    ensure!(words(&pod).await?.contains("Speak plainly."), "{}", words(&pod).await?);

    pod.keeps(order(1, 2)).await?;
    pod.kill()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &LIMIT).await?;
    pod.becomes_ready().await?;
    ensure!(
        pod.report(&key(1)).await?.refused == report.refused,
        "another refusal after the kill"
    );
    ensure!(words(&pod).await?.contains("Speak plainly."), "{}", words(&pod).await?);
    let client = pod.client()?.with_key(CLIENT_KEY)?;
    for route in ["plain", "prompted"] {
        let answer = client.chat(&ask(route)).await?;
        ensure!(
            answer.status == 502 && answer.text().contains("loopback"),
            "{route}: {}",
            answer.text()
        );
    }
    let status = client.get_json("/status").await?;
    ensure!(
        status["fleet"]["refused"] == 3 && status["faults"][0]["reason"] == "Refused",
        "{status}"
    );

    let report = pod.push(&push(&prompted("Speak well."), order(1, 3), &key(1))).await?;
    ensure!(report.refused.is_empty(), "{report:?}");
    ensure!(words(&pod).await?.contains("Speak well."), "{}", words(&pod).await?);
    Ok(())
}

#[tokio::test]
async fn what_never_was_good_is_not_served_and_costs_nothing_else() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &LIMIT).await?;
    let report = pod
        .push(&push(&prompted(&"long ".repeat(500)), order(1, 1), &key(1)))
        .await?;
    ensure!(report.refused.len() == 3, "{report:?}");
    pod.becomes_ready().await?;
    let client = pod.client()?.with_key(CLIENT_KEY)?;
    let answer = client.chat(&ask("prompted")).await?;
    ensure!(answer.status == 503, "{}", answer.text());
    let answer = client.chat(&ask("plain")).await?;
    ensure!(
        answer.status == 502 && answer.text().contains("loopback"),
        "{}",
        answer.text()
    );
    Ok(())
}
