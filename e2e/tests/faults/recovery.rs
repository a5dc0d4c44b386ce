//! A target that fails is left alone, and comes back by itself.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, ensure};
use e2e::manifest::{file, provider, route, target};
use e2e::program::Program;
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::ask;

/// A Route between a provider at this address and one that is healthy.
fn objects(address: SocketAddr) -> Vec<Value> {
    let ill = json!({ "vendor": "OpenAICompatible", "baseUrl": format!("http://{address}/v1"), "allowInsecure": true });
    let targets = [
        target("ill", "ill", "sim-fast", 1),
        target("well", "sim", "sim-fast", 1),
    ];
    let with = |name: &str, open_for: &str| {
        let breaker = json!({ "consecutiveFailures": 3, "openFor": open_for });
        route(
            name,
            json!({ "targets": targets, "retry": { "attempts": 0 }, "circuitBreaker": breaker }),
        )
    };
    vec![
        provider("ill", ill),
        provider("sim", json!({ "vendor": "Simulated" })),
        with("patient", "1h"),
        with("curious", "300ms"),
    ]
}

/// How a target does, as `/status` tells.
async fn health(gateway: &Gateway, id: &str) -> anyhow::Result<Value> {
    let status = gateway.client.get_json("/status").await?;
    let combinations = status["combinations"].as_array().context("no combinations")?;
    let found = combinations.iter().find(|combination| combination["id"] == id);
    found.cloned().with_context(|| format!("no {id}: {status}"))
}

/// The target that answered, and in which attempt.
async fn answered(gateway: &Gateway, model: &str) -> anyhow::Result<(String, String)> {
    let answer = gateway.client.chat(&ask(model, false)).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    Ok((
        answer.header("x-route-switch-target").to_owned(),
        answer.header("x-route-switch-attempts").to_owned(),
    ))
}

/// Asks until the breaker of the ill target is in this state.
async fn ask_until(gateway: &Gateway, model: &str, state: &str) -> anyhow::Result<()> {
    let id = format!("default/{model}/ill");
    until(&format!("a breaker that is {state}"), async || {
        answered(gateway, model).await?;
        let health = health(gateway, &id).await?;
        Ok((health["breaker"]["state"] == state).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_target_that_fails_is_left_alone_and_comes_back_when_it_has_healed() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    stage.write("objects.yaml", &file(&objects(address)))?;
    let gateway = stage.gateway(&[]).await?;

    for model in ["patient", "curious"] {
        ask_until(&gateway, model, "open").await?;
    }
    for _ in 0..20 {
        let (target, attempts) = answered(&gateway, "patient").await?;
        ensure!(target == "well" && attempts == "1", "{target} in attempt {attempts}");
    }
    let open = health(&gateway, "default/patient/ill").await?;
    ensure!(open["breaker"]["open_for_seconds"].as_f64() > Some(1000.0), "{open}");
    // An edit of the Route does not make it forget.
    let mut edited = objects(address);
    edited[2]["spec"]["aliases"] = json!(["forbearing"]);
    stage.write("objects.yaml", &file(&edited))?;
    until("the edit", async || {
        Ok((gateway.client.chat(&ask("forbearing", false)).await?.status == 200).then_some(()))
    })
    .await?;
    let still = health(&gateway, "default/patient/ill").await?;
    ensure!(still["breaker"]["state"] == "open", "{still}");

    let arguments = ["simulate", "--listen", &address.to_string()].map(str::to_owned);
    let _healed = Program::start("healed", &arguments, &stage.path().join("healed.log"))?;
    ask_until(&gateway, "curious", "closed").await?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..100 {
        let (target, attempts) = answered(&gateway, "curious").await?;
        ensure!(attempts == "1", "{target} in attempt {attempts}");
        *counts.entry(target).or_default() += 1;
    }
    ensure!(counts["ill"].abs_diff(50) <= 2, "{counts:?}");

    let metrics = gateway.admin.get("/metrics").await?.text();
    for line in [
        "route_switch_breaker_state{route=\"default/patient\",target=\"ill\"} 2",
        "route_switch_breaker_state{route=\"default/curious\",target=\"ill\"} 0",
        "route_switch_breaker_openings_total{route=\"default/patient\",target=\"ill\"} 1",
        "route_switch_failovers_total{route=\"default/patient\",target=\"ill\"} 3",
    ] {
        ensure!(metrics.contains(line), "no {line} in {metrics}");
    }
    Ok(())
}
