//! The figures that the gateway tells equal the ledger that its client keeps: every request once, tokens and money exact.

mod books;
mod scenes;

use anyhow::{Context as _, ensure};
use e2e::client::{CHAT, Client, header_of};
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use books::{Books, DIMENSIONS, Entry};
use scenes::{SCENES, Scene};

const SEED: u64 = 9;
const REQUESTS: usize = 400;
const CONNECTIONS: usize = 8;
/// Of requests that their client leaves, one after the other, so that it is known what each had used.
const LEFT: usize = 6;

/// Whose key is used: none, or one of these.
const KEYS: [Option<(&str, &str)>; 3] = [
    None,
    Some(("default/one", "rs-key-one")),
    Some(("default/other", "rs-key-other")),
];

#[tokio::test]
async fn figures_by_every_group_equal_the_clients_ledger() -> anyhow::Result<()> {
    let (stage, gateway) = Stage::playing(&scenes::objects()).await?;
    let clients = KEYS.map(|key| match key {
        Some((_, key)) => gateway.client.with_key(key),
        None => Ok(gateway.client.clone()),
    });
    let [none, one, other] = clients;
    let clients = [none?, one?, other?];

    let mut random = SmallRng::seed_from_u64(SEED);
    let plans: Vec<(usize, usize, usize)> = (0..REQUESTS)
        .map(|_| {
            (
                random.random_range(0..SCENES.len()),
                random.random_range(0..3),
                random.random_range(1..400),
            )
        })
        .collect();
    let entries = stream::iter(plans).map(async |(scene, caller, length)| {
        let scene = &SCENES[scene];
        play(scene, &clients[caller], KEYS[caller].map(|(name, _)| name), length)
            .await
            .with_context(|| scene.model.to_owned())
    });
    let mut books = Books(entries.buffer_unordered(CONNECTIONS).try_collect().await?);
    for number in 0..LEFT {
        books
            .0
            .push(leave_in_the_middle(&stage, &clients[number % 3], KEYS[number % 3].map(|(name, _)| name)).await?);
        books
            .0
            .push(leave_before_the_head(&stage, &clients[number % 3], KEYS[number % 3].map(|(name, _)| name)).await?);
    }
    // Who is not let in is not counted.
    ensure!(
        gateway
            .client
            .with_key("rs-nobody")?
            .chat(&crate::ask("priced"))
            .await?
            .status
            == 401
    );
    compare(&gateway, &books).await
}

/// One request to its end, as the client sees it.
async fn play(scene: &Scene, client: &Client, key: Option<&str>, length: usize) -> anyhow::Result<Entry> {
    let body = scene.body(length);
    let answer = client.post(CHAT, body.clone()).await?;
    let entry = scene.entry(&answer, &body, key)?;
    if length.is_multiple_of(4) {
        let told = client.generation(answer.id()).await?;
        let told_dimensions =
            ["model", "provider_name", "route", "target", "key", "outcome"].map(|name| told[name].as_str());
        for (place, (name, told)) in DIMENSIONS.iter().zip(told_dimensions).enumerate() {
            let model_of_none = *name == "model" && entry.dimensions[place].is_none();
            ensure!(
                model_of_none || told == entry.dimensions[place].as_deref(),
                "{name}: {told:?}, the ledger has {entry:?}"
            );
        }
        let tokens = |name: &str| told[name].as_u64().unwrap_or(0);
        ensure!(
            (tokens("tokens_prompt"), tokens("tokens_completion")) == (entry.prompt_tokens, entry.completion_tokens),
            "{told}, {entry:?}"
        );
        ensure!(
            told["total_cost"].as_f64() == entry.cost_pico_usd.map(books::usd),
            "{told}, {entry:?}"
        );
        ensure!(told["status"] == answer.status, "{told}");
    }
    Ok(entry)
}

