//! A gateway that is replaced while it works: it is told to end, is still sent requests for a while, and loses none.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::client::{CHAT, Client, MESSAGES, Open, header_of};
use e2e::manifest::{file, provider, route, target};
use e2e::stage::{Gateway, Stage};
use e2e::stores;
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::{ask, ask_stream, worked};

const STREAMS: usize = 200;
/// Longer than any test: what ends it is the test.
const FOREVER: &str = "1h";
/// How long the word that it is not ready may take on two busy cores.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn stage() -> anyhow::Result<Stage> {
    let stage = Stage::new().await?;
    let routes = [("gated", "sim-gate-7-chunks-4-words-4"), ("quick", "sim-words-4")].map(|(name, model)| {
        let targets = [target("only", "sim", model, 1)];
        route(name, json!({ "targets": targets, "capture": { "content": true } }))
    });
    stage.write("sim.yaml", &file(&[provider("sim", json!({ "vendor": "Simulated" }))]))?;
    stage.write("routes.yaml", &file(&routes))?;
    Ok(stage)
}

/// Streams of which the client has the first words.
async fn begin(stage: &Stage, client: &Client, streams: usize) -> anyhow::Result<Vec<Open>> {
    let mut opening = JoinSet::new();
    for _ in 0..streams {
        let client = client.clone();
        opening.spawn(async move {
            let mut stream = client.open(CHAT, ask_stream("gated").to_string()).await?;
            ensure!(stream.content().await?.is_some(), "no first words");
            Ok(stream)
        });
    }
    release(stage, streams).await?;
    opening.join_all().await.into_iter().collect()
}

async fn release(stage: &Stage, chunks: usize) -> anyhow::Result<()> {
    let path = format!("/_simulator/release?gate=7&count={chunks}");
    ensure!(stage.simulator.client.post(&path, "").await?.status == 200);
    Ok(())
}

/// A connection that has asked once and is kept.
async fn kept(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut connection = TcpStream::connect(address).await?;
    let head = say(&mut connection).await?;
    ensure!(
        head.starts_with("HTTP/1.1 200") && !head.contains("connection: close"),
        "{head}"
    );
    Ok(connection)
}

/// Asks on a connection, and gives the head of the answer in lower case but for its first line.
async fn say(connection: &mut TcpStream) -> anyhow::Result<String> {
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.context("no length")?.parse()? {
                return Ok(head.to_owned());
            }
        }
        let read = connection.read_buf(&mut answer).await?;
        ensure!(read > 0, "closed before an answer");
    }
}

async fn signalled(gateway: &Gateway) -> anyhow::Result<Duration> {
    let began = Instant::now();
    gateway.program.terminate()?;
    until("the gateway not to be ready", async || {
        Ok((gateway.admin.get("/readyz").await?.status == 503).then_some(()))
    })
    .await?;
    Ok(began.elapsed())
}

