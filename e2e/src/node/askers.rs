//! Clients of the Service that ask one request after the other, each over a connection that it keeps, and never retry: what fails for
//! them shows which connections a change has cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use serde_json::Value;
use tokio::task::JoinSet;

use super::gateways::ordinal_of;
use crate::client::Client;

/// They ask until they are told to stop.
#[derive(Debug)]
pub struct Askers {
    over: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    tasks: JoinSet<anyhow::Result<Seen>>,
}

/// What they saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Ids of the requests that were answered, in the order of each client.
    pub answered: Vec<String>,
    pub failures: Vec<Failure>,
}

/// A request without its answer.
#[derive(Debug)]
pub struct Failure {
    /// Whose connection it was, as far as it had been answered before.
    pub ordinal: Option<usize>,
    /// There was no connection: only a gateway that is gone takes none.
    pub is_refused: bool,
    pub words: String,
}

impl Askers {
    pub fn start(service: SocketAddr, key: &str, count: usize, body: &Value) -> anyhow::Result<Self> {
        let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let client = Client::new(service)?.with_key(key)?;
            tasks.spawn(keep_asking(
                client,
                body.clone(),
                Arc::clone(&over),
                Arc::clone(&answers),
            ));
        }
        Ok(Self { over, answers, tasks })
    }

    /// Waits for so many more answers: the load is on.
    pub async fn more(&self, count: u64) -> anyhow::Result<()> {
        let enough = self.answers.load(Ordering::SeqCst) + count;
        crate::wait::until("answers under load", async || {
            Ok((self.answers.load(Ordering::SeqCst) >= enough).then_some(()))
        })
        .await
    }

    pub async fn stop(mut self) -> anyhow::Result<Seen> {
        self.over.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        while let Some(seen) = self.tasks.join_next().await {
            let Seen { answered, failures } = seen.context("an asker panicked")??;
            all.answered.extend(answered);
            all.failures.extend(failures);
        }
        Ok(all)
    }
}

async fn keep_asking(
    client: Client,
    body: Value,
    over: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
) -> anyhow::Result<Seen> {
    let (mut seen, mut ordinal) = (Seen::default(), None);
    while !over.load(Ordering::SeqCst) {
        match client.chat(&body).await {
            Ok(answer) if answer.status == 200 && answer.broken.is_none() => {
                ordinal = Some(ordinal_of(answer.id())?);
                seen.answered.push(answer.id().to_owned());
                answers.fetch_add(1, Ordering::SeqCst);
            }
            other => {
                let (is_refused, words) = match other {
                    Ok(answer) => (
                        false,
                        format!("{} {:?}: {}", answer.status, answer.broken, answer.text()),
                    ),
                    Err(error) => (is_refused(&error), format!("{error:?}")),
                };
                seen.failures.push(Failure {
                    ordinal,
                    is_refused,
                    words,
                });
                ordinal = None;
            }
        }
    }
    Ok(seen)
}

fn is_refused(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(reqwest::Error::is_connect)
}
