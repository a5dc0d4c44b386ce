//! Simulated providers: a real HTTP server that speaks the vendors' wire formats, for demos, tests and rehearsals.
//!
//! ```text
//! model name, header -> grammar -> Behaviour -----------.
//! request -> openai or anthropic (checks, reads) -> Ask -> answer -> openai or anthropic (writes) -> script -> delivery -> socket
//! ```
//!
//! A model's name is `sim-WORD[-NUMBER]...` (`sim-fast`, `sim-429`, `sim-cut-3`); the header `x-simulate: WORD[=NUMBER],...` is applied
//! after it. [`grammar::help`] lists the words. `GET /_simulator/requests?last=N` and `GET /_simulator/stats` tell what came in, and
//! `POST /_simulator/release?gate=ID&count=N` lets chunks through a gate, so that a test can prove without a clock that chunk k reached
//! the client before chunk k+1 was sent.
//!
//! **Invariant**: an answer's text depends on the seed, the messages and the behaviour only. Wire formats are known to `openai` and
//! `anthropic` alone; behaviours, answers and delivery know no dialect, and `exchange` knows a vendor by what `endpoint` asks of it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod answer;
mod anthropic;
pub mod behaviour;
mod catalog;
mod delivery;
mod document;
mod endpoint;
mod endpoints;
mod exchange;
mod fields;
pub mod grammar;
mod image;
mod journal;
mod openai;
mod pattern;
mod random;
mod schema;
mod script;
mod server;
mod words;

pub use behaviour::Behaviour;

/// Tells the time in microseconds since 1970.
pub type Clock = fn() -> u64;

/// How a simulator answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides answers, identifiers and which requests a flaky model fails.
    pub seed: u64,
    /// The key that clients must send; none: any or no key will do.
    pub api_key: Option<String>,
    /// What models and headers are applied to.
    pub behaviour: Behaviour,
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            api_key: None,
            behaviour: Behaviour::default(),
            clock: now,
        }
    }
}

/// A simulator that runs in this process. Dropped, it goes on; stop it with [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// What the base URL of a Provider of the OpenAI dialect, or of OpenAI's SDK, must be: ends in `/v1`. Anthropic's does not.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Stops: answers that are under way may go on for a second.
    pub async fn stop(self) {
        self.stop.cancel();
        // The task ends with the server; it fails only if it panicked, and then there is nothing left to stop.
        let _ = self.task.await;
    }
}

/// Serves on the listener until `shutdown`.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    let journal = Arc::new(journal::Journal::default());
    let router = endpoints::router(settings, Arc::clone(&journal));
    let serving = server::serve(listener, router, journal, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = shutdown => {
            stop.cancel();
            serving.await;
        }
    }
}

/// Starts a simulator on a free port of the loopback.
pub async fn start(settings: Settings) -> io::Result<Running> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, settings, stop.clone().cancelled_owned()));
    Ok(Running { address, stop, task })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
