//! Metrics, as a real Prometheus reads them and promtool judges them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::manifest::{self, target};
use e2e::program::from_environment;
use e2e::stage::{Gateway, Stage};
use serde_json::json;

use super::ask;
use e2e::prometheus::Prometheus;

const PROMTOOL: &str = "ROUTE_SWITCH_PROMTOOL";

/// A gateway whose first Route answers, whose second fails over, and whose third is limited.
async fn busy() -> anyhow::Result<(Stage, Gateway)> {
    let priced = json!({
        "vendor": "Simulated",
        "models": [{"name": "sim-fast-echo", "inputMicroUsdPerMTok": 150_000, "outputMicroUsdPerMTok": 600_000}],
    });
    let stage = Stage::new().await?;
    let objects = [
        manifest::provider("sim", priced),
        manifest::route("fine", json!({"targets": [target("only", "sim", "sim-fast-echo", 1)]})),
        manifest::route(
            "failover",
            json!({"targets": [target("bad", "sim", "sim-503", 1), target("good", "sim", "sim-fast-echo", 0)]}),
        ),
        manifest::route("limited", json!({"targets": [target("only", "sim", "sim-429", 1)]})),
    ];
    stage.write("all.yaml", &manifest::file(&objects))?;
    let gateway = stage.gateway(&[]).await?;
    Ok((stage, gateway))
}

/// What clients counted themselves.
#[derive(Debug, Default)]
struct Seen {
    by_status: BTreeMap<u16, u64>,
    output_tokens: u64,
    pico_usd: f64,
}

async fn traffic(client: &Client) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    for number in 0..30 {
        let model = ["fine", "fine", "failover", "limited", "unknown"][number % 5];
        let answer = client.chat(&ask(model, number % 2 == 1)).await?;
        *seen.by_status.entry(answer.status).or_default() += 1;
        if answer.status == 200 {
            let usage = answer.usage()?;
            seen.output_tokens += usage["completion_tokens"].as_u64().context("no completion_tokens")?;
            seen.pico_usd += usage["cost"].as_f64().context("no cost")? * 1e12;
        }
    }
    Ok(seen)
}

/// The value of a sample; 0 while it is not there.
pub(crate) async fn sample(admin: &Client, name: &str) -> anyhow::Result<f64> {
    let text = admin.get("/metrics").await?.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.map(str::parse).transpose()?.unwrap_or_default())
}

#[tokio::test]
async fn a_prometheus_that_scrapes_the_gateway_agrees_with_its_clients() -> anyhow::Result<()> {
    let (_stage, gateway) = busy().await?;
    let prometheus = Prometheus::scraping(gateway.admin_address).await?;
    let seen = traffic(&gateway.client).await?;
    ensure!(
        seen.by_status == BTreeMap::from([(200, 18), (404, 6), (429, 6)]),
        "{seen:?}"
    );
    let is = |expected: f64| move |value: f64| (value - expected).abs() < 0.5;
    for (expression, expected) in [
        ("up{job=\"gateway\"}", 1.0),
        ("sum(route_switch_requests_total)", 30.0),
        ("sum(route_switch_requests_total{outcome=\"ok\"})", 18.0),
        (
            "route_switch_requests_total{outcome=\"rate_limited\",route=\"default/limited\"}",
            6.0,
        ),
        ("route_switch_requests_total{outcome=\"client_error\",route=\"\"}", 6.0),
        ("route_switch_attempts_total{outcome=\"ok\",target=\"good\"}", 6.0),
        ("sum(gen_ai_server_request_duration_seconds_count{route!=\"\"})", 24.0),
        (
            "sum(gen_ai_client_operation_duration_seconds_count) - sum(route_switch_attempts_total)",
            0.0,
        ),
        (
            "gen_ai_client_operation_duration_seconds_count{gen_ai_request_model=\"sim-fast-echo\",gen_ai_provider_name=\"simulated\",provider=\"default/sim\"}",
            18.0,
        ),
        (
            "sum(gen_ai_client_token_usage_count{gen_ai_token_type=\"output\"})",
            18.0,
        ),
        ("route_switch_overhead_seconds_count", 30.0),
        ("route_switch_requests_in_flight", 0.0),
        ("count(route_switch_config_info)", 1.0),
        ("route_switch_config_objects{kind=\"Route\"}", 3.0),
        ("sum(route_switch_store_up)", 2.0),
        ("route_switch_capture_dropped_records_total", 0.0),
    ] {
        prometheus.becomes(expression, is(expected)).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
    let output_tokens = seen.output_tokens as f64;
    for expression in [
        "sum(route_switch_tokens_total{gen_ai_token_type=\"output\"})",
        "sum(gen_ai_client_token_usage_sum{gen_ai_token_type=\"output\"})",
    ] {
        prometheus.becomes(expression, is(output_tokens)).await?;
    }
    ensure!(seen.pico_usd > 0.0, "{seen:?}");
    prometheus
        .becomes("sum(route_switch_cost_pico_usd_total)", is(seen.pico_usd.round()))
        .await?;
    for expression in [
        "route_switch_attempts_total{outcome=\"upstream_error\",target=\"bad\"}",
        "sum(gen_ai_client_operation_duration_seconds_count{error_type=\"rate_limited\"})",
        "histogram_quantile(0.5, sum by (le) (gen_ai_client_operation_duration_seconds_bucket))",
        "gen_ai_server_time_to_first_token_seconds_sum{route=\"default/fine\"}",
        "sum(gen_ai_client_operation_time_to_first_chunk_seconds_count)",
        "process_resident_memory_bytes",
        "process_open_fds",
        "route_switch_capture_queue_capacity_bytes",
        "route_switch_config_loaded_timestamp_seconds",
    ] {
        prometheus.becomes(expression, |value| value > 0.0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_metrics() -> anyhow::Result<()> {
    let (_stage, gateway) = busy().await?;
    traffic(&gateway.client).await?;
    let text = gateway.admin.get("/metrics").await?.text();
    let mut promtool = Command::new(from_environment(PROMTOOL)?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    promtool.stdin.take().context("no input")?.write_all(text.as_bytes())?;
    let said = promtool.wait_with_output()?;
    let words = [said.stdout, said.stderr].concat();
    ensure!(
        said.status.success() && words.is_empty(),
        "{}",
        String::from_utf8_lossy(&words)
    );
    Ok(())
}
