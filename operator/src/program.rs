//! The program as a whole: what runs beside what, and how it ends.

use std::{convert::Infallible, sync::Arc};

use crds::compiler;
use futures_util::FutureExt as _;
use kube::Client;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Readiness},
    cluster::Cluster,
    controllers::Identity,
    leader::{self, Leader},
    metrics::Metrics,
    publish::{self, Publisher},
    reconcile::Reconciler,
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
    #[error("a part of the program broke; it starts again as a whole")]
    Broken(#[source] JoinError),
}

/// Runs until SIGTERM or SIGINT, or until leadership is lost.
pub async fn run(client: Client, settings: Settings) -> Result<(), Error> {
    let metrics = Metrics::new()?;
    let readiness = Readiness::default();
    let stop = CancellationToken::new();
    // What only the leader does: the Lease is handed back when it has stopped.
    let (work, working) = leader::work();
    let (elector, leader) = leader::stand(
        client.clone(),
        (&settings.namespace, &settings.lease),
        &settings.pod_name,
        rand::random(),
        readiness.clone(),
    );
    let (cluster, watching) = Cluster::watch(&client, &settings, &readiness, &metrics);
    let cluster = Arc::new(cluster);
    let listed = Arc::clone(&cluster);
    let surroundings = surroundings(&client, &leader, &work, &cluster, &metrics)?;
    let (publisher, pushing) = Publisher::new(publishing(&settings), surroundings);
    let reconciler = Reconciler {
        identity: Identity {
            namespace: settings.namespace.clone(),
            pod_name: settings.pod_name.clone(),
        },
        client,
        cluster,
        publisher,
        leadership: leader.leadership(),
        work,
        settings: compiler::Settings {
            simulator_url: settings.simulator.clone(),
            secret_namespaces: settings.secrets.named().cloned(),
            ..compiler::Settings::default()
        },
        metrics: metrics.clone(),
    };
    // A task each, so that they share the machine; all end with this function.
    let mut tasks = JoinSet::new();
    tasks.spawn(watching);
    tasks.spawn(pushing);
    tasks.spawn(reconciler.run());
    let admin = admin::serve(settings.listen, readiness, metrics, stop.clone());
    let election = async {
        // Whoever cannot read what there is leaves the lead to others.
        tokio::select! {
            () = listed.synced() => elector.run(stop.clone(), working).await,
            () = stop.cancelled() => Ok(()),
        }
    };
    let ended = tokio::select! {
        ended = election => ended.map_err(Error::from),
        Err(error) = admin => Err(error.into()),
        error = broken(&mut tasks) => Err(Error::Broken(error)),
        ended = stop_on_signal(stop.clone()) => ended.map(|never| match never {}),
    };
    stop.cancel();
    ended
}

/// Waits until a task panics: a leader that does half of its work must not keep others from it. One that ends has its reasons.
async fn broken(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return error,
            None => std::future::pending().await,
        }
    }
}

fn surroundings(
    client: &Client,
    leader: &Leader,
    work: &leader::Work,
    cluster: &Arc<Cluster>,
    metrics: &Metrics,
) -> Result<publish::Surroundings, prometheus::Error> {
    let cluster = Arc::clone(cluster);
    Ok(publish::Surroundings {
        client: client.clone(),
        leader: leader.clone(),
        work: work.clone(),
        confirm_removal: Box::new(move || {
            let cluster = Arc::clone(&cluster);
            async move { cluster.confirm().await }.boxed()
        }),
        metrics: publish::Metrics::new(&metrics.registry)?,
        random: StdRng::seed_from_u64(rand::random()),
    })
}

fn publishing(settings: &Settings) -> publish::Settings {
    publish::Settings {
        namespace: settings.namespace.clone(),
        fleet_key_secret: settings.fleet_key_secret.clone(),
        create_fleet_key: settings.makes_fleet_key,
        gateway_namespace: settings.gateways.namespace.clone(),
        gateway_selector: settings.gateways.selector.clone(),
        gateway_admin_port: settings.gateways.admin_port,
        resync: settings.resync,
    }
}

/// Cancels `stop` on a signal, and then never ends: whoever stops decides when the program has.
async fn stop_on_signal(stop: CancellationToken) -> Result<Infallible, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
    }
    stop.cancel();
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_told_and_one_that_ends_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(async { panic!("on purpose") });
        assert!(broken(&mut tasks).await.is_panic());
        assert!(broken(&mut tasks).now_or_never().is_none());
    }
}
