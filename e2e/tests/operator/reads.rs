//! One answer for the fleet: any gateway tells of the requests of all, and names those that it could not ask.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::fleet::{CLIENT_KEY, Fleet};
use e2e::manifest::{key, prompt, route, target};
use e2e::program::route_switch;
use e2e::wait::until;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Suite, tell};

mod sums;

const NAMESPACE: &str = "reads";
const USER_KEY: &str = "rs-reads-user-5f0d";
/// Rounds of one request to each Route at each gateway.
const ROUNDS: usize = 12;
/// Route, model, and what a client is answered.
const ROUTES: [(&str, &str, u16); 4] = [
    ("words", "sim-words-20", 200),
    ("echo", "sim-echo", 200),
    ("limited", "sim-429", 429),
    ("prompted", "sim-fast", 200),
];
/// What clients call somebody.
const ANN: &str = "ann";
const ALL: [&str; 3] = ["0", "1", "2"];

/// A request as the load generator knows it.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    pod: usize,
    route: &'static str,
    status: u16,
    of_ann: bool,
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let mut fleet = suite.fleet(NAMESPACE, 8, 1, 3).await?;
    fleet.objects.apply_all(&objects()).await?;
    fleet.all_ready(&["Provider", "Route"]).await?;
    for pod in &fleet.pods {
        until(&format!("{} to know its siblings", pod.name), async || {
            let answer = pod.client.get_json("/v1/system/analytics").await?;
            Ok((answer["pods"]["answered"] == json!(ALL)).then_some(()))
        })
        .await?;
    }
    let sent = send(&fleet).await?;
    figures(&fleet, &sent).await?;
    one_by_one(&fleet, &sent).await?;
    confined(&fleet, &sent).await?;
    let told: Value = serde_json::from_str(&command(&fleet, &["--json"]).await?)?;
    ensure!(told["total_requests"] == sent.len(), "{told:#}");
    missing(&mut fleet, &sent).await?;
    back(&mut fleet, &sent).await?;
    forgotten(&fleet, &sent).await
}

fn objects() -> Vec<Value> {
    let full = |name: &str| format!("{NAMESPACE}/{name}");
    let content = json!({ "messages": [{ "role": "system", "content": "Be brief." }] });
    let mut objects = vec![
        key(&full("user"), json!({ "key": USER_KEY })),
        prompt(&full("guide"), content),
    ];
    for (name, model, _) in ROUTES {
        let mut spec = json!({ "targets": [target("only", "sim", model, 1)], "retry": { "attempts": 1 } });
        if name == "prompted" {
            spec["promptRef"] = json!({ "name": "guide" });
        }
        objects.push(route(&full(name), spec));
    }
    objects
}

async fn send(fleet: &Fleet) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        for (route, _, status) in ROUTES {
            for (number, pod) in fleet.pods.iter().enumerate() {
                // The last gateway gets less than the others, and one of them nothing of this user.
                if number == 2 && round % 3 == 0 {
                    continue;
                }
                let of_ann = number > 0 && round % 2 == 0;
                let mut body = json!({
                    "model": route, "stream": round % 2 == 1,
                    "messages": [{ "role": "user", "content": "Tell me of rivers. ".repeat(round + 1) }],
                });
                if of_ann {
                    body["user"] = json!(ANN);
                }
                let client = match round % 4 {
                    3 => pod.client.with_key(USER_KEY)?,
                    _ => pod.client.clone(),
                };
                let answer = client.chat(&body).await?;
                ensure!(answer.status == status, "{route}: {} {}", answer.status, answer.text());
                let id = answer.id().to_owned();
                ensure!(id.starts_with(&format!("gen-{number}-")), "{id} of {}", pod.name);
                sent.push(Sent {
                    id,
                    pod: number,
                    route,
                    status,
                    of_ann,
                });
            }
        }
    }
    Ok(sent)
}

