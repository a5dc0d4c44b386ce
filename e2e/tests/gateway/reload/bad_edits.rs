//! Bad edits of every sort: each is reported with its place, and what was served before still is.

use anyhow::{Context as _, ensure};
use e2e::client::CHAT;
use e2e::manifest::file;
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::Value;

use super::{edit, halves};
use crate::{ask, worked};

/// A good file of a Provider and a Route, as people write it.
const GOOD: &str = "\
apiVersion: routeswitch.io/v1alpha1
kind: Provider
metadata:
  name: victim
spec:
  vendor: Simulated
  headers: {x-edit: '1'}
  models:
  - name: sim-echo
    inputMicroUsdPerMTok: 100
  timeouts:
    connect: 5s
---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: victim
spec:
  model: victim
  targets:
  - name: t-1
    providerRef: {name: victim}
    model: sim-echo
    weight: 1
  capture: {content: false}
";

/// What is replaced by what, and a word of the fault's field or message.
const BAD: &[(&str, &str, &str)] = &[
    ("vendor: Simulated", "vendor: simulated", "vendor"),
    ("vendor: Simulated", "vendor: 7", "vendor"),
    ("vendor: Simulated", "vendor:", "vendor"),
    ("vendor: Simulated", "vendors: Simulated", "vendor"),
    ("vendor: Simulated", "vendor: OpenAICompatible", "baseUrl"),
    (
        "vendor: Simulated",
        "vendor: OpenAI\n  baseUrl: http://api.example.com/v1",
        "https",
    ),
    (
        "vendor: Simulated",
        "vendor: OpenAI\n  baseUrl: https://169.254.169.254/v1",
        "link-local",
    ),
    ("vendor: Simulated", "vendor: OpenAI\n  baseUrl: nowhere", "baseUrl"),
    ("vendor: Simulated", "vendor: [Simulated]", "vendor"),
    (
        "vendor: Simulated",
        "vendor: Simulated\n  auth: {}",
        "exactly one of keys and none",
    ),
    (
        "vendor: Simulated",
        "vendor: Simulated\n  auth: {keys: []}",
        "auth.keys",
    ),
    (
        "vendor: Simulated",
        "vendor: Simulated\n  auth: {keys: [{secretRef: {name: x}}]}",
        "secretRef.key",
    ),
    ("vendor: Simulated", "vendor: Simulated\n  colour: red", "colour"),
    (
        "vendor: Simulated",
        "vendor: Simulated\n  allowInsecure: maybe",
        "allowInsecure",
    ),
    (
        "vendor: Simulated",
        "vendor: Simulated\n  allowedNamespaces: [Big]",
        "allowedNamespaces",
    ),
    ("vendor: Simulated", "vendor: Simulated\n  vendor: Simulated", "vendor"),
    ("headers: {x-edit: '1'}", "headers: {x-edit: 1}", "headers"),
    (
        "headers: {x-edit: '1'}",
        "headers: {Authorization: Bearer}",
        "Authorization",
    ),
    ("headers: {x-edit: '1'}", "headers: {x y: z}", "headers"),
    ("headers: {x-edit: '1'}", "headers: {X-a: z, x-A: z}", "headers"),
    ("headers: {x-edit: '1'}", "headers: [x-edit]", "headers"),
    ("headers: {x-edit: '1'}", "headers: {x-edit: '1'", "not valid YAML"),
    (
        "inputMicroUsdPerMTok: 100",
        "inputMicroUsdPerMTok: -1",
        "inputMicroUsdPerMTok",
    ),
    (
        "inputMicroUsdPerMTok: 100",
        "inputMicroUsdPerMTok: 0.5",
        "inputMicroUsdPerMTok",
    ),
    (
        "inputMicroUsdPerMTok: 100",
        "inputMicroUsdPerMTok: a lot",
        "inputMicroUsdPerMTok",
    ),
    ("inputMicroUsdPerMTok: 100", "contextTokens: 0", "contextTokens"),
    (
        "- name: sim-echo\n",
        "- name: sim-echo\n  - name: sim-echo\n",
        "duplicate",
    ),
    ("- name: sim-echo\n", "- title: sim-echo\n", "title"),
    ("connect: 5s", "connect: 5", "connect"),
    ("connect: 5s", "connect: five", "connect"),
    ("connect: 5s", "connects: 5s", "connects"),
    ("  model: victim\n", "", "model"),
    ("  model: victim\n", "  model: vic tim\n", "model"),
    ("  model: victim\n", "  model: victim\n  aliases: [victim]\n", "aliases"),
    ("  model: victim\n", "  model: victim\n  strategy: Random\n", "strategy"),
    ("  model: victim\n", "  model: victim\n  promptRef: x\n", "promptRef"),
    ("- name: t-1", "- name: T_1", "name"),
    ("- name: t-1", "- nam: t-1", "nam"),
    ("providerRef: {name: victim}", "providerRef: victim", "providerRef"),
    ("providerRef: {name: victim}", "providerRef: {}", "providerRef.name"),
    (
        "providerRef: {name: victim}",
        "providerRef: {name: victim, kind: Provider}",
        "kind",
    ),
    ("model: sim-echo", "model: sim echo", "model"),
    ("weight: 1", "weight: 0", "weight"),
    ("weight: 1", "weight: 1001", "weight"),
    ("weight: 1", "weight: heavy", "weight"),
    ("capture: {content: false}", "capture: {content: maybe}", "content"),
    ("capture: {content: false}", "capture: {contents: false}", "contents"),
    ("kind: Route", "kind: Rout", "kind"),
    (
        "apiVersion: routeswitch.io/v1alpha1\nkind: Route",
        "apiVersion: routeswitch.io/v1\nkind: Route",
        "apiVersion",
    ),
    (
        "metadata:\n  name: victim\nspec:\n  model",
        "metadata:\n  nam: victim\nspec:\n  model",
        "name",
    ),
];

