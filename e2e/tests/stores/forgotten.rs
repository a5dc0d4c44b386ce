//! Somebody who wants to be forgotten.

use anyhow::ensure;
use e2e::manifest::key;
use e2e::stage::Stage;
use e2e::stores;
use serde_json::json;

use crate::{ask, capturing, worked};

#[tokio::test]
async fn an_admin_deletes_what_was_captured_of_a_user_in_both_stores_and_sums_stay() -> anyhow::Result<()> {
    let objects = [
        capturing("kept", "sim-words-2", &json!({ "content": true })),
        key("admin", json!({ "key": "rs-admin-key", "role": "Admin" })),
        key("viewer", json!({ "key": "rs-viewer-key", "role": "Viewer" })),
        key("elsewhere/admin", json!({ "key": "rs-elsewhere-key", "role": "Admin" })),
    ];
    let (stage, mut gateway) = Stage::playing(&objects).await?;
    let mut anns = Vec::new();
    for number in 0..30 {
        let mut body = ask("kept", &format!("{number}"));
        body["user"] = json!(if number % 3 == 0 { "ann" } else { "bob" });
        let id = worked(gateway.client.chat(&body).await?)?.id().to_owned();
        if number % 3 == 0 {
            anns.push(id);
        }
    }
    let path = "/v1/generations?user=ann";
    ensure!(gateway.client.with_key("rs-viewer-key")?.delete(path).await?.status == 403);
    let nameless = gateway
        .client
        .with_key("rs-admin-key")?
        .delete("/v1/generations")
        .await?;
    ensure!(
        nameless.status == 400 && nameless.error()?["param"] == "user",
        "{}",
        nameless.text()
    );
    let elsewhere = gateway.client.with_key("rs-elsewhere-key")?.delete(path).await?;
    ensure!(
        elsewhere.json()?["data"] == json!({ "user": "ann", "examples": 0, "requests": 0 }),
        "{}",
        elsewhere.text()
    );
    let deleted = gateway.client.with_key("rs-admin-key")?.delete(path).await?;
    ensure!(
        deleted.json()?["data"] == json!({ "user": "ann", "examples": 10, "requests": 10 }),
        "{}",
        deleted.text()
    );
    for id in &anns {
        ensure!(gateway.client.get(&format!("/v1/generation?id={id}")).await?.status == 404);
    }
    let told = gateway.client.get_json("/v1/system/analytics").await?;
    ensure!(told["total_requests"] == 30, "{told}");
    gateway.stop().await?;
    let (requests, examples) = (stores::requests(&stage.data())?, stores::examples(&stage.data())?);
    ensure!((requests.len(), examples.len()) == (20, 20), "{requests:?}");
    ensure!(
        anns.iter()
            .all(|id| !requests.contains_key(id) && !examples.contains_key(id))
    );
    Ok(())
}
