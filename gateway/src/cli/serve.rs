//! `route-switch serve`: build, run, drain.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use clap::Args;
use crds::duration;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub(super) use self::source::Source;
use self::source::Started;
use crate::{
    app::App,
    capture,
    config::{
        manifests::{self, Loader},
        watch as watching,
    },
    http::{
        admin,
        router::{Front, Worker},
        server::{self, Phase},
    },
    providers::client::{self, Clients, Reach},
    routing::exchange::Ledger,
    telemetry::{
        logs::{self, LostLines},
        traces::{self, SpanCounts, Traces},
    },
};

mod drain;
mod fleet;
mod otlp;
mod source;

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// The operator and siblings come from other machines.
const DEFAULT_POD_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9090);

/// Serves the Routes of the manifests in a directory: the same YAML that `kubectl apply` takes (Provider, Route,
/// `PromptTemplate`, `PromptRevision`, Secret, `ConfigMap`). Edits are live a tenth of a second after the last one; a bad file is reported, and what it held
/// before keeps serving. Or, with --fleet, serves what the operator of a cluster pushes to it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch serve --manifests ./manifests
  OPENAI_API_KEY=sk-... route-switch serve --manifests ./manifests --listen 0.0.0.0:8080 --data /var/lib/route-switch
  route-switch serve --fleet --fleet-key /etc/route-switch/fleet-key --siblings gateway-peers:9090 --listen 0.0.0.0:8080

Callers on this machine need no key, except with --fleet. All others need one: a Secret with the label routeswitch.io/api-key: \"true\".")]
pub struct Arguments {
    /// Directory of the manifests (*.yaml, *.yml, *.json)
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, required_unless_present = "fleet")]
    manifests: Option<PathBuf>,
    /// Where applications connect
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// Where metrics, probes and the configuration are served; on this machine only, except with --fleet [default:
    /// 127.0.0.1:9090; with --fleet 0.0.0.0:9090]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Directory of the stores: examples (SQLite), analytics (DuckDB), revisions of prompts (JSON)
    #[arg(long, value_name = "DIR", default_value = "route-switch-data", value_hint = clap::ValueHint::DirPath)]
    data: PathBuf,
    /// What the files of both stores may take together, for instance 10GB; the oldest goes first [default: all there is]
    #[arg(long, value_name = "BYTES", value_parser = data_bytes)]
    data_max_bytes: Option<u64>,
    /// Root URL of the simulator that Providers of vendor Simulated use; in a fleet the operator has it
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url, conflicts_with = "fleet")]
    simulator: Option<String>,
    /// Traffic threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// How long requests are still taken after SIGTERM, while /readyz says 503 and whoever routes to this gateway learns of it; a
    /// second signal ends it
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    drain_delay: Duration,
    /// How long answers under way may go on after that; another signal ends them
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration::parse)]
    grace: Duration,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = logs::Format::Text)]
    log_format: logs::Format,
    /// What is logged, for instance debug, or gateway=debug,warn, or info,access=debug for a line a request
    #[arg(long, value_name = "FILTER", default_value = "info", env = "ROUTE_SWITCH_LOG")]
    log: String,
    #[command(flatten)]
    otlp: otlp::Arguments,
    #[command(flatten)]
    fleet: fleet::Arguments,
}

