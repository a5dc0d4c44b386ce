//! Several keys of one provider: one that is refused makes way for another.

use anyhow::ensure;
use e2e::manifest::{credential, file, provider, route, target};
use e2e::stage::Stage;
use serde_json::json;

use crate::ask;

const RIGHT: &str = "sk-right-0c7b2f";

#[tokio::test]
async fn a_key_that_is_refused_is_left_alone_and_the_others_serve() -> anyhow::Result<()> {
    let stage = Stage::with_simulator(&["--api-key", RIGHT]).await?;
    let reference = |name: &str| json!({ "secretRef": { "name": name, "key": "key" } });
    let auth = json!({ "keys": [reference("wrong"), reference("right")] });
    stage.write(
        "objects.yaml",
        &file(&[
            credential("wrong", "sk-wrong-5d1e90"),
            credential("right", RIGHT),
            provider("keyed", json!({ "vendor": "Simulated", "auth": auth })),
            route("fine", json!({ "targets": [target("only", "keyed", "sim-fast", 1)] })),
        ]),
    )?;
    let gateway = stage.gateway(&[]).await?;
    let mut attempts = Vec::new();
    for number in 0..20 {
        let answer = gateway.client.chat(&ask("fine", number % 2 == 0)).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        attempts.push(answer.header("x-route-switch-attempts").to_owned());
    }
    // Whichever came first, the wrong one was tried once.
    let twice = attempts.iter().filter(|attempts| *attempts == "2").count();
    ensure!(twice == 1, "{attempts:?}");
    let status = gateway.client.get_json("/status").await?;
    let target = &status["combinations"][0];
    ensure!(target["cooling_keys"][0]["key"] == "wrong/key", "{target}");
    ensure!(target["cooling_keys"][0]["seconds"].as_f64() > Some(200.0), "{target}");
    ensure!(
        target["breaker"]["state"] == "closed" && target["in_flight"] == 0,
        "{target}"
    );
    ensure!(
        !status.to_string().contains("sk-"),
        "a credential is in the status: {status}"
    );
    let metrics = gateway.admin.get("/metrics").await?.text();
    let line = "route_switch_key_cooldowns_total{cause=\"refused\",provider=\"default/keyed\"} 1";
    ensure!(metrics.contains(line), "{metrics}");
    Ok(())
}
