//! The program as a whole: what runs beside what, and how it ends.

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Readiness},
    cluster::Cluster,
    leader,
    metrics::Metrics,
    settings::Settings,
};

/// Why the program ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Admin(#[from] admin::Error),
    #[error(transparent)]
    Leader(#[from] leader::Error),
    #[error("failed to define the metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("failed to listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs until SIGTERM or SIGINT, or until leadership is lost.
pub async fn run(client: Client, settings: Settings) -> Result<(), Error> {
    let metrics = Metrics::new()?;
    let readiness = Readiness::default();
    let stop = CancellationToken::new();
    // What only the leader does: the Lease is handed back when it has stopped.
    let (work, working) = leader::work();
    let (elector, _leader) = leader::stand(
        client.clone(),
        &settings.namespace,
        &settings.lease,
        &settings.pod_name,
        rand::random(),
    );
    drop(work);
    let (cluster, watching) = Cluster::watch(&client, &settings, &readiness, &metrics);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(watching);
    tasks.spawn(async move {
        cluster.synced().await;
        let routes = cluster.holdings().await.resources.routes.len();
        tracing::info!(routes, "listed");
    });
    let admin = admin::serve(settings.listen, readiness.clone(), metrics.clone(), stop.clone());
    let ended = tokio::select! {
        ended = elector.run(stop.clone(), working) => ended.map_err(Error::from),
        ended = admin => ended.map_err(Error::from),
        ended = stop_on_signal(stop.clone()) => ended,
    };
    stop.cancel();
    ended
}

/// Cancels `stop` on a signal, and then never ends: whoever stops decides when the program has.
async fn stop_on_signal(stop: CancellationToken) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
    }
    stop.cancel();
    std::future::pending().await
}