#[tokio::test]
async fn fifty_bad_edits_are_reported_with_file_and_line_and_lose_nothing() -> anyhow::Result<()> {
    ensure!(BAD.len() == 50, "{} bad edits", BAD.len());
    let stage = Stage::new().await?;
    stage.write("victim.yaml", GOOD)?;
    let (provider, route) = edit(1);
    stage.write("bystander.yaml", &file(&[provider, route]))?;
    let gateway = stage.gateway(&[]).await?;
    for (number, (good, bad, word)) in BAD.iter().enumerate() {
        ensure!(GOOD.contains(good), "no {good} in the good file");
        stage.write("victim.yaml", &GOOD.replacen(good, bad, 1))?;
        check_fault(&gateway, word)
            .await
            .with_context(|| format!("bad edit {number}: {bad}"))?;
        stage.write("victim.yaml", GOOD)?;
        until("the faults to go", async || {
            Ok(faults(&gateway).await?.is_empty().then_some(()))
        })
        .await
        .with_context(|| format!("after bad edit {number}: {bad}"))?;
    }
    Ok(())
}

async fn faults(gateway: &Gateway) -> anyhow::Result<Vec<Value>> {
    let status = gateway.client.get_json("/status").await?;
    let faults = status["faults"].as_array().cloned().context("/status has no faults")?;
    ensure!(status["config"]["faults"] == faults.len(), "{status}");
    Ok(faults)
}

/// The fault is told, with its place, and all that was served before still is.
async fn check_fault(gateway: &Gateway, word: &str) -> anyhow::Result<()> {
    let faults = until("a fault", async || {
        Ok(Some(faults(gateway).await?).filter(|faults| !faults.is_empty()))
    })
    .await?;
    let told = faults
        .iter()
        .find(|fault| fault["field"].to_string().contains(word) || fault["message"].to_string().contains(word));
    let told = told.with_context(|| format!("no fault tells of {word}: {faults:?}"))?;
    ensure!(
        told["file"].as_str().is_some_and(|file| file.ends_with("victim.yaml")),
        "{told}"
    );
    let lines = GOOD.lines().count() as u64 + 2;
    ensure!(
        told["line"].as_u64().is_some_and(|line| (1..=lines).contains(&line)),
        "{told}"
    );
    ensure!(
        told["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{told}"
    );
    for model in ["victim", "edited"] {
        let answer = worked(gateway.client.post(CHAT, ask(model).to_string()).await?).context(model)?;
        ensure!(halves(&answer)? == (1, 1), "{model}: {:?}", answer.headers);
    }
    Ok(())
}
