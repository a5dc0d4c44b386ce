//! `route-switch demo`: the whole gateway on one machine, without an account anywhere. Everything runs in this process, so that
//! nothing is left behind whatever ends it: a simulated provider, a gateway on the sample manifests, and a client that asks it
//! things and checks each answer.

use std::{io, net::SocketAddr, path::PathBuf, pin::pin, time::Duration};

use clap::Args;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{client::Client, screen::Screen, tour::Tour};
use super::serve::{self, Addresses, Gateway, Source, loopback};
use crate::{
    config::manifests::{self, Loader},
    http::server,
    simulator,
    telemetry::logs,
};

mod client;
mod figures;
mod next;
mod place;
mod screen;
mod steps;
mod tour;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

/// How long answers under way may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// Shows the gateway at work: starts a simulated provider and a gateway on sample manifests, sends a few requests through every
/// part, says what each did and cost, and keeps running until Ctrl-C. It needs no key of any provider.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch demo
  route-switch demo --dir ~/route-switch-demo     # again with the same manifests and stores next time
  route-switch demo --once                        # ends after the tour; status 1 if anything was not as it should be")]
pub struct Arguments {
    /// Directory for manifests, stores and log; files that are there are kept [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Where applications connect [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where metrics and probes are served, on this machine only [default: 127.0.0.1:9090, or a free port if that is taken]
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    admin: Option<SocketAddr>,
    /// End after the tour
    #[arg(long)]
    once: bool,
}

/// Why the demo did not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Place(#[from] place::Error),
    #[error(transparent)]
    Manifests(#[from] manifests::Error),
    #[error(transparent)]
    Gateway(#[from] serve::Error),
    #[error("failed to start the simulated provider")]
    Simulator(#[source] io::Error),
    #[error("failed to make a client")]
    Client(#[source] reqwest::Error),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
    #[error("failed to wait for signals")]
    Signals(#[source] io::Error),
    #[error("the gateway stopped by itself; its log is {}", .0.display())]
    Stopped(PathBuf),
    #[error("{failed} of {steps} steps did not give what they should")]
    Steps { failed: usize, steps: usize },
}

/// What runs beside the tour.
struct Running {
    addresses: Addresses,
    simulator: simulator::Running,
    gateway: JoinHandle<Result<(), serve::Error>>,
    stop: CancellationToken,
    log: PathBuf,
}

pub fn run(arguments: Arguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(demo(arguments))
}

async fn demo(arguments: Arguments) -> Result<(), Error> {
    let Arguments {
        dir,
        listen,
        admin,
        once,
    } = arguments;
    let place = place::Place::make(dir)?;
    let writing = logs::start_in(place.open_log()?, "info").map_err(Error::Runtime)?;
    let screen = Screen::of_stdout();
    let running = Running::start(&place, (listen, admin), writing.lost()).await?;
    let mut signalled = pin!(serve::signalled());
    let shown = tokio::select! {
        shown = show(screen, &place, &running, (listen, admin), once) => shown,
        signal = &mut signalled => signal.map(|()| None).map_err(Error::Signals),
    };
    if let Ok(Some(_)) = &shown
        && !once
    {
        signalled.await.map_err(Error::Signals)?;
    }
    running.stop().await?;
    let tour = shown?;
    next::goodbye(screen, &place).map_err(Error::Output)?;
    match tour {
        Some(Tour { failed, steps }) if failed > 0 => Err(Error::Steps { failed, steps }),
        _ => Ok(()),
    }
}

/// The tour, and what to try after it.
async fn show(
    screen: Screen,
    place: &place::Place,
    running: &Running,
    wished: (Option<SocketAddr>, Option<SocketAddr>),
    once: bool,
) -> Result<Option<Tour>, Error> {
    let addresses = running.addresses;
    let simulator = running.simulator.base_url();
    next::welcome(screen, place, addresses, &simulator, wished).map_err(Error::Output)?;
    let client = Client::new(addresses).map_err(Error::Client)?;
    let tour = tour::run(screen, client, place).await.map_err(Error::Output)?;
    if !once {
        next::suggest(screen, place, addresses).map_err(Error::Output)?;
    }
    Ok(Some(tour))
}

impl Running {
    async fn start(
        place: &place::Place,
        (listen, admin): (Option<SocketAddr>, Option<SocketAddr>),
        lost_lines: logs::LostLines,
    ) -> Result<Self, Error> {
        let loader = Loader::new(&place.manifests)?;
        let simulator = simulator::start(simulator::Settings::default())
            .await
            .map_err(Error::Simulator)?;
        let plan = Gateway {
            listen: listen.unwrap_or_else(|| free(LISTEN)),
            admin: admin.unwrap_or_else(|| free(ADMIN)),
            data: place.data.clone(),
            data_max_bytes: None,
            threads: None,
            drain_delay: Duration::ZERO,
            grace: GRACE,
            spans: None,
            lost_lines,
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let (ready, addresses) = oneshot::channel();
        let tell = |addresses| {
            // Nobody listens any more only when the demo has ended already.
            let _ = ready.send(addresses);
        };
        let source = Source::Manifests {
            loader,
            simulator: Some(format!("http://{}", simulator.address)),
        };
        let gateway = tokio::spawn(serve::serve(plan, source, tell, async move {
            stopped.await;
            Ok(())
        }));
        match addresses.await {
            Ok(addresses) => Ok(Self {
                addresses,
                simulator,
                gateway,
                stop,
                log: place.log.clone(),
            }),
            Err(_) => Err(ended(gateway, &place.log)
                .await
                .err()
                .unwrap_or_else(|| Error::Stopped(place.log.clone()))),
        }
    }

    /// Drains the gateway, then ends the simulator.
    async fn stop(self) -> Result<(), Error> {
        let Self {
            addresses: _,
            simulator,
            gateway,
            stop,
            log,
        } = self;
        stop.cancel();
        let drained = ended(gateway, &log).await;
        simulator.stop().await;
        drained
    }
}

async fn ended(gateway: JoinHandle<Result<(), serve::Error>>, log: &std::path::Path) -> Result<(), Error> {
    match gateway.await {
        Ok(ended) => Ok(ended?),
        Err(_) => Err(Error::Stopped(log.to_owned())),
    }
}

/// The address, or the same with a port that the system chooses when it is taken.
fn free(address: SocketAddr) -> SocketAddr {
    match server::check_free(address) {
        Ok(()) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_left_to_its_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap();
        assert_eq!(free(taken).port(), 0);
        let shared = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(free(shared.local_addr().unwrap()).port(), 0);
    }
}
