//! The program behind `e2e/bench`: benchmarks, and the stand-in provider and control proxy that they start.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use e2e::bench::{self, GatewayOptions};
use e2e::{control, mock};
use http::uri::Authority;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Benchmarks of Route-Switch, and what they run against.
#[derive(Debug, Parser)]
#[command(name = "e2e-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Gateway(GatewayOptions),
    /// The stand-in provider: answers chat completions at once, with the mark [[16 digits]] of the request.
    Mock {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Chunks with content in a streamed answer.
        #[arg(long, default_value_t = 64)]
        chunks: usize,
        /// Wait between two of them, in microseconds; rounded up to a millisecond.
        #[arg(long, default_value_t = 2000)]
        gap_micros: u64,
    },
    /// The control: a bare hyper reverse proxy with pooled connections.
    Control {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// HOST:PORT to forward to.
        #[arg(long)]
        upstream: Authority,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Gateway(options) => or_signal(bench::gateway(options), || anyhow::bail!("stopped by a signal")).await,
        Command::Mock {
            listen,
            chunks,
            gap_micros,
        } => {
            let streams = mock::Streams {
                chunks,
                gap: Duration::from_micros(gap_micros),
            };
            or_signal(mock::serve(announce(listen).await?, streams), || Ok(())).await
        }
        Command::Control { listen, upstream } => {
            or_signal(control::serve(announce(listen).await?, upstream), || Ok(())).await
        }
    }
}

/// Binds, and tells where on standard output.
async fn announce(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("failed to listen on {listen}"))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {}", listener.local_addr()?)?;
    stdout.flush()?;
    Ok(listener)
}

/// A signal drops the work, and with it the programs that it started.
async fn or_signal(
    work: impl Future<Output = anyhow::Result<()>>,
    stopped: fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = work => result,
        _ = terminate.recv() => stopped(),
        _ = tokio::signal::ctrl_c() => stopped(),
    }
}
