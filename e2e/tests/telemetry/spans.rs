//! Spans, as a real collector gets them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::manifest::{self, target};
use e2e::process::free_address;
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::{Value, json};

use super::collector::{Collector, Span};
use super::metrics::sample;
use super::{KEY, PROMPT, ask};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A stage with a Route whose first target fails and whose second answers, and a gateway that sends spans.
async fn traced(arguments: &[&str]) -> anyhow::Result<(Stage, Gateway)> {
    let stage = Stage::new().await?;
    let objects = [
        manifest::provider("sim", json!({"vendor": "Simulated"})),
        manifest::key("app", json!({"key": KEY})),
        manifest::route(
            "failover",
            json!({"targets": [target("bad", "sim", "sim-503", 1), target("good", "sim", "sim-fast-echo", 0)]}),
        ),
        manifest::route("limited", json!({"targets": [target("only", "sim", "sim-400", 1)]})),
    ];
    stage.write("all.yaml", &manifest::file(&objects))?;
    let gateway = stage.gateway(arguments).await?;
    Ok((stage, gateway))
}

fn in_trace(gateway: &Gateway, trace_id: &str, flags: &str) -> anyhow::Result<e2e::client::Client> {
    let client = gateway.client.with_key(KEY)?;
    client.with_header("traceparent", &format!("00-{trace_id}-{CALLER}-{flags}"))
}

/// The spans of a request: its own, then its attempts by when they began.
fn by_time(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.kind(), span.text("startTimeUnixNano").to_owned()));
    spans
}