/// Why the gateway did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Manifests(#[from] manifests::Error),
    #[error(transparent)]
    Watch(#[from] watching::Error),
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    #[error(
        "the admin port is for this machine only: --admin must be a loopback address, for instance 127.0.0.1:9090, and not {0}; with --fleet it may be any"
    )]
    AdminInTheOpen(SocketAddr),
    #[error("failed to listen on {address}; is another gateway running? Name another address with {flag}")]
    Listen {
        address: SocketAddr,
        flag: &'static str,
        source: io::Error,
    },
    #[error("failed to start the stores in {}", directory.display())]
    Stores { directory: PathBuf, source: capture::Error },
    #[error(transparent)]
    Traces(#[from] traces::Error),
    #[error("failed to define the metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("failed to start a thread or its runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to read the certificates of this machine")]
    Certificates(#[source] io::Error),
}

/// A gateway to run.
pub(super) struct Gateway {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) data: PathBuf,
    pub(super) data_max_bytes: Option<u64>,
    pub(super) threads: Option<NonZeroUsize>,
    pub(super) drain_delay: Duration,
    pub(super) grace: Duration,
    pub(super) spans: Option<Arc<SpanCounts>>,
    pub(super) lost_lines: LostLines,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// A traffic thread.
type Traffic = JoinHandle<()>;

pub fn run(arguments: Arguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let Arguments {
        manifests,
        listen,
        admin,
        data,
        data_max_bytes,
        simulator,
        threads,
        drain_delay,
        grace,
        log_format,
        log,
        otlp,
        fleet,
    } = arguments;
    let fleet = fleet.settings(&data)?;
    let admin = match (admin, &fleet) {
        (Some(address), None) if !address.ip().is_loopback() => return Err(Error::AdminInTheOpen(address)),
        (Some(address), _) => address,
        (None, None) => DEFAULT_ADMIN,
        (None, Some(_)) => DEFAULT_POD_ADMIN,
    };
    let traces = otlp.settings()?;
    let traces = traces.map(|settings| Traces::start(settings, runtime.handle().clone()));
    let traces = traces.transpose()?;
    let writing = logs::start(log_format, &log, traces.as_ref()).map_err(Error::Runtime)?;
    let source = match (fleet, manifests) {
        (Some(fleet), _) => Source::Fleet(fleet),
        (None, manifests) => Source::Manifests {
            loader: Loader::new(manifests.unwrap_or_default())?,
            simulator,
        },
    };
    let gateway = Gateway {
        listen,
        admin,
        data,
        data_max_bytes,
        threads,
        drain_delay,
        grace,
        spans: traces.as_ref().map(Traces::counts),
        lost_lines: writing.lost(),
    };
    let served = runtime.block_on(serve(gateway, source, |_| {}, signalled()));
    if let Some(traces) = traces {
        traces.stop();
    }
    served
}

/// Serves what `source` has until `stop`, then drains. `ready` is told once it takes requests.
pub(super) async fn serve(
    gateway: Gateway,
    source: Source,
    ready: impl FnOnce(Addresses),
    stop: impl Future<Output = io::Result<()>>,
) -> Result<(), Error> {
    let (admin, grace, threads) = (gateway.admin, gateway.grace, gateway.threads);
    let delay = gateway.drain_delay;
    let admin_listener = listen_first(admin, "--admin")?;
    let claimed = claim_first(gateway.listen, "--listen")?;
    let listen = claimed.address().unwrap_or(gateway.listen);
    let Started { app, source } = source.start(Gateway { listen, ..gateway })?;
    let administration = Administration::start(&app, admin_listener)?;
    let mut stop = pin!(stop);
    let has_snapshot = tokio::select! {
        () = source.ready() => true,
        stopped = &mut stop => { stopped.map_err(Error::Runtime)?; false }
    };
    let (leave, phase) = watch::channel(Phase::Serving);
    let mut traffic = Vec::new();
    if has_snapshot {
        let first = claimed.listen();
        let first = first.map_err(|source| not_listening(listen, "--listen", source))?;
        traffic.push(start_traffic(&app, first, &phase, grace)?);
        let threads = threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        for _ in 1..threads {
            traffic.push(start_traffic(&app, listen_on(listen, "--listen")?, &phase, grace)?);
        }
        app.ready.store(true, Ordering::Relaxed);
        let admin = administration.address;
        tracing::info!(%listen, %admin, data = %app.data.display(), threads, "serving; base URL for applications: http://{listen}/v1");
        ready(Addresses { listen, admin });
        stop.await.map_err(Error::Runtime)?;
    }
    drain::drain(app, traffic, &leave, delay).await;
    administration.stop().await;
    source.stop().await;
    tracing::info!("everything is stored; goodbye");
    Ok(())
}

/// The admin listener at work.
struct Administration {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    task: tokio::task::JoinHandle<()>,
}

impl Administration {
    fn start(app: &Arc<App>, listener: std::net::TcpListener) -> Result<Self, Error> {
        let ending = server::Ending {
            grace: Duration::from_secs(1),
            cut: CancellationToken::new(),
            seed: 0,
        };
        let (phase, phases) = watch::channel(Phase::Serving);
        let address = listener.local_addr().map_err(Error::Runtime)?;
        let listener = TcpListener::from_std(listener).map_err(Error::Runtime)?;
        let router = admin::router(app);
        Ok(Self {
            address,
            phase,
            task: tokio::spawn(server::serve(listener, router, phases, ending)),
        })
    }

    async fn stop(self) {
        let _ = self.phase.send(Phase::Closing);
        let _ = self.task.await;
    }
}

fn start_traffic(
    app: &Arc<App>,
    listener: std::net::TcpListener,
    phase: &watch::Receiver<Phase>,
    grace: Duration,
) -> Result<Traffic, Error> {
    let tls = client::tls().map_err(Error::Certificates)?;
    let ledger = Arc::new(Ledger {
        queue: Arc::clone(&app.queue),
        metrics: Arc::clone(&app.metrics),
        traced: app.spans.is_some(),
        ending: CancellationToken::new(),
    });
    let reach = match app.fleet {
        Some(_) => Reach::Remote,
        None => Reach::Local,
    };
    let clients = Arc::new(Clients::new(tls, reach));
    let worker = Arc::new(Worker {
        app: Arc::clone(app),
        ledger: Arc::clone(&ledger),
        clients,
    });
    let phase = phase.clone();
    let ending = server::Ending {
        grace,
        cut: ledger.ending.clone(),
        seed: rand::random(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let run = move || {
        runtime.block_on(async {
            match TcpListener::from_std(listener) {
                Ok(listener) => server::serve(listener, Front::traffic(worker), phase, ending).await,
                Err(error) => tracing::error!(%error, "failed to serve on a traffic thread"),
            }
        });
        // Whatever is still under way is dropped with the runtime, and recorded as cut by us.
        ledger.ending.cancel();
        drop(runtime);
    };
    std::thread::Builder::new()
        .name("traffic".to_owned())
        .spawn(run)
        .map_err(Error::Runtime)
}

/// As [`listen_first`], and does not listen yet.
fn claim_first(address: SocketAddr, flag: &'static str) -> Result<server::Claimed, Error> {
    let claimed = server::check_free(address).and_then(|()| server::claim(address));
    claimed.map_err(|source| not_listening(address, flag, source))
}

/// As [`listen_on`], and refuses an address that another program, or another gateway, listens on.
fn listen_first(address: SocketAddr, flag: &'static str) -> Result<std::net::TcpListener, Error> {
    server::check_free(address).map_err(|source| not_listening(address, flag, source))?;
    listen_on(address, flag)
}

fn listen_on(address: SocketAddr, flag: &'static str) -> Result<std::net::TcpListener, Error> {
    server::bind(address).map_err(|source| not_listening(address, flag, source))
}

fn not_listening(address: SocketAddr, flag: &'static str, source: io::Error) -> Error {
    Error::Listen { address, flag, source }
}

pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write an address and a port, for instance 127.0.0.1:9090".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the admin port is for this machine only: its address must be a loopback address, for instance 127.0.0.1:9090".to_owned())
    }
}

/// Reads what the stores may take.
fn data_bytes(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 << 20;
    let bytes = bytes(text)?;
    if bytes < LEAST {
        return Err("the stores need at least 64MiB".to_owned());
    }
    Ok(bytes)
}

/// Reads `500MB`, `10GiB` or a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let unit = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit));
    let number = text.trim_end_matches(unit.map_or("", |(unit, _)| unit)).trim();
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number of bytes, for instance 10GB or 500MiB".to_owned())?;
    let bytes = number.checked_mul(unit.map_or(1, |(_, bytes)| bytes));
    bytes.ok_or_else(|| "that is too much".to_owned())
}

/// Ends with the first SIGINT or SIGTERM.
pub(super) async fn signalled() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
