//! What a Route says of capture: nothing at all, figures, a sample, no more than so many, and nothing that is to be redacted.

use anyhow::ensure;
use e2e::client::CHAT;
use e2e::stage::Stage;
use e2e::stores;
use serde_json::{Value, json};

use crate::{ask, capturing, worked};

#[tokio::test]
async fn a_route_decides_what_is_kept_of_its_requests() -> anyhow::Result<()> {
    let routes = [
        capturing("nothing", "sim-words-2", &json!({ "metadata": false })),
        capturing("figures", "sim-words-2", &json!({})),
        capturing(
            "sample",
            "sim-words-2",
            &json!({ "content": true, "samplePercent": 25 }),
        ),
        capturing("few", "sim-words-2", &json!({ "content": true, "maxExamples": 5 })),
    ];
    let (stage, mut gateway) = Stage::playing(&routes).await?;
    for name in ["nothing", "figures", "sample", "few"] {
        for number in 0..80 {
            worked(gateway.client.chat(&ask(name, &format!("{number}"))).await?)?;
        }
    }
    let told = gateway.client.get_json("/v1/system/analytics?group_by=route").await?;
    let counts: Vec<(Value, Value)> = told["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (row["route"].clone(), row["requests"].clone()))
        .collect();
    let expected = ["default/few", "default/figures", "default/sample"].map(|route| (json!(route), json!(80)));
    ensure!(counts == expected, "{told}");
    gateway.stop().await?;
    let examples = stores::examples(&stage.data())?;
    let of = |route: &str| {
        let name = format!("\"{route}\"");
        examples
            .values()
            .filter(|example| String::from_utf8_lossy(&example.request).contains(&name))
            .count()
    };
    ensure!(
        (of("nothing"), of("figures"), of("few")) == (0, 0, 5),
        "{} few",
        of("few")
    );
    ensure!(
        (8..=36).contains(&of("sample")),
        "{} of 80 in a sample of 25 %",
        of("sample")
    );
    Ok(())
}

/// Neither file holds it, whichever way it came.
#[tokio::test]
async fn what_is_redacted_is_in_no_file() -> anyhow::Result<()> {
    const SECRETS: [&str; 4] = [
        "4111-1111-1111-1111",
        "ann@example.com",
        "the-hidden-name",
        "5500000000000004",
    ];
    let redact = json!([
        { "regex": "[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}|[0-9]{16}", "replacement": "[card]" },
        { "regex": "[a-z]+@[a-z.]+" },
        { "jsonPath": "$.messages[*].name" },
    ]);
    let routes = [
        capturing("plain", "sim-chunks-5", &json!({ "content": true, "redact": redact })),
        capturing("failing", "sim-400", &json!({ "content": true, "redact": redact })),
    ];
    let (stage, mut gateway) = Stage::playing(&routes).await?;
    for model in ["plain", "failing"] {
        for is_streamed in [false, true] {
            let mut body = ask(model, "repeat: card 4111-1111-1111-1111 of ann@example.com");
            body["messages"][0]["name"] = json!("the-hidden-name");
            body["user"] = json!("ann@example.com");
            body["stream"] = json!(is_streamed);
            body["metadata"] = json!({ "note": "card 5500000000000004" });
            let body = body.to_string().replace("@example", "\\u0040example");
            let answer = gateway.client.post(CHAT, body).await?;
            if model == "plain" {
                let said = worked(answer)?.content()?;
                ensure!(
                    said.contains("4111-1111-1111-1111"),
                    "the client's own answer was touched: {said}"
                );
            }
        }
    }
    gateway.stop().await?;
    let examples = stores::examples(&stage.data())?;
    ensure!(examples.len() == 4, "{examples:?}");
    for example in examples.values() {
        let request: Value = serde_json::from_slice(&example.request)?;
        ensure!(
            request["messages"][0]["content"] == "repeat: card [card] of [redacted]",
            "{request}"
        );
        ensure!(
            request["messages"][0]["name"] == "[redacted]" && request["user"] == "[redacted]",
            "{request}"
        );
    }
    let answers: Vec<_> = examples
        .values()
        .filter_map(|example| example.output.as_deref())
        .collect();
    ensure!(answers == ["card [card] of [redacted]"; 2], "{answers:?}");
    for file in std::fs::read_dir(stage.data())? {
        let path = file?.path();
        let bytes = std::fs::read(&path)?;
        for secret in SECRETS {
            let found = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
            ensure!(!found, "{} holds {secret}", path.display());
        }
    }
    Ok(())
}
