//! Sessions stay at one target, by what the client says in the body or a header, or by its key.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::client::Client;
use e2e::manifest::{key, route, target};
use e2e::stage::Stage;
use serde_json::{Value, json};

use crate::ask;
use crate::seen::MESSAGES;

/// The targets that answered ten such requests.
async fn targets(client: &Client, body: &Value) -> anyhow::Result<BTreeSet<String>> {
    let mut targets = BTreeSet::new();
    for _ in 0..10 {
        let answer = client.chat(body).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        targets.insert(answer.header("x-route-switch-target").to_owned());
    }
    Ok(targets)
}

#[tokio::test]
async fn requests_of_one_session_go_to_one_target() -> anyhow::Result<()> {
    let both = [
        target("one", "sim", "sim-fast", 1),
        target("other", "sim", "sim-fast", 1),
    ];
    let with =
        |name: &str, affinity: &str| route(name, json!({ "targets": both, "session": { "affinity": affinity } }));
    let (stage, gateway) = Stage::playing(&[with("session", "Session"), with("key", "Key")]).await?;
    let mut seen = BTreeSet::new();
    for number in 0..16 {
        let session = format!("session-{number}");
        let mut in_body = ask("session", false);
        in_body["session_id"] = json!(session);
        let own = targets(&gateway.client, &in_body).await?;
        let sent = stage.simulator.last_request().await?;
        ensure!(!sent["body"].to_string().contains("session_id"), "{sent}");
        // By header, by user and in the other dialect it is the same session.
        let by_header = gateway.client.with_header("x-session-id", &session)?;
        ensure!(targets(&by_header, &ask("session", false)).await? == own);
        let mut by_user = ask("session", true);
        by_user["user"] = json!(session);
        ensure!(targets(&gateway.client, &by_user).await? == own);
        let message = by_header.post(MESSAGES, ask("session", false).to_string()).await?;
        ensure!(own.contains(message.header("x-route-switch-target")), "{message:?}");
        ensure!(own.len() == 1, "{own:?}");
        seen.extend(own);
    }
    ensure!(seen.len() == 2, "all sessions are at {seen:?}");
    // Without any of it, the strategy chooses; and so for callers without a key.
    ensure!(targets(&gateway.client, &ask("session", false)).await?.len() == 2);
    ensure!(targets(&gateway.client, &ask("key", false)).await?.len() == 2);
    let mut wrong = ask("session", false);
    wrong["session_id"] = json!(7);
    let answer = gateway.client.chat(&wrong).await?;
    ensure!(
        answer.status == 400 && answer.error()?["param"] == "session_id",
        "{}",
        answer.text()
    );

    stage.write("key.yaml", &key("team", json!({ "key": "rs-team-91b3" })).to_string())?;
    let keyed = gateway.client.with_key("rs-team-91b3")?;
    e2e::wait::until("the key", async || {
        Ok((keyed.chat(&ask("key", false)).await?.status == 200).then_some(()))
    })
    .await?;
    ensure!(targets(&keyed, &ask("key", false)).await?.len() == 1);
    Ok(())
}