async fn refuses(address: SocketAddr) -> anyhow::Result<()> {
    until("new connections to be refused", async || {
        Ok(TcpStream::connect(address).await.is_err().then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_outlive_the_delay_and_whoever_comes_within_it_is_served() -> anyhow::Result<()> {
    let stage = stage().await?;
    let mut gateway = stage.gateway(&["--drain-delay", FOREVER, "--grace", FOREVER]).await?;
    let streams = begin(&stage, &gateway.client, STREAMS).await?;
    let (mut used, mut idle) = (kept(gateway.traffic).await?, kept(gateway.traffic).await?);

    let told_after = signalled(&gateway).await?;
    ensure!(told_after < AT_ONCE, "not ready {told_after:?} after the signal");
    eprintln!("not ready {told_after:?} after the signal");
    let mut answered: Vec<String> = Vec::new();
    for _ in 0..10 {
        let fresh = Client::new(gateway.traffic)?;
        let answer = worked(fresh.chat(&ask("quick")).await?)?;
        ensure!(answer.header("connection") == "close", "{:?}", answer.headers);
        answered.push(answer.id().to_owned());
    }
    let head = say(&mut used).await?;
    ensure!(
        head.starts_with("HTTP/1.1 200") && head.contains("connection: close"),
        "{head}"
    );
    ensure!(
        used.read(&mut [0]).await? == 0,
        "the connection stays after its last answer"
    );
    let health = Client::new(gateway.traffic)?.get("/health").await?;
    ensure!(
        health.status == 503 && health.text().contains("draining"),
        "{}",
        health.text()
    );
    ensure!(gateway.admin.get("/healthz").await?.status == 200);
    ensure!(gateway.admin.get("/metrics").await?.status == 200);

    // The delay ends with a second signal.
    gateway.program.terminate()?;
    refuses(gateway.traffic).await?;
    ensure!(idle.read(&mut [0]).await? == 0, "an idle connection says something");
    ensure!(gateway.admin.get("/readyz").await?.status == 503);
    release(&stage, 3 * STREAMS).await?;
    for stream in streams {
        let id = header_of(&stream.headers, "x-generation-id").to_owned();
        let transcript = worked(stream.whole().await)?.transcript()?;
        ensure!(
            transcript.is_done && transcript.content_chunks() == 3 && transcript.finish_reason() == Some("stop"),
            "{transcript:?}"
        );
        answered.push(id);
    }
    let status = gateway.program.ended().await?;
    ensure!(status.success(), "the gateway ended with {status}");
    let (requests, examples) = (stores::requests(&stage.data())?, stores::examples(&stage.data())?);
    ensure!(requests.len() == STREAMS + 10 && examples.len() == STREAMS + 10);
    for id in answered {
        ensure!(
            requests[&id].outcome == "ok" && examples[&id].is_complete,
            "{:?}",
            requests[&id]
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_delay_ends_by_itself_and_then_what_is_new_is_refused() -> anyhow::Result<()> {
    const DELAY: Duration = Duration::from_millis(700);
    let stage = stage().await?;
    let mut gateway = stage.gateway(&["--drain-delay", "700ms"]).await?;
    let began = Instant::now();
    gateway.program.terminate()?;
    refuses(gateway.traffic).await?;
    let refused_after = began.elapsed();
    ensure!(refused_after >= DELAY, "refused {refused_after:?} after the signal");
    let status = gateway.program.ended().await?;
    ensure!(status.success(), "the gateway ended with {status}");
    Ok(())
}

#[tokio::test]
async fn another_signal_cuts_what_is_under_way_and_both_dialects_are_told_so() -> anyhow::Result<()> {
    let stage = stage().await?;
    let mut gateway = stage.gateway(&["--grace", FOREVER]).await?;
    let [chat] = <[Open; 1]>::try_from(begin(&stage, &gateway.client, 1).await?)
        .ok()
        .context("one")?;
    let body = json!({ "model": "gated", "max_tokens": 500, "stream": true,
        "messages": [{ "role": "user", "content": "Tell me about rivers." }] });
    release(&stage, 1).await?;
    let mut message = gateway.client.open(MESSAGES, body.to_string()).await?;
    ensure!(message.content().await?.is_some(), "no first words");
    signalled(&gateway).await?;
    refuses(gateway.traffic).await?;
    gateway.program.terminate()?;

    let chat = worked(chat.whole().await)?;
    let transcript = chat.transcript()?;
    let code = transcript.error().map(|error| &error["code"]);
    ensure!(
        transcript.is_done && code == Some(&json!("gateway_stopping")),
        "{}",
        chat.text()
    );
    let message = worked(message.whole().await)?;
    let last = message.text();
    let last = last.lines().rev().find_map(|line| line.strip_prefix("data: "));
    let last: Value = serde_json::from_str(last.context("no event")?)?;
    ensure!(
        last["type"] == "error"
            && last["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("was stopped")),
        "{last}"
    );
    let status = gateway.program.ended().await?;
    ensure!(status.success(), "the gateway ended with {status}");
    let requests = stores::requests(&stage.data())?;
    ensure!(
        requests.len() == 2 && requests.values().all(|request| request.outcome == "cut"),
        "{requests:?}"
    );
    Ok(())
}
