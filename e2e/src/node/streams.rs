//! Many streams that are open at the same time, each over a connection of its own and read to its end mark.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::task::JoinSet;

use super::gateways::ordinal_of;
use crate::client::{CHAT, Client, Event};

/// Streams that are opened again and again until they are told to stop.
#[derive(Debug)]
pub struct Streams {
    over: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    tasks: JoinSet<Ended>,
}

/// How streams ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Ids of those that came whole.
    pub whole: Vec<String>,
    /// What was wrong with the others.
    pub cut: Vec<String>,
}

impl Streams {
    /// Keeps so many open.
    pub fn start(service: SocketAddr, key: &str, count: usize, body: &Value) -> anyhow::Result<Self> {
        let client = Client::fresh(service)?.with_key(key)?;
        let (over, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            tasks.spawn(keep_open(
                client.clone(),
                body.to_string(),
                Arc::clone(&over),
                Arc::clone(&open),
            ));
        }
        Ok(Self { over, open, tasks })
    }

    /// Streams that have begun and not ended.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Opens no more, and reads those that are open to their ends.
    pub async fn stop(mut self) -> anyhow::Result<Ended> {
        self.over.store(true, Ordering::SeqCst);
        let mut all = Ended::default();
        while let Some(ended) = self.tasks.join_next().await {
            let Ended { whole, cut } = ended.context("a reader panicked")?;
            all.whole.extend(whole);
            all.cut.extend(cut);
        }
        Ok(all)
    }
}

impl Ended {
    /// Whole streams by the pod that gave them.
    pub fn by_ordinal(&self) -> anyhow::Result<BTreeMap<usize, usize>> {
        let mut counts = BTreeMap::new();
        for id in &self.whole {
            *counts.entry(ordinal_of(id)?).or_default() += 1;
        }
        Ok(counts)
    }
}

async fn keep_open(client: Client, body: String, over: Arc<AtomicBool>, open: Arc<AtomicUsize>) -> Ended {
    let mut ended = Ended::default();
    while !over.load(Ordering::SeqCst) {
        match one(&client, &body, &open).await {
            Ok(id) => ended.whole.push(id),
            Err(error) => ended.cut.push(format!("{error:#}")),
        }
    }
    ended
}

/// Reads one stream; gives the generation's id if it came whole.
async fn one(client: &Client, body: &str, open: &AtomicUsize) -> anyhow::Result<String> {
    let mut stream = client.open(CHAT, body.to_owned()).await?;
    let id = stream.headers.get("x-generation-id").and_then(|id| id.to_str().ok());
    let id = id.unwrap_or_default().to_owned();
    if stream.status != 200 {
        let answer = stream.whole().await;
        bail!("{id} {}: {}", answer.status, answer.text());
    }
    open.fetch_add(1, Ordering::SeqCst);
    let read = to_the_end(&mut stream).await;
    open.fetch_sub(1, Ordering::SeqCst);
    read.with_context(|| format!("the stream {id}"))?;
    Ok(id)
}

async fn to_the_end(stream: &mut crate::client::Open) -> anyhow::Result<()> {
    let mut is_finished = false;
    loop {
        match stream.event().await?.context("it ended without its end mark")? {
            Event::Chunk(chunk) if !chunk["error"].is_null() => bail!("it ended with {}", chunk["error"]),
            Event::Chunk(chunk) => is_finished |= !chunk["choices"][0]["finish_reason"].is_null(),
            Event::Comment(_) => {}
            Event::Done if is_finished => return Ok(()),
            Event::Done => bail!("it gave no reason for its end"),
        }
    }
}
