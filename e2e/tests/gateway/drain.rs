//! Probes, metrics and the end of a gateway.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use e2e::client::CHAT;
use e2e::manifest::{file, provider, route, target};
use e2e::stage::Stage;
use e2e::stores;
use e2e::wait::until;
use serde_json::json;

use crate::{ask, ask_stream, worked};

#[tokio::test]
async fn a_gateway_that_drains_is_not_ready_and_ends_what_it_began() -> anyhow::Result<()> {
    let gated = route(
        "gated",
        json!({ "targets": [target("only", "sim", "sim-gate-2-chunks-4-words-4", 1)] }),
    );
    let (stage, mut gateway) = Stage::playing(&[gated]).await?;
    for path in ["/healthz", "/readyz"] {
        ensure!(gateway.admin.get(path).await?.status == 200, "{path}");
    }
    ensure!(gateway.client.get_json("/health").await?["status"] == "healthy");
    ensure!(gateway.client.get_json("/health/storage").await?["status"] == "ok");

    let mut stream = gateway.client.open(CHAT, ask_stream("gated").to_string()).await?;
    ensure!(stream.content().await?.is_some(), "no first chunk");
    gateway.program.terminate()?;
    until("the gateway to drain", async || {
        Ok((gateway.admin.get("/readyz").await?.status == 503).then_some(()))
    })
    .await?;
    ensure!(
        gateway.admin.get("/healthz").await?.status == 200,
        "a gateway that drains is alive"
    );
    until("new connections to be refused", async || {
        Ok(tokio::net::TcpStream::connect(gateway.traffic)
            .await
            .is_err()
            .then_some(()))
    })
    .await?;
    for _ in 0..4 {
        stage.simulator.release(2).await?;
    }
    let transcript = worked(stream.whole().await)?.transcript()?;
    ensure!(transcript.is_done && transcript.content_chunks() == 3, "{transcript:?}");
    let status = gateway.program.ended().await?;
    ensure!(status.success(), "the gateway ended with {status}");
    Ok(())
}