/// Every gateway gives the same figures, and they are those of all rows.
async fn figures(fleet: &Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    let rows = all_rows(fleet, 500).await?;
    let until = Timestamp::now();
    let path = format!("/v1/system/analytics?group_by=route&scope=fleet&since=2026-01-01T00:00:00Z&until={until}");
    let first = fleet.pods[0].client.get_json(&path).await?;
    for pod in &fleet.pods {
        let answer = pod.client.get_json(&path).await?;
        ensure!(answer == first, "{} says {answer:#}, another {first:#}", pod.name);
    }
    ensure!(
        first["scope"] == "fleet" && first["pods"] == json!({ "answered": ALL, "missing": [] }),
        "{first:#}"
    );
    ensure!(
        first["total_requests"] == sent.len() && first["total_prompts"] == 1,
        "{first:#}, sent {}",
        sent.len()
    );
    let groups = first["rows"].as_array().context("no rows")?;
    ensure!(groups.len() == ROUTES.len(), "{first:#}");
    for group in groups {
        sums::check(group, &rows).with_context(|| format!("{group:#}"))?;
    }
    let mut parts = 0;
    for (number, pod) in fleet.pods.iter().enumerate() {
        let answer = pod.client.get_json("/v1/system/analytics?scope=pod").await?;
        let pods = json!({ "answered": [number.to_string()], "missing": [] });
        ensure!(answer["pods"] == pods && answer["scope"] == "pod", "{answer:#}");
        parts += answer["total_requests"].as_u64().unwrap_or_default();
    }
    ensure!(parts == sent.len() as u64, "{parts} requests in all pods");
    let stats = fleet.pods[1].client.get_json("/v1/prompts/guide/stats").await?;
    let prompted = sent.iter().filter(|sent| sent.route == "prompted").count();
    ensure!(
        stats["total_requests"] == prompted && stats["by_revision"][0]["requests"] == prompted,
        "{stats:#}"
    );
    ensure!(stats["pods"]["answered"] == json!(ALL), "{stats:#}");
    let refused = fleet.pods[0].client.get("/v1/system/analytics?scope=world").await?;
    ensure!(
        refused.status == 400 && refused.error()?["param"] == "scope",
        "{}",
        refused.text()
    );
    Ok(())
}

/// All pages, each from another gateway.
async fn all_rows(fleet: &Fleet, limit: usize) -> anyhow::Result<Vec<Value>> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    for pod in fleet.pods.iter().cycle() {
        let path = format!("/v1/generations?limit={limit}{cursor}");
        let mut page = pod.client.get_json(&path).await?;
        ensure!(page["pods"]["missing"] == json!([]), "{:#}", page["pods"]);
        rows.append(page["data"].as_array_mut().context("no data")?);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(rows)
}

fn ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().filter_map(|row| row["id"].as_str()).collect()
}

/// Lists and single requests, whichever gateway is asked.
async fn one_by_one(fleet: &Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    let rows = all_rows(fleet, 7).await?;
    let expected: BTreeSet<&str> = sent.iter().map(|sent| &*sent.id).collect();
    ensure!(
        rows.len() == sent.len() && ids(&rows) == expected,
        "{} rows, sent {}",
        rows.len(),
        sent.len()
    );
    let times = rows.iter().filter_map(|row| row["created_at"].as_str());
    let times: Vec<Timestamp> = times.map(str::parse).collect::<Result<_, _>>()?;
    ensure!(
        times.is_sorted_by(|newer, older| newer >= older),
        "the newest is not first"
    );
    for sent in sent.iter().step_by(5) {
        for pod in &fleet.pods {
            let found = pod.client.generation(&sent.id).await?;
            ensure!(found["id"] == *sent.id && found["status"] == sent.status, "{found:#}");
        }
    }
    let ulid = "01ARYZ6S41TSV4RRFFQ69G5FAV";
    for unknown in [
        format!("gen-0-{ulid}"),
        format!("gen-2-{ulid}"),
        format!("gen-900-{ulid}"),
        "x".to_owned(),
    ] {
        let answer = fleet.pods[0]
            .client
            .get(&format!("/v1/generation?id={unknown}"))
            .await?;
        ensure!(answer.status == 404, "{unknown}: {} {}", answer.status, answer.text());
    }
    Ok(())
}

/// A User sees its own requests of all pods and no others, and nobody sees any without the fleet key.
async fn confined(fleet: &Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    let rows = all_rows(fleet, 500).await?;
    let owner = format!("{NAMESPACE}/user");
    let (own, others): (Vec<Value>, Vec<Value>) = rows.into_iter().partition(|row| row["key"] == *owner);
    ensure!(!own.is_empty() && !others.is_empty(), "{} own rows", own.len());
    let others = ids(&others);
    for pod in &fleet.pods {
        let client = pod.client.with_key(USER_KEY)?;
        let page = client.get_json("/v1/generations?limit=500").await?;
        let seen = page["data"].as_array().context("no data")?;
        ensure!(ids(seen) == ids(&own), "{} shows {} rows", pod.name, seen.len());
        for number in 0..fleet.pods.len() {
            let foreign = sent
                .iter()
                .find(|sent| sent.pod == number && others.contains(&*sent.id));
            let foreign = &foreign.context("each gateway has some")?.id;
            let answer = client.get(&format!("/v1/generation?id={foreign}")).await?;
            ensure!(answer.status == 404, "{}", answer.text());
        }
        let answer = client.get("/v1/system/analytics").await?;
        ensure!(answer.status == 403, "{}", answer.text());
        let unsigned = Client::new(pod.admin)?.post("/fleet/generations", "{}").await?;
        ensure!(unsigned.status == 401, "{}", unsigned.text());
    }
    Ok(())
}

