//! How many series there are: as many as the configuration in use asks for, and no more.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::manifest::{self, target};
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::{Value, json};

use super::ask;

fn routes(names: &[&str]) -> Vec<Value> {
    let route = |name: &&str| manifest::route(name, json!({"targets": [target("only", "sim", "sim-fast", 1)]}));
    names.iter().map(route).collect()
}

#[tokio::test]
async fn series_of_a_route_that_was_removed_are_gone_and_no_client_makes_new_ones() -> anyhow::Result<()> {
    let (stage, gateway) = Stage::playing(&routes(&["stays", "goes"])).await?;
    for model in ["stays", "goes"] {
        ensure!(gateway.client.chat(&ask(model, false)).await?.status == 200);
    }
    let metrics = async || anyhow::Ok(gateway.admin.get("/metrics").await?.text());
    ensure!(metrics().await?.contains("route=\"default/goes\""));

    stage.write("objects.yaml", &manifest::file(&routes(&["stays"])))?;
    until("the series of the Route to go", async || {
        Ok((!metrics().await?.contains("default/goes")).then_some(()))
    })
    .await?;
    ensure!(
        metrics()
            .await?
            .contains("route_switch_requests_total{outcome=\"ok\",route=\"default/stays\"} 1\n")
    );

    let names = |text: &str| -> BTreeSet<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
            .collect()
    };
    gateway.client.chat(&ask("unknown", false)).await?;
    let before = names(&metrics().await?);
    for number in 0..50 {
        let answer = gateway.client.chat(&ask(&format!("unknown-{number}"), false)).await?;
        ensure!(answer.status == 404);
    }
    let new: Vec<String> = names(&metrics().await?).difference(&before).cloned().collect();
    ensure!(new.is_empty(), "{new:?}");
    Ok(())
}
