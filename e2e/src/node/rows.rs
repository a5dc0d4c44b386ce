//! The requests that the fleet remembers, page by page, each page from whichever gateway the Service leads to.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::ADMIN_KEY;
use crate::client::Client;
use crate::wait::until;

const PAGE: usize = 500;

/// The ids of all requests. None may be told twice, and exactly these ordinals must be named as missing.
pub async fn ids(service: SocketAddr, missing: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let client = Client::fresh(service)?.with_key(ADMIN_KEY)?;
    let (mut ids, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = client
            .get_json(&format!("/v1/generations?limit={PAGE}{cursor}"))
            .await?;
        ensure!(page["pods"]["missing"] == json!(missing), "{:#}", page["pods"]);
        for row in page["data"].as_array().context("no data")? {
            let id = row["id"].as_str().context("a row without an id")?;
            ensure!(ids.insert(id.to_owned()), "{id} is there twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}

/// The ids of all requests, once every gateway answers for them: who is ready is a moment later known to its siblings.
pub async fn all(service: SocketAddr) -> anyhow::Result<BTreeSet<String>> {
    let mut why = String::new();
    let waited = until("the fleet to answer for all its gateways", async || {
        match ids(service, &[]).await {
            Ok(ids) => Ok(Some(ids)),
            Err(error) => {
                why = format!("{error:#}");
                Ok(None)
            }
        }
    });
    let waited = waited.await;
    waited.with_context(|| format!("it said {why}"))
}

/// Waits until requests that were answered are remembered; fails with one that is not.
pub async fn remembered(service: SocketAddr, answered: &[String]) -> anyhow::Result<()> {
    let mut lacking = String::new();
    let waited = until("the fleet to remember every request", async || {
        let ids = all(service).await?;
        let lost = answered.iter().find(|id| !ids.contains(*id));
        lacking = lost.cloned().unwrap_or_default();
        Ok(lacking.is_empty().then_some(()))
    });
    let waited = waited.await;
    waited.with_context(|| format!("for instance {lacking}"))
}

/// A request that ends soon.
pub fn short() -> Value {
    json!({ "model": "fast", "max_tokens": 8, "messages": [{ "role": "user", "content": "Tell me about rivers." }] })
}
