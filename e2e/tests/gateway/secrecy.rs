//! No credential, of a provider or of a client, is ever written anywhere or told to anybody.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use e2e::client::Answer;
use e2e::manifest::{credential, file, key, provider, route, target};
use e2e::stage::Stage;
use e2e::wait::until;
use serde_json::json;

use crate::{ask, ask_stream, worked};

const RIGHT: &str = "sk-right-0c7f2e9d51ab";
const WRONG: &str = "sk-wrong-83be4410f6d2";
const CLIENT: &str = "rs-client-5f1a77c2e09b";
const STRANGER: &str = "rs-stranger-d94c10b7a3e8";
const MALFORMED: &str = "rs-malformed-61e0c9ab42f7";

#[tokio::test]
async fn no_credential_is_logged_stored_or_told() -> anyhow::Result<()> {
    let stage = Stage::with_simulator(&["--api-key", RIGHT]).await?;
    let auth = |name: &str| json!({ "vendor": "Simulated", "auth": { "keys": [{ "secretRef": { "name": name, "key": "key" } }] } });
    let only = |provider: &str| json!({ "targets": [target("only", provider, "sim-fast", 1)], "capture": { "content": true } });
    stage.write(
        "all.yaml",
        &file(&[
            credential("right", RIGHT),
            credential("wrong", WRONG),
            provider("right", auth("right")),
            provider("wrong", auth("wrong")),
            route("right", only("right")),
            route("wrong", only("wrong")),
            key("client", json!({ "key": CLIENT, "role": "Admin" })),
            key(
                "malformed",
                json!({ "key": MALFORMED, "role": "King", "rolle": MALFORMED }),
            ),
        ]),
    )?;
    let mut gateway = stage.gateway(&["--log", "debug"]).await?;
    let client = gateway.client.with_key(CLIENT)?;
    let stranger = gateway.client.with_key(STRANGER)?;

    let mut told = Vec::new();
    for body in [ask("right"), ask_stream("right")] {
        told.push(worked(client.chat(&body).await?)?);
        told.push(stranger.chat(&body).await?);
    }
    for body in [ask("wrong"), ask_stream("wrong")] {
        let answer = client.chat(&body).await?;
        ensure!(
            answer.status == 502 && answer.error()?["code"] == "provider_authentication",
            "{}",
            answer.text()
        );
        told.push(client.get(&format!("/v1/generation?id={}", answer.id())).await?);
        told.push(answer);
    }
    for path in [
        "/status",
        "/v1/models",
        "/v1/system/analytics?group_by=key,provider,outcome",
        "/health",
    ] {
        told.push(client.get(path).await?);
    }
    for path in ["/config", "/metrics", "/healthz", "/readyz"] {
        told.push(gateway.admin.get(path).await?);
    }
    // Faults that stand near a secret: half a file, and a value that is none.
    stage.write(
        "broken.yaml",
        &file(&[credential("third", WRONG)]).replace("\"v1\"", "\"v9\""),
    )?;
    stage.write("worse.yaml", &format!("kind: Secret\nstringData: {{key: {WRONG}\n"))?;
    let told_faults = until("the faults to be told", async || {
        let status = gateway.client.get("/status").await?;
        let is_told = ["broken.yaml", "worse.yaml"]
            .iter()
            .all(|name| status.text().contains(name));
        Ok(is_told.then_some(status))
    });
    told.push(told_faults.await?);
    gateway.stop().await?;

    for answer in &told {
        search(&answer.body, "an answer")?;
        search(
            format!("{:?}", Answer::clone(answer).headers).as_bytes(),
            "the headers of an answer",
        )?;
    }
    let written = files(&stage.data())?;
    ensure!(
        written.len() >= 2,
        "the stores are not where they are looked for: {written:?}"
    );
    for path in written.iter().chain([&stage.path().join("gateway.log")]) {
        search(&std::fs::read(path)?, &path.display().to_string())?;
    }
    Ok(())
}

fn search(bytes: &[u8], place: &str) -> anyhow::Result<()> {
    for secret in [RIGHT, WRONG, CLIENT, STRANGER, MALFORMED] {
        // Without its beginning, too: what a provider's refusal repeats of a key must not hold most of it.
        let tail = &secret[secret.len() - 12..];
        ensure!(
            memchr::memmem::find(bytes, tail.as_bytes()).is_none(),
            "{secret} is in {place}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    Ok(())
}

fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
