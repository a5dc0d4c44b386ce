//! The end of a gateway: it says that it is not ready, still takes requests while that gets about, then lets answers under way end,
//! and stores what was recorded. Another signal ends whichever of these waits at once.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use super::{Traffic, signalled};
use crate::{app::App, http::server::Phase};

/// Returns when all traffic has ended and the stores have taken what was recorded. The admin port is not touched: whoever pushes,
/// scrapes or asks for the fleet's figures still gets an answer.
pub(super) async fn drain(app: Arc<App>, traffic: Vec<Traffic>, phase: &watch::Sender<Phase>, delay: Duration) {
    app.ready.store(false, Ordering::Relaxed);
    if !traffic.is_empty() && !delay.is_zero() {
        tracing::info!(
            ?delay,
            "draining: not ready any more, and still taking requests until the delay ends"
        );
        phase.send_replace(Phase::Leaving);
        tokio::select! {
            () = sleep(delay) => {}
            () = again() => tracing::info!("signalled again: the delay is over"),
        }
    }
    tracing::info!("draining: no new connections; answers under way go on");
    phase.send_replace(Phase::Closing);
    let mut drained = tokio::task::spawn_blocking(move || join(traffic, &app));
    tokio::select! {
        _ = &mut drained => return,
        () = again() => {}
    }
    tracing::warn!("signalled again: answers under way are cut");
    phase.send_replace(Phase::Cutting);
    let _ = drained.await;
}

/// Waits for another signal.
async fn again() {
    if let Err(error) = signalled().await {
        // Without signals, only time ends it.
        tracing::warn!(%error, "failed to wait for another signal");
        std::future::pending::<()>().await;
    }
}

/// Waits for the traffic threads to drain, then for the stores to take all that was recorded.
fn join(traffic: Vec<Traffic>, app: &App) {
    for thread in traffic {
        if thread.join().is_err() {
            tracing::error!("a traffic thread had failed");
        }
    }
    // One that goes on would keep the stores open.
    app.backups.stop();
    app.queue.close();
}
