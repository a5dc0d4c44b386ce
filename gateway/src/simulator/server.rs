//! Connections: accepts them, serves them, and can close or reset one in the middle of an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::behaviour::Break;
use super::journal::Journal;

/// How long answers may go on once the server is to stop.
const DRAIN: Duration = Duration::from_secs(1);
/// Wait after a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// The connection that a request came on.
#[derive(Clone, Debug)]
pub(crate) struct Connection(mpsc::UnboundedSender<Break>);

impl Connection {
    /// Closes or resets the connection.
    pub(crate) fn end(&self, how: Break) {
        // A send fails only if the connection has ended already.
        let _ = self.0.send(how);
    }
}

/// Serves until `stop`, then lets answers go on for a second.
pub(crate) async fn serve(listener: TcpListener, router: Router, journal: Arc<Journal>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    journal.connected();
                    connections.spawn(connection(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let (sender, mut ends) = mpsc::unbounded_channel();
    let handle = Connection(sender);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(handle.clone());
        router.clone().oneshot(request)
    });
    let mut served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = &mut served => return,
            Some(how) = ends.recv() => {
                if let Err(error) = end(served.into_parts().io.into_inner(), how) {
                    tracing::warn!(%error, "failed to reset a connection");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut served).graceful_shutdown();
            }
        }
    }
}

/// Closes the connection, with RST in place of FIN for a reset.
fn end(stream: TcpStream, how: Break) -> io::Result<()> {
    if how == Break::Reset {
        stream.set_zero_linger()?;
    }
    drop(stream);
    Ok(())
}
