//! A gateway that is ended in the middle of its work and started again loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use e2e::client::{CHAT, Client, Transcript, header_of};
use e2e::stage::{Gateway, Stage};
use e2e::stores::{self, Example, Request};
use e2e::wait::until;
use e2e::work::{self, Begun, Work};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

const REQUESTS: usize = 10_000;
const WORKERS: usize = 16;
/// Streams that go on for longer than the gateway may take to end.
const SLOW: usize = 8;
const GRACE: &str = "1s";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_over_a_restart_are_each_stored_once_and_byte_for_byte() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.write("work.yaml", &e2e::manifest::file(&work::objects()))?;
    let mut gateway = stage.gateway(&["--grace", GRACE]).await?;
    let (current, clients) = watch::channel(gateway.client.clone());
    let work = Arc::new(Work::new(REQUESTS));
    let mut workers: JoinSet<_> = (0..WORKERS).map(|_| run(Arc::clone(&work), clients.clone())).collect();

    until("half of the requests", async || {
        Ok((work.taken() > REQUESTS / 2).then_some(()))
    })
    .await?;
    let slow = begin_slow_streams(&gateway).await?;
    gateway.stop().await?;
    let slow = slow.join_all().await;
    gateway = stage.gateway(&["--grace", GRACE]).await?;
    current.send(gateway.client.clone())?;

    let mut begun: BTreeMap<String, Begun> = BTreeMap::new();
    let mut answers: Vec<Begun> = slow.into_iter().collect::<anyhow::Result<_>>()?;
    while let Some(answered) = workers.join_next().await {
        answers.extend(answered??);
    }
    for answer in answers {
        ensure!(
            begun.insert(answer.id.clone(), answer.clone()).is_none(),
            "the id {} was given twice",
            answer.id
        );
    }
    ensure!(begun.len() == REQUESTS + SLOW, "{} requests began", begun.len());
    let status = gateway.client.get_json("/status").await?;
    ensure!(
        status["capture"]["dropped_records"] == 0 && status["capture"]["dropped_contents"] == 0,
        "{status}"
    );
    gateway.stop().await?;
    check_requests(&begun, &stores::requests(&stage.data())?)?;
    check_examples(&begun, &stores::examples(&stage.data())?)
}

/// Works until nothing is left. What got no head is sent again, to the next gateway.
async fn run(work: Arc<Work>, mut clients: watch::Receiver<Client>) -> anyhow::Result<Vec<Begun>> {
    let mut begun = Vec::new();
    while let Some(job) = work.take() {
        loop {
            let client = clients.borrow_and_update().clone();
            if let Ok(open) = client.open(CHAT, job.body.clone()).await {
                begun.push(job.check(&open.whole().await)?);
                break;
            }
            tokio::time::timeout(e2e::wait::PATIENCE, clients.changed())
                .await
                .context("no other gateway came")??;
        }
    }
    Ok(begun)
}

/// Streams of which the client has something, and the rest of which will not come.
async fn begin_slow_streams(gateway: &Gateway) -> anyhow::Result<JoinSet<anyhow::Result<Begun>>> {
    let mut streams = JoinSet::new();
    for number in 0..SLOW {
        let body = work::slow_body(number);
        let mut stream = gateway.client.open(CHAT, body.clone()).await?;
        ensure!(stream.status == 200, "a slow stream got {}", stream.status);
        let id = header_of(&stream.headers, "x-generation-id").to_owned();
        let first = stream.content().await?.context("a slow stream ended at once")?;
        streams.spawn(async move {
            let rest = stream.whole().await;
            let transcript = Transcript::read(&rest.body)?;
            ensure!(
                transcript.finish_reason() != Some("stop"),
                "a slow stream came to its end"
            );
            ensure!(
                rest.broken.is_none() && transcript.is_done,
                "a stream ended silently: {}",
                rest.text()
            );
            ensure!(
                transcript
                    .error()
                    .is_some_and(|error| error["code"] == "gateway_stopping"),
                "{}",
                rest.text()
            );
            let content = Some(first + &transcript.content());
            Ok(Begun {
                id,
                body,
                outcome: "cut",
                is_captured: true,
                content,
                tool_calls: None,
            })
        });
    }
    Ok(streams)
}

fn check_requests(begun: &BTreeMap<String, Begun>, stored: &BTreeMap<String, Request>) -> anyhow::Result<()> {
    for (id, begun) in begun {
        let request = stored
            .get(id)
            .with_context(|| format!("{id} is not in the store of analytics: {begun:?}"))?;
        ensure!(
            request.outcome == begun.outcome,
            "{request:?}, the client saw {begun:?}"
        );
        ensure!(
            request.content_kept == begun.is_captured.then_some(true),
            "{request:?}, the client saw {begun:?}"
        );
        ensure!(
            request.attempts == i64::from(begun.is_captured),
            "{request:?}, the client saw {begun:?}"
        );
    }
    let more: Vec<_> = stored.iter().filter(|(id, _)| !begun.contains_key(*id)).collect();
    ensure!(
        more.is_empty(),
        "the store of analytics holds what no client saw begin: {more:?}"
    );
    Ok(())
}

fn check_examples(begun: &BTreeMap<String, Begun>, stored: &BTreeMap<String, Example>) -> anyhow::Result<()> {
    let captured: Vec<(&String, &Begun)> = begun.iter().filter(|(_, begun)| begun.is_captured).collect();
    for (id, begun) in &captured {
        let example = stored
            .get(*id)
            .with_context(|| format!("{id} is not in the store of examples: {begun:?}"))?;
        ensure!(
            example.outcome == begun.outcome && example.is_complete == (begun.outcome == "ok"),
            "{example:?}, {begun:?}"
        );
        ensure!(
            example.request == begun.body.as_bytes(),
            "the request of {id}: {example:?}, the client sent {begun:?}"
        );
        ensure!(
            example.output == begun.content,
            "the answer to {id}: {example:?}, the client has {begun:?}"
        );
        let calls = example
            .tool_calls
            .as_ref()
            .map(|calls| serde_json::from_str::<Value>(calls))
            .transpose()?;
        ensure!(
            calls == begun.tool_calls,
            "the calls of {id}: {calls:?}, the client has {begun:?}"
        );
    }
    let more: Vec<_> = stored.keys().filter(|id| !begun.contains_key(*id)).collect();
    ensure!(
        more.is_empty() && stored.len() == captured.len(),
        "the store of examples holds what no client saw begin: {more:?}"
    );
    Ok(())
}