/// The `traceparent` that the simulator was called with for this model.
async fn traceparent_at(stage: &Stage, model: &str) -> anyhow::Result<String> {
    let told = stage.simulator.client.get_json("/_simulator/requests?last=10").await?;
    let journal = told["requests"].as_array().context("no requests")?;
    let newest = journal
        .iter()
        .filter(|entry| entry["model"] == model)
        .max_by_key(|entry| entry["number"].as_u64());
    let headers: &Value = &newest.context("the simulator was not called")?["headers"];
    Ok(headers["traceparent"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_collector_gets_a_span_a_request_and_one_an_attempt_in_the_clients_trace() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let (stage, gateway) = traced(&["--otlp-endpoint", &collector.endpoint(), "--otlp-service-name", "shop"]).await?;
    let answer = in_trace(&gateway, TRACE, "01")?.chat(&ask("failover", true)).await?;
    ensure!(answer.status == 200, "{}", answer.status);

    let spans = by_time(collector.trace(TRACE).await?);
    let [request, .., bad, good] = &spans[..] else {
        anyhow::bail!("not three spans or more: {spans:#?}")
    };
    let attempts = (spans.len() - 1).to_string();
    ensure!(
        request.text("parentSpanId") == CALLER && request.text("service") == "shop",
        "{request:#?}"
    );
    for (field, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "failover"),
        ("gen_ai.request.stream", "true"),
        ("http.response.status_code", "200"),
        ("route_switch.route", "default/failover"),
        ("route_switch.key", "default/app"),
        ("route_switch.attempts", &*attempts),
        ("route_switch.outcome", "ok"),
    ] {
        ensure!(request.attribute(field) == value, "{field} of {request:#?}");
    }
    ensure!(
        !request.is_error() && request.text("name") == "chat default/failover",
        "{request:#?}"
    );
    let id = answer.id();
    ensure!(
        request.attribute("route_switch.generation_id") == id,
        "{id} and {request:#?}"
    );

    for (span, model, status) in [(bad, "sim-503", "503"), (good, "sim-fast-echo", "200")] {
        ensure!(span.text("parentSpanId") == request.text("spanId"), "{span:#?}");
        ensure!(span.attribute("gen_ai.request.model") == model, "{span:#?}");
        ensure!(span.attribute("http.response.status_code") == status, "{span:#?}");
        ensure!(span.attribute("gen_ai.provider.name") == "simulated", "{span:#?}");
        let expected = format!("00-{TRACE}-{}-01", span.text("spanId"));
        let got = traceparent_at(&stage, model).await?;
        ensure!(got == expected, "the provider got {got}, not {expected}");
    }
    ensure!(
        bad.is_error() && bad.attribute("error.type") == "upstream_error",
        "{bad:#?}"
    );
    ensure!(!good.is_error() && good.attribute("error.type").is_empty(), "{good:#?}");
    let usage = gateway.client.with_key(KEY)?.generation(id).await?;
    ensure!(
        good.attribute("gen_ai.usage.output_tokens").parse::<u64>().ok() == usage["tokens_completion"].as_u64(),
        "{usage} and {good:#?}"
    );
    ensure!(
        good.attribute("gen_ai.response.time_to_first_chunk").parse::<f64>()? > 0.0,
        "{good:#?}"
    );

    for secret in [PROMPT, KEY] {
        ensure!(!collector.text().contains(secret), "the collector was told {secret}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_client_did_wrong_is_no_error_of_the_server() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let (_stage, gateway) = traced(&["--otlp-endpoint", &collector.endpoint()]).await?;
    let answer = in_trace(&gateway, TRACE, "01")?.chat(&ask("limited", false)).await?;
    ensure!(answer.status == 400, "{}", answer.status);
    let spans = by_time(collector.trace(TRACE).await?);
    ensure!(spans.len() == 2, "{spans:#?}");
    ensure!(
        !spans[0].is_error() && spans[0].attribute("error.type") == "client_error",
        "{:#?}",
        spans[0]
    );
    ensure!(spans[1].is_error(), "{:#?}", spans[1]);
    Ok(())
}

#[tokio::test]
async fn the_clients_decision_to_sample_is_kept_and_the_ratio_decides_for_the_others() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let (stage, gateway) = traced(&["--otlp-endpoint", &collector.endpoint(), "--otlp-sample-ratio", "0"]).await?;
    let unsampled = "1af7651916cd43dd8448eb211c80319c";
    in_trace(&gateway, unsampled, "00")?
        .chat(&ask("failover", false))
        .await?;
    let told = traceparent_at(&stage, "sim-fast-echo").await?;
    ensure!(
        told.starts_with(&format!("00-{unsampled}-")) && told.ends_with("-00"),
        "{told}"
    );
    gateway.client.with_key(KEY)?.chat(&ask("failover", false)).await?;
    // The last one is sampled; when it has come, the others would have come as well.
    in_trace(&gateway, TRACE, "01")?.chat(&ask("failover", false)).await?;
    let sampled = collector.trace(TRACE).await?;
    let text = collector.text();
    ensure!(text.matches("\"traceId\"").count() == sampled.len(), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let (_stage, mut gateway) = traced(&["--otlp-endpoint", &collector.endpoint()]).await?;
    in_trace(&gateway, TRACE, "01")?.chat(&ask("failover", false)).await?;
    gateway.stop().await?;
    let spans = by_time(collector.trace(TRACE).await?);
    ensure!(spans[0].text("name") == "chat default/failover", "{spans:#?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_requests_nothing_and_is_counted() -> anyhow::Result<()> {
    // Nobody listens there, or somebody who never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    for endpoint in [free_address()?, silent.local_addr()?] {
        let (_stage, mut gateway) = traced(&["--otlp-endpoint", &format!("http://{endpoint}")]).await?;
        let client = gateway.client.with_key(KEY)?;
        for _ in 0..20 {
            ensure!(client.chat(&ask("failover", false)).await?.status == 200);
        }
        until("lost spans to be counted", async || {
            let lost = sample(&gateway.admin, "route_switch_spans_total{outcome=\"failed\"}").await?;
            Ok((lost > 0.0).then_some(()))
        })
        .await?;
        let told = |output: &str| output.contains("failed to send spans to the collector").then_some(());
        gateway.program.says("a word about it", 0, told).await?;
        // The end does not wait for it, either.
        tokio::time::timeout(Duration::from_secs(25), gateway.stop()).await??;
    }
    Ok(())
}

#[tokio::test]
async fn without_a_collector_there_are_no_spans_and_no_trace_headers() -> anyhow::Result<()> {
    let (stage, gateway) = traced(&[]).await?;
    in_trace(&gateway, TRACE, "01")?.chat(&ask("failover", false)).await?;
    ensure!(traceparent_at(&stage, "sim-fast-echo").await?.is_empty());
    let metrics = gateway.admin.get("/metrics").await?.text();
    ensure!(!metrics.contains("route_switch_spans"), "{metrics}");
    Ok(())
}
