//! The SQL endpoint against people who mean harm, while others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::client::{Answer, Client};
use e2e::manifest::key;
use e2e::stage::Stage;
use serde_json::json;

use crate::{ask, capturing, worked};

/// A statement a line; a line that begins with `>` may begin to run, and must then be stopped or fail.
const STATEMENTS: &str = include_str!("hostile.txt");
/// The deadline, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_secs(40);
const SQL: &str = "/v1/system/sql";

async fn sql(client: &Client, statement: &str) -> anyhow::Result<Answer> {
    client.post(SQL, json!({ "sql": statement }).to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_statements_are_refused_or_stopped_in_time_and_the_service_does_not_notice() -> anyhow::Result<()> {
    let objects = [
        capturing("kept", "sim-words-8", &json!({ "content": true })),
        key("viewer", json!({ "key": "rs-viewer-key", "role": "Viewer" })),
    ];
    let (_stage, gateway) = Stage::playing(&objects).await?;
    for _ in 0..400 {
        worked(gateway.client.chat(&ask("kept", "rivers")).await?)?;
    }
    ensure!(
        sql(&gateway.client.with_key("rs-viewer-key")?, "SELECT 1")
            .await?
            .status
            == 403
    );

    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(400));
    let traffic = {
        let (client, is_over, served) = (gateway.client.clone(), Arc::clone(&is_over), Arc::clone(&served));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                worked(client.chat(&ask("kept", "rivers")).await?)?;
                served.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    };
    let statements: Vec<&str> = STATEMENTS.lines().filter(|line| !line.is_empty()).collect();
    ensure!(statements.len() >= 40, "{} statements", statements.len());
    for statement in statements {
        let began = Instant::now();
        let answer = sql(&gateway.client, statement.trim_start_matches('>')).await?;
        let took = began.elapsed();
        ensure!(
            answer.status == 400 && answer.error()?["param"] == "sql",
            "{statement}: {}",
            answer.text()
        );
        ensure!(took < IN_TIME, "{statement} took {took:?}");
        eprintln!("{took:?}  {statement}  ->  {}", answer.error()?["message"]);
    }
    is_over.store(true, Ordering::Relaxed);
    traffic.await??;

    // A query that takes all of the engine's memory may make it give up; then it is opened again, and nothing is lost.
    let served = served.load(Ordering::Relaxed);
    e2e::wait::until("every request in the store", async || {
        let answer = sql(&gateway.client, "SELECT count(*) FROM requests").await?;
        Ok((answer.status == 200 && answer.json()?["rows"][0][0] == served).then_some(()))
    })
    .await?;
    let status = gateway.client.get_json("/status").await?;
    let capture = &status["capture"];
    ensure!(
        status["status"] == "ok" && capture["dropped_records"] == 0 && capture["analytics"]["dropped_records"] == 0,
        "{status}"
    );
    Ok(())
}
