//! The connections of a listener while they are served, and how they are told that it ends.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::client_stream::ClientStream;

/// How far a listener is on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    Serving,
    /// Nobody should come any more. Whoever does is answered, and the connection ends with the answer.
    Leaving,
    /// Nobody can come any more, idle connections are closed; answers under way go on within the grace period.
    Closing,
    /// What is under way ends at once.
    Cutting,
}

/// The phase, where it costs nothing to look.
#[derive(Debug)]
pub(super) struct Stage(AtomicU8);

/// All connections of a listener.
pub(super) struct Connections {
    pub(super) stage: Arc<Stage>,
    closing: CancellationToken,
    cut: CancellationToken,
    /// Held by each connection.
    held: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

/// One connection. It wakes when the listener closes, and when what is under way is cut: the answers on it need not wait for that, only look.
struct Served<C> {
    connection: C,
    client: ClientStream,
    _held: mpsc::Sender<Infallible>,
    stage: Arc<Stage>,
    wakes: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
    waits: bool,
    is_closing: bool,
}

impl Stage {
    pub(super) fn is_past(&self, phase: Phase) -> bool {
        self.0.load(Ordering::Relaxed) > phase as u8
    }

    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

impl Connections {
    /// `cut` is told to whoever ends what is under way.
    pub(super) fn new(cut: CancellationToken) -> Self {
        let (held, ended) = mpsc::channel(1);
        Self {
            stage: Arc::new(Stage(AtomicU8::new(Phase::Serving as u8))),
            closing: CancellationToken::new(),
            cut,
            held,
            ended,
        }
    }

    pub(super) fn is_now(&self, phase: Phase) {
        self.stage.set(phase);
    }

    /// Serves a connection until it ends, or the client is gone.
    pub(super) fn serve<C>(
        &self,
        client: ClientStream,
        connection: C,
    ) -> impl Future<Output = Result<(), C::Error>> + use<C>
    where
        C: GracefulConnection + Unpin,
    {
        let wakes = [&self.closing, &self.cut].map(|token| Box::pin(token.clone().cancelled_owned()));
        Served {
            connection,
            client,
            _held: self.held.clone(),
            stage: Arc::clone(&self.stage),
            wakes,
            waits: false,
            is_closing: false,
        }
    }

    /// Closes idle connections, and the others with the answers under way. Ends when all have ended.
    pub(super) async fn close(mut self) {
        self.stage.set(Phase::Closing);
        self.closing.cancel();
        drop(self.held);
        // Nothing is ever sent: it ends when nobody holds the other side.
        let _ = self.ended.recv().await;
    }
}

impl<C: GracefulConnection + Unpin> Future for Served<C> {
    type Output = Result<(), C::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.waits {
            // Once is enough: a task keeps its waker.
            this.waits = true;
            for wake in &mut this.wakes {
                let _ = wake.as_mut().poll(context);
            }
        }
        if !this.is_closing && this.stage.is_past(Phase::Leaving) {
            this.is_closing = true;
            Pin::new(&mut this.connection).graceful_shutdown();
        }
        match Pin::new(&mut this.connection).poll(context) {
            // What is under way ends with the connection.
            Poll::Pending if this.client.is_gone(context) => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}