/// The gate lets three chunks through, then the client goes.
async fn leave_in_the_middle(stage: &Stage, client: &Client, key: Option<&str>) -> anyhow::Result<Entry> {
    let mut body = crate::ask_stream("gated");
    body["user"] = "leaves".into();
    let mut stream = client.open(CHAT, body.to_string()).await?;
    let mut text = String::new();
    for chunk in 0..3 {
        if chunk > 0 {
            stage.simulator.release(scenes::GATE).await?;
        }
        text += &stream.content().await?.context("the stream ended early")?;
    }
    ensure!(
        header_of(&stream.headers, "x-route-switch-target") == "only",
        "{:?}",
        stream.headers
    );
    drop(stream);
    has_left(stage).await?;
    Ok(Entry {
        dimensions: scenes::dimensions([
            Some(scenes::GATED),
            Some("default/sim"),
            Some("default/gated"),
            Some("only"),
            key,
            Some("cancelled"),
        ]),
        prompt_tokens: body["messages"].to_string().len().div_ceil(4) as u64,
        completion_tokens: text.len().div_ceil(4) as u64,
        cost_pico_usd: None,
    })
}

async fn leave_before_the_head(stage: &Stage, client: &Client, key: Option<&str>) -> anyhow::Result<Entry> {
    let before = stage.simulator.requests_for(scenes::SILENT).await?;
    let (client, body) = (client.clone(), crate::ask("silent").to_string());
    let waiting = tokio::spawn(async move { client.open(CHAT, body).await.map(|open| open.status) });
    until("the provider to be asked", async || {
        Ok((stage.simulator.requests_for(scenes::SILENT).await? > before).then_some(()))
    })
    .await?;
    waiting.abort();
    has_left(stage).await?;
    Ok(Entry {
        dimensions: scenes::dimensions([
            Some(scenes::SILENT),
            Some("default/sim"),
            Some("default/silent"),
            Some("only"),
            key,
            Some("cancelled"),
        ]),
        ..Entry::default()
    })
}

async fn has_left(stage: &Stage) -> anyhow::Result<()> {
    until("the provider to see the client leave", async || {
        Ok((stage.simulator.last_request().await?["outcome"] == "client_left").then_some(()))
    })
    .await
}

async fn compare(gateway: &Gateway, books: &Books) -> anyhow::Result<()> {
    let all = until("all requests in the figures", async || {
        let told = gateway.client.get_json("/v1/system/analytics").await?;
        ensure!(
            told["total_requests"].as_u64() <= Some(books.0.len() as u64),
            "more requests than were sent: {told}"
        );
        Ok((told["total_requests"] == books.0.len()).then_some(told))
    })
    .await?;
    books.compare(&[], &all["rows"]).context("in all")?;
    let rate = &all["rows"][0]["success_rate"];
    ensure!(
        all["success_rate"] == *rate && all["scope"] == "pod" && all["total_prompts"] == 0,
        "{all}"
    );
    for subset in 1..1_usize << DIMENSIONS.len() {
        // Every single one, every pair and all of them.
        if !matches!(subset.count_ones(), 1 | 2 | 6) {
            continue;
        }
        let names: Vec<&str> = DIMENSIONS
            .iter()
            .enumerate()
            .filter(|(bit, _)| subset & 1 << bit != 0)
            .map(|(_, name)| *name)
            .collect();
        let told = gateway
            .client
            .get_json(&format!("/v1/system/analytics?group_by={}", names.join(",")))
            .await?;
        books.compare(&names, &told["rows"]).with_context(|| names.join(","))?;
    }
    for granularity in ["minute", "hour", "day"] {
        let path = format!("/v1/system/analytics?group_by=outcome&granularity={granularity}&since=2h");
        check_buckets(books, granularity, &gateway.client.get_json(&path).await?).context(granularity)?;
    }
    let before = gateway
        .client
        .get_json("/v1/system/analytics?group_by=outcome&until=1h")
        .await?;
    ensure!(
        before["total_requests"] == 0 && before["success_rate"].is_null(),
        "{before}"
    );
    Ok(())
}

/// Buckets begin where their time does, and add up.
fn check_buckets(books: &Books, granularity: &str, told: &Value) -> anyhow::Result<()> {
    let rows = told["rows"].as_array().context("no rows")?;
    let zeros = match granularity {
        "minute" => ":00Z",
        "hour" => ":00:00Z",
        _ => "T00:00:00Z",
    };
    let mut sum = 0;
    for row in rows {
        ensure!(
            row["bucket"].as_str().is_some_and(|bucket| bucket.ends_with(zeros)),
            "{row}"
        );
        sum += row["requests"].as_u64().context("no requests")?;
    }
    ensure!(sum == books.0.len() as u64, "{sum} requests in {told}");
    Ok(())
}
