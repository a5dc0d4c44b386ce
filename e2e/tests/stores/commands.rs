//! `route-switch stats` and `route-switch sql`, on a running gateway and on the files of a stopped one.

use std::process::{Command, Output};

use anyhow::ensure;
use e2e::manifest::key;
use e2e::program::route_switch;
use e2e::stage::Stage;
use serde_json::{Value, json};

use crate::{ask, capturing, worked};

async fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    let program = route_switch()?;
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    // In the background, so that the test's own runtime goes on.
    Ok(tokio::task::spawn_blocking(move || Command::new(program).args(arguments).output()).await??)
}

fn told(output: &Output) -> anyhow::Result<String> {
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {error}", output.status);
    Ok(String::from_utf8(output.stdout.clone())?)
}

/// Blanks are squeezed.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn figures_and_queries_are_the_same_from_a_running_gateway_and_from_its_files() -> anyhow::Result<()> {
    let objects = [
        capturing("fine", "sim-words-2", &json!({})),
        capturing("limited", "sim-429", &json!({})),
        key("admin", json!({ "key": "rs-admin-key", "role": "Admin" })),
        key("user", json!({ "key": "rs-user-key" })),
    ];
    let (stage, mut gateway) = Stage::playing(&objects).await?;
    for _ in 0..5 {
        worked(gateway.client.chat(&ask("fine", "x")).await?)?;
        gateway.client.chat(&ask("limited", "x")).await?;
    }
    let url = format!("http://{}", gateway.traffic);
    let data = stage.data();
    let data = data.to_string_lossy();
    let query = "SELECT route, outcome, count(*) AS n FROM requests GROUP BY ALL ORDER BY route";
    let running = [
        told(
            &run(&[
                "stats",
                "--url",
                &url,
                "--key",
                "rs-admin-key",
                "--group-by",
                "route,outcome",
            ])
            .await?,
        )?,
        told(&run(&["sql", "--url", &url, "--key", "rs-admin-key", query]).await?)?,
    ];
    ensure!(
        lines(&running[1]) == ["route outcome n", "default/fine ok 5", "default/limited rate_limited 5"],
        "{}",
        running[1]
    );
    ensure!(
        lines(&running[0])[1].starts_with("default/fine ok 5 100.0%"),
        "{}",
        running[0]
    );
    ensure!(
        lines(&running[0])[2].starts_with("default/limited rate_limited 5 0.0%"),
        "{}",
        running[0]
    );
    for (arguments, says) in [
        (vec!["sql", "--url", &url, "--key", "rs-user-key", query], "403"),
        (
            vec!["sql", "--url", &url, "SELECT * FROM read_csv('/etc/passwd')"],
            "read_csv",
        ),
        (vec!["stats", "--data", &data], "--url"),
        (vec!["stats", "--url", "http://127.0.0.1:9"], "is it running"),
        (vec!["stats", "--url", &url, "--since", "yesterday"], "since"),
    ] {
        let output = run(&arguments).await?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && error.contains(says),
            "{arguments:?}: {error}"
        );
    }
    gateway.stop().await?;
    let stopped = [
        told(&run(&["stats", "--data", &data, "--group-by", "route,outcome"]).await?)?,
        told(&run(&["sql", "--data", &data, query]).await?)?,
    ];
    ensure!(running == stopped, "{running:?}, {stopped:?}");
    let answer: Value = serde_json::from_str(&told(
        &run(&["sql", "--data", &data, "--format", "json", query]).await?,
    )?)?;
    ensure!(answer["rows"][0] == json!(["default/fine", "ok", 5]), "{answer}");
    Ok(())
}
