//! The table: what a client saw of each fault, checked, and written to a file for people.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, ensure};
use e2e::manifest::{file, provider};
use e2e::stage::{Gateway, Stage};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::ask;
use crate::cases::{Case, DIALECTS, Dialect, FAULTS, SETTINGS, Setting, cases};
use crate::seen::Seen;

/// Cases that run at once: many of them wait for a timeout.
const AT_ONCE: usize = 32;

async fn stage(cases: &[Case]) -> anyhow::Result<(Stage, Gateway)> {
    let stage = Stage::new().await?;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut objects = vec![provider("healthy", json!({ "vendor": "Simulated" }))];
    for dialect in DIALECTS {
        let name = |manner: &str| format!("{manner}-{}", format!("{dialect:?}").to_lowercase());
        let simulated = json!({ "vendor": "Simulated", "dialect": dialect_name(dialect) });
        let with = |timeouts: Value| {
            let mut spec = simulated.clone();
            spec["timeouts"] = timeouts;
            spec
        };
        objects.push(provider(
            &name("failing"),
            with(json!({ "firstToken": "60s", "idle": "60s" })),
        ));
        objects.push(provider(
            &name("silent"),
            with(json!({ "firstToken": "4s", "idle": "4s" })),
        ));
        let root = if dialect == Dialect::OpenAI { "/v1" } else { "" };
        let gone = json!({
            "vendor": "OpenAICompatible", "dialect": dialect_name(dialect), "baseUrl": format!("http://{gone}{root}"),
            "allowInsecure": true,
        });
        objects.push(provider(&name("gone"), gone));
    }
    objects.extend(cases.iter().map(Case::object));
    stage.write("faults.yaml", &file(&objects))?;
    let gateway = stage.gateway(&[]).await?;
    Ok((stage, gateway))
}

fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAI => "OpenAI",
        Dialect::Anthropic => "Anthropic",
    }
}

#[tokio::test]
async fn every_fault_ends_in_an_answer_or_a_typed_error() -> anyhow::Result<()> {
    let cases = cases();
    let (stage, gateway) = stage(&cases).await?;
    let asked = stream::iter(&cases).map(|case| look(&gateway, case));
    let seen: Vec<anyhow::Result<Seen>> = asked.buffered(AT_ONCE).collect().await;
    let told = stage.simulator.client.get_json("/_simulator/stats").await?;
    let mut wrong: Vec<String> = cases
        .iter()
        .zip(&seen)
        .filter_map(|(case, seen)| Some(format!("{:#}: {case:?}", seen.as_ref().err()?)))
        .collect();
    for case in cases.iter().filter(|case| case.is_heard()) {
        let by_status = told["models"][case.model()].as_object().cloned().unwrap_or_default();
        let tries: u64 = by_status.values().filter_map(Value::as_u64).sum();
        if tries != case.tries() {
            wrong.push(format!("{tries} tries, not {}: {case:?}", case.tries()));
        }
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.md");
    fs::write(&path, written(&cases, &seen)?)?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn look(gateway: &Gateway, case: &Case) -> anyhow::Result<Seen> {
    let body = ask(&case.route(), case.streamed).to_string();
    let answer = gateway.client.post(case.client.path(), body).await?;
    let seen = case.client.seen(&answer)?;
    let target = answer.header("x-route-switch-target");
    let attempts = answer.header("x-route-switch-attempts");
    if case.is_saved() {
        let expected = (case.tries() + 1).to_string();
        ensure!(
            seen == Seen::Answer && target == "second" && attempts == expected,
            "{seen} of {target} in {attempts} attempts"
        );
    } else if case.is_committed() {
        ensure!(
            matches!(seen, Seen::ErrorInStream(_, true)) && target == "first" && attempts == "1",
            "{seen} of {target} in {attempts} attempts"
        );
    } else {
        ensure!(
            matches!(seen, Seen::Error(400..=599, _)) && attempts == case.tries().to_string(),
            "{seen} of {target} in {attempts} attempts"
        );
    }
    Ok(seen)
}

/// One line for each fault, setting and way of answering; a column for each pair of provider and client.
fn written(cases: &[Case], seen: &[anyhow::Result<Seen>]) -> anyhow::Result<String> {
    let mut rows: BTreeMap<(usize, usize, bool), Vec<String>> = BTreeMap::new();
    let place = |case: &Case| {
        let fault = FAULTS.iter().position(|fault| fault.name == case.fault.name);
        let setting = SETTINGS.iter().position(|setting| *setting == case.setting);
        Some((fault?, setting?, case.streamed))
    };
    for (case, seen) in cases.iter().zip(seen) {
        let place = place(case).context("a case of the table")?;
        let seen = seen
            .as_ref()
            .map_or_else(|error| format!("WRONG: {error:#}"), ToString::to_string);
        rows.entry(place).or_default().push(seen);
    }
    let mut text = String::from(
        "| fault | when | Route | answer | tries | openai for openai | openai for anthropic | anthropic for openai | anthropic for anthropic |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for ((fault, setting, streamed), columns) in rows {
        let (fault, setting) = (FAULTS[fault], SETTINGS[setting]);
        let case = cases
            .iter()
            .find(|case| case.fault.name == fault.name && case.setting == setting && case.streamed == streamed)
            .context("a case of the table")?;
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            fault.name,
            if fault.is_midway { "midway" } else { "before" },
            match setting {
                Setting::Backed => "two targets",
                Setting::BackedOnTimeout => "two targets, on Timeout",
                Setting::Alone => "one target",
            },
            if streamed { "streamed" } else { "whole" },
            case.tries(),
            columns.join(" | ")
        )?;
    }
    Ok(text)
}
