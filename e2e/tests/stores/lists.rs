//! `GET /generations`: filters, pages that nothing shifts, and who sees what.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use e2e::client::Client;
use e2e::manifest::key;
use e2e::stage::Stage;
use serde_json::{Value, json};

use crate::{ask, capturing};

fn ids(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().into_iter().flatten();
    rows.filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
}

/// All pages, with something done between two of them.
async fn all(
    client: &Client,
    query: &str,
    mut between: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Value>> {
    let mut pages = vec![client.get_json(&format!("/v1/generations?{query}")).await?];
    while let Some(cursor) = pages.last().and_then(|page| page["next_cursor"].as_str()) {
        let path = format!("/v1/generations?{query}&cursor={cursor}");
        between().await?;
        pages.push(client.get_json(&path).await?);
    }
    Ok(pages)
}

#[tokio::test]
async fn pages_hold_each_request_once_while_more_come_and_filters_leave_what_fits() -> anyhow::Result<()> {
    let routes = [
        capturing("fine", "sim-words-2", &json!({})),
        capturing("limited", "sim-429", &json!({})),
    ];
    let (_stage, gateway) = Stage::playing(&routes).await?;
    let mut sent = Vec::new();
    for number in 0..60 {
        let model = if number % 3 == 0 { "limited" } else { "fine" };
        sent.push(gateway.client.chat(&ask(model, "x")).await?.id().to_owned());
    }
    let pages = all(&gateway.client, "limit=7", async || {
        gateway.client.chat(&ask("fine", "meanwhile")).await.map(drop)
    })
    .await?;
    let listed: Vec<String> = pages.iter().flat_map(ids).collect();
    sent.reverse();
    ensure!(listed == sent, "{listed:?}, sent {sent:?}");
    let first = &pages[0]["data"][0];
    ensure!(
        first["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1),
        "{first}"
    );

    for (query, count) in [
        ("route=limited", 20),
        ("outcome=rate_limited", 20),
        ("status=429&model=sim-429", 20),
        ("provider=sim&outcome=ok", 40 + pages.len() - 1),
        ("route=nowhere", 0),
        ("prompt=none", 0),
        ("until=1h", 0),
    ] {
        let found: BTreeSet<String> = all(&gateway.client, &format!("{query}&limit=11"), async || Ok(()))
            .await?
            .iter()
            .flat_map(ids)
            .collect();
        ensure!(found.len() == count, "{query}: {}", found.len());
    }
    let refused = gateway.client.get("/v1/generations?colour=red").await?;
    ensure!(
        refused.status == 400 && refused.error()?["param"] == "colour",
        "{}",
        refused.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_user_sees_its_own_and_a_viewer_its_namespaces() -> anyhow::Result<()> {
    let mut shared = capturing("shared", "sim-words-2", &json!({}));
    shared["spec"]["allowedNamespaces"] = json!(["*"]);
    let objects = [
        shared,
        key("user", json!({ "key": "rs-user-key" })),
        key("viewer", json!({ "key": "rs-viewer-key", "role": "Viewer" })),
        key("team/user", json!({ "key": "rs-team-key", "routes": "*" })),
        key("team/viewer", json!({ "key": "rs-team-viewer-key", "role": "Viewer" })),
    ];
    let (_stage, gateway) = Stage::playing(&objects).await?;
    let client = |key: &str| gateway.client.with_key(key);
    for (key, model, count) in [("rs-user-key", "shared", 3), ("rs-team-key", "default/shared", 2)] {
        for _ in 0..count {
            crate::worked(client(key)?.chat(&ask(model, "x")).await?)?;
        }
    }
    for (key, count) in [
        ("rs-user-key", 3),
        ("rs-team-key", 2),
        ("rs-viewer-key", 5),
        ("rs-team-viewer-key", 2),
    ] {
        let page = client(key)?.get_json("/v1/generations").await?;
        ensure!(ids(&page).len() == count, "{key}: {page}");
    }
    let foreign = client("rs-team-key")?.get_json("/v1/generations").await?;
    let key = foreign["data"][0]["key"].as_str().context("no key")?;
    ensure!(key == "team/user", "{key}");
    Ok(())
}
