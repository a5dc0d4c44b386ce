//! What Prometheus can tell of prompts, and of what models cost.

use anyhow::{Context as _, ensure};
use e2e::manifest::{self, target};
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::{Value, json};

use super::ask;
use super::metrics::sample;

/// A Route that renders a prompt on a model with a price, and one on a model without.
fn objects(text: &str) -> [Value; 4] {
    let priced = json!({
        "vendor": "Simulated",
        "models": [{"name": "sim-fast-echo", "inputMicroUsdPerMTok": 150_000, "outputMicroUsdPerMTok": 600_000}],
    });
    let messages = json!([{"role": "system", "content": text}]);
    let prompted = json!({
        "promptRef": {"name": "greeting"},
        "targets": [target("only", "sim", "sim-fast-echo", 1)],
    });
    [
        manifest::provider("sim", priced),
        manifest::prompt("greeting", json!({"messages": messages})),
        manifest::route("prompted", prompted),
        manifest::route("unpriced", json!({"targets": [target("only", "sim", "sim-fast", 1)]})),
    ]
}

#[tokio::test]
async fn requests_tokens_and_cost_are_counted_by_revision_and_what_has_no_price_by_model() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.write("objects.yaml", &manifest::file(&objects("Greet in one sentence.")))?;
    let gateway = stage.gateway(&[]).await?;
    let mut revisions = Vec::new();
    for (edit, requests) in [("Greet in one sentence.", 3), ("Greet in verse.", 2)] {
        stage.write("objects.yaml", &manifest::file(&objects(edit)))?;
        let revision = until("the edit to be served", async || {
            let answer = gateway.client.chat(&ask("prompted", false)).await?;
            let revision = answer.header("x-route-switch-prompt-revision").to_owned();
            Ok(answer.text().contains(edit).then_some(revision))
        })
        .await?;
        for _ in 0..requests {
            ensure!(gateway.client.chat(&ask("prompted", true)).await?.status == 200);
        }
        revisions.push((revision, f64::from(requests)));
    }
    for _ in 0..4 {
        ensure!(gateway.client.chat(&ask("unpriced", false)).await?.status == 200);
    }

    let mut cost_pico_usd = 0.0;
    for (revision, requests) in &revisions {
        let labels = format!("prompt=\"default/greeting\",revision=\"{revision}\"");
        let of = async |name: &str, more: &str| sample(&gateway.admin, &format!("{name}{{{more}{labels}}}")).await;
        let counted = of("route_switch_prompt_requests_total", "outcome=\"ok\",").await?;
        ensure!(counted > *requests, "{revision}: {counted}");
        let timed = of("route_switch_prompt_request_duration_seconds_count", "").await?;
        ensure!((timed - counted).abs() < 0.5, "{revision}: {timed}, not {counted}");
        for kind in ["input", "output"] {
            let kind = format!("gen_ai_token_type=\"{kind}\",");
            ensure!(
                of("route_switch_prompt_tokens_total", &kind).await? > 0.0,
                "{revision}: {kind}"
            );
        }
        cost_pico_usd += of("route_switch_prompt_cost_pico_usd_total", "").await?;
    }
    let [first, second] = &revisions[..] else {
        anyhow::bail!("{revisions:?}")
    };
    ensure!(first.0 != second.0, "{revisions:?}");

    // All that has a price went through the prompt: the three ways to count it agree.
    for by in [
        "route_switch_cost_pico_usd_total{route=\"default/prompted\"}",
        "route_switch_model_cost_pico_usd_total{gen_ai_request_model=\"sim-fast-echo\",provider=\"default/sim\"}",
    ] {
        let counted = sample(&gateway.admin, by).await?;
        ensure!(
            counted > 0.0 && (counted - cost_pico_usd).abs() < 0.5,
            "{by}: {counted}, not {cost_pico_usd}"
        );
    }
    for by in [
        "route_switch_unpriced_requests_total{route=\"default/unpriced\"}",
        "route_switch_model_unpriced_calls_total{gen_ai_request_model=\"sim-fast\",provider=\"default/sim\"}",
    ] {
        let counted = sample(&gateway.admin, by).await?;
        ensure!((counted - 4.0).abs() < 0.5, "{by}: {counted}");
    }
    Ok(())
}

#[tokio::test]
async fn readiness_and_the_size_of_the_stores_are_told() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.write("objects.yaml", &manifest::file(&objects("Greet.")))?;
    let gateway = stage.gateway(&["--data-max-bytes", "1GB"]).await?;
    let text = async || anyhow::Ok(gateway.admin.get("/metrics").await?.text());
    ensure!(text().await?.contains("\nroute_switch_ready 1\n"));
    ensure!(text().await?.contains("\nroute_switch_store_max_bytes 1000000000\n"));
    until("both stores to have a size", async || {
        let text = text().await?;
        let size = |store: &str| {
            let line = format!("route_switch_store_bytes{{store=\"{store}\"}} ");
            let found = text.lines().find_map(|found| found.strip_prefix(&line));
            found.map(str::parse::<f64>).transpose()
        };
        let sizes = [
            size("examples")?.context("examples")?,
            size("analytics")?.context("analytics")?,
        ];
        Ok(sizes.iter().all(|size| *size > 4096.0).then_some(()))
    })
    .await
}
