//! `route-switch simulate`: a simulated provider, for demos and tests.

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use crate::simulator::{self, Behaviour, Settings, grammar};

/// Runs a simulated provider that speaks OpenAI's and Anthropic's wire formats.
#[derive(Args, Clone, Debug)]
#[command(after_help = grammar::help())]
pub struct Arguments {
    /// Where to listen; port 0 takes a free one, which the first line of output names.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub listen: SocketAddr,
    /// Decides answers, identifiers and which requests fail.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The key that clients must send. Without it any will do.
    #[arg(
        long,
        value_name = "KEY",
        env = "ROUTE_SWITCH_SIMULATOR_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,
    /// Behaviour of every model unless its name or the header says otherwise, for instance latency=200,rate=40.
    #[arg(long, value_name = "WORD[=NUMBER],...", default_value = "", hide_default_value = true, value_parser = behaviour)]
    pub behaviour: Behaviour,
}

/// Why the simulator did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
    #[error("failed to wait for signals")]
    Signals(#[source] io::Error),
}

/// Runs the simulator until SIGINT or SIGTERM, on a runtime of its own.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(simulate(arguments))
}

async fn simulate(arguments: Arguments) -> Result<(), Error> {
    let Arguments {
        listen,
        seed,
        api_key,
        behaviour,
    } = arguments;
    let failed = |source| Error::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(Error::Signals)?;
    writeln!(io::stdout(), "simulator on http://{address}/v1, seed {seed}").map_err(Error::Output)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    simulator::serve(
        listener,
        Settings {
            seed,
            api_key,
            behaviour,
            ..Settings::default()
        },
        shutdown,
    )
    .await;
    Ok(())
}

fn behaviour(words: &str) -> Result<Behaviour, grammar::Error> {
    Behaviour::default().with_header(words)
}