/// Regression: streams were broken off in the middle of a chunk, and requests without an answer got none.
#[tokio::test]
async fn what_is_under_way_when_the_grace_ends_is_told_so_and_recorded_as_cut() -> anyhow::Result<()> {
    let models = [
        ("gated", "sim-gate-2-chunks-4-words-4"),
        ("silent", "sim-hang"),
        ("late", "sim-hang-words-2"),
    ];
    let routes = models.map(|(name, model)| {
        let targets = [target("only", "sim", model, 1)];
        route(
            name,
            json!({ "targets": targets, "timeouts": { "commitAfter": "10ms" }, "capture": { "content": true } }),
        )
    });
    let stage = Stage::new().await?;
    stage.write("sim.yaml", &file(&[provider("sim", json!({ "vendor": "Simulated" }))]))?;
    stage.write("routes.yaml", &file(&routes))?;
    let mut gateway = stage.gateway(&["--grace", "200ms"]).await?;
    let mut stream = gateway.client.open(CHAT, ask_stream("gated").to_string()).await?;
    let late = gateway.client.open(CHAT, ask_stream("late").to_string()).await?;
    let first = stream.content().await?.context("no first chunk")?;
    let client = gateway.client.clone();
    let silent = tokio::spawn(async move { client.chat(&ask("silent")).await });
    until("the provider to be asked", async || {
        Ok((stage.simulator.requests_for("sim-hang").await? > 0).then_some(()))
    })
    .await?;
    gateway.stop().await?;

    let silent = silent.await??;
    ensure!(
        silent.status == 503 && silent.error()?["code"] == "gateway_stopping",
        "{}",
        silent.text()
    );
    ensure!(silent.header("connection") == "close", "{:?}", silent.headers);
    let mut expected = vec![(silent.id().to_owned(), None)];
    for (open, content) in [(stream, Some(first)), (late, None)] {
        let answer = worked(open.whole().await)?;
        let transcript = answer.transcript()?;
        ensure!(
            transcript.is_done && transcript.finish_reason() == Some("error"),
            "{}",
            answer.text()
        );
        ensure!(
            transcript
                .error()
                .is_some_and(|error| error["code"] == "gateway_stopping"),
            "{}",
            answer.text()
        );
        expected.push((answer.id().to_owned(), content));
    }
    let (examples, requests) = (stores::examples(&stage.data())?, stores::requests(&stage.data())?);
    ensure!(examples.len() == 3 && requests.len() == 3, "{examples:?}, {requests:?}");
    for (id, content) in expected {
        ensure!(
            requests[&id].outcome == "cut" && examples[&id].outcome == "cut",
            "{requests:?}"
        );
        ensure!(
            !examples[&id].is_complete && examples[&id].output == content,
            "{examples:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn metrics_parse_and_agree_with_what_clients_saw() -> anyhow::Result<()> {
    let routes = [("fine", "sim-words-4"), ("limited", "sim-429")];
    let routes = routes.map(|(name, model)| {
        let targets = [target("only", "sim", model, 1)];
        route(name, json!({ "targets": targets, "retry": { "attempts": 0 } }))
    });
    let (_stage, gateway) = Stage::playing(&routes).await?;
    let mut tokens = [0, 0];
    for number in 0..20 {
        let body = if number % 2 == 0 {
            ask("fine")
        } else {
            ask_stream("fine")
        };
        let usage = worked(gateway.client.chat(&body).await?)?.usage()?;
        tokens[0] += usage["prompt_tokens"].as_u64().context("no prompt_tokens")?;
        tokens[1] += usage["completion_tokens"].as_u64().context("no completion_tokens")?;
    }
    for _ in 0..3 {
        ensure!(gateway.client.chat(&ask("limited")).await?.status == 429);
        ensure!(gateway.client.chat(&ask("unknown")).await?.status == 404);
    }
    let answer = gateway.admin.get("/metrics").await?;
    ensure!(
        answer.header("content-type").starts_with("text/plain; version=0.0.4"),
        "{:?}",
        answer.headers
    );
    let series = parse(&answer.text())?;
    for (name, value) in [
        ("route_switch_requests_total{outcome=\"ok\",route=\"default/fine\"}", 20),
        (
            "route_switch_requests_total{outcome=\"rate_limited\",route=\"default/limited\"}",
            3,
        ),
        ("route_switch_requests_total{outcome=\"client_error\",route=\"\"}", 3),
        (
            "route_switch_attempts_total{outcome=\"ok\",route=\"default/fine\",target=\"only\"}",
            20,
        ),
        (
            "route_switch_attempts_total{outcome=\"rate_limited\",route=\"default/limited\",target=\"only\"}",
            3,
        ),
        (
            "route_switch_tokens_total{gen_ai_token_type=\"input\",route=\"default/fine\"}",
            tokens[0],
        ),
        (
            "route_switch_tokens_total{gen_ai_token_type=\"output\",route=\"default/fine\"}",
            tokens[1],
        ),
        (
            "gen_ai_server_request_duration_seconds_count{gen_ai_operation_name=\"chat\",route=\"default/fine\"}",
            20,
        ),
        (
            "gen_ai_server_time_to_first_token_seconds_count{gen_ai_operation_name=\"chat\",route=\"default/fine\"}",
            20,
        ),
        ("route_switch_overhead_seconds_count", 26),
        ("route_switch_capture_dropped_records_total", 0),
        ("route_switch_config_faults", 0),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
        let value = value as f64;
        ensure!(
            series.get(name) == Some(&value),
            "{name} is {:?}, not {value}, of {series:#?}",
            series.get(name)
        );
    }
    Ok(())
}

/// Prometheus's text format: each sample has a type that was told before it, and a number.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut types = BTreeMap::new();
    let mut series = BTreeMap::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').with_context(|| line.to_owned())?;
            ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            types.insert(name, kind);
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
            let family = name.split('{').next().unwrap_or_default();
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| family.strip_suffix(suffix))
                .unwrap_or(family);
            ensure!(
                types.contains_key(base) || types.contains_key(family),
                "no type of {line}"
            );
            ensure!(
                series.insert(name.to_owned(), value.parse()?).is_none(),
                "{name} stands twice"
            );
        }
    }
    Ok(series)
}