/// What the command line tells, which asks as any client does.
async fn command(fleet: &Fleet, more: &[&str]) -> anyhow::Result<String> {
    let url = format!("http://{}", fleet.pods[0].traffic);
    let fixed = ["stats", "--url", &url, "--key", CLIENT_KEY, "--scope", "fleet"];
    let arguments: Vec<String> = fixed.iter().chain(more).map(|&text| text.to_owned()).collect();
    let program = route_switch()?;
    let output = tokio::task::spawn_blocking(move || Command::new(program).args(arguments).output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// One gateway is killed: its ordinal is missing, at the others and at one that starts meanwhile.
async fn missing(fleet: &mut Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    let without = json!({ "answered": ALL[..2], "missing": ["2"] });
    let left = sent.iter().filter(|sent| sent.pod != 2).count();
    fleet.pods[2].kill()?;
    let client = fleet.pods[0].client.clone();
    let began = tokio::time::Instant::now();
    let answer = client.get_json("/v1/system/analytics").await?;
    ensure!(
        answer["pods"] == without && answer["total_requests"] == left,
        "{answer:#}, left {left}"
    );
    tell(&format!(
        "for the reader: analytics without gateway-2 after {:.0?}",
        began.elapsed()
    ));
    let page = client.get_json("/v1/generations?limit=500").await?;
    ensure!(page["pods"] == without, "{:#}", page["pods"]);
    ensure!(
        page["data"].as_array().map(Vec::len) == Some(left),
        "{left} requests are left"
    );
    let there = sent.iter().find(|sent| sent.pod == 2).context("it had some")?;
    let answer = client.get(&format!("/v1/generation?id={}", there.id)).await?;
    ensure!(
        answer.status == 503 && answer.text().contains("pod 2"),
        "{} {}",
        answer.status,
        answer.text()
    );
    let told = command(fleet, &[]).await?;
    let last = told.lines().last().unwrap_or_default();
    ensure!(last.ends_with("did not answer: pods 2"), "{told}");
    tell(&format!("for the reader: route-switch stats --scope fleet\n{told}"));
    fleet.pods[1].stop().await?;
    fleet.pods[1].run()?;
    until("gateway-1 to answer again", async || {
        let Ok(answer) = fleet.pods[1].client.get_json("/v1/system/analytics").await else {
            return Ok(None);
        };
        Ok((answer["pods"] == without && answer["total_requests"] == left).then_some(()))
    })
    .await
}

/// It is back: all rows are there, none twice.
async fn back(fleet: &mut Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    fleet.pods[2].run()?;
    for pod in &fleet.pods {
        until(&format!("{} to count all again", pod.name), async || {
            let Ok(answer) = pod.client.get_json("/v1/system/analytics").await else {
                return Ok(None);
            };
            let requests = answer["total_requests"].as_u64().context("no count")?;
            ensure!(requests <= sent.len() as u64, "{answer:#}");
            Ok((requests == sent.len() as u64 && answer["pods"]["missing"] == json!([])).then_some(()))
        })
        .await?;
    }
    one_by_one(fleet, sent).await
}

/// What one gateway is told to delete, all delete; the figures stay.
async fn forgotten(fleet: &Fleet, sent: &[Sent]) -> anyhow::Result<()> {
    let of_ann = sent.iter().filter(|sent| sent.of_ann).count();
    let answer = fleet.pods[0]
        .client
        .delete(&format!("/v1/generations?user={ANN}"))
        .await?;
    ensure!(answer.status == 200, "{}", answer.text());
    let answer = answer.json()?;
    ensure!(answer["data"]["requests"] == of_ann, "{answer:#}, sent {of_ann}");
    ensure!(
        answer["pods"] == json!({ "answered": ALL, "missing": [] }),
        "{answer:#}"
    );
    let rows = all_rows(fleet, 500).await?;
    ensure!(
        rows.len() == sent.len() - of_ann && rows.iter().all(|row| row["external_user"] != ANN),
        "{} rows are left",
        rows.len()
    );
    let figures = fleet.pods[2].client.get_json("/v1/system/analytics").await?;
    ensure!(figures["total_requests"] == sent.len(), "{figures:#}");
    Ok(())
}
