//! Accepting connections: one listener, one accept loop and one pool of provider connections for each traffic thread.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::Response;
use http::{Extensions, HeaderValue, Request, header, request};
use hyper::{body::Incoming, server::conn::http1::Builder};
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use super::served::Phase;
use super::{
    client_stream::ClientStream,
    router::{self, Front},
    served::{Connections, Stage},
};

/// A connection that is older is closed after its next response, so that new pods get load; and up to a tenth longer, by chance.
const MAX_AGE: Duration = Duration::from_mins(10);
const BACKLOG: i32 = 4096;
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long answers that are cut may take to say so.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The connection on which a request came.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub remote: SocketAddr,
}

impl Connection {
    pub fn of(parts: &request::Parts) -> Self {
        Self::in_extensions(&parts.extensions)
    }

    pub fn in_extensions(extensions: &Extensions) -> Self {
        // A request without a connection comes from a test that calls the router itself: nobody local.
        extensions.get().copied().unwrap_or(Self {
            remote: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        })
    }
}

/// How the connections of a listener end.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How long answers under way may go on once the listener is closed.
    pub grace: Duration,
    /// Told when the grace is over: what is under way then ends as soon as it can.
    pub cut: CancellationToken,
    /// Of the chance in how old connections get.
    pub seed: u64,
}

/// An address that is taken and where nobody listens yet: whoever connects is refused.
pub struct Claimed(Socket);

impl Claimed {
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()?.as_socket()
    }

    pub fn listen(self) -> io::Result<std::net::TcpListener> {
        self.0.listen(BACKLOG)?;
        Ok(self.0.into())
    }
}

/// A listener that shares its address with those of the other traffic threads.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    claim(address)?.listen()
}

/// As [`bind`], without listening.
pub fn claim(address: SocketAddr) -> io::Result<Claimed> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(Claimed(socket))
}

/// Whether nobody listens on the address. [`bind`] cannot tell: it would share the address with another gateway of this user, and
/// each would get some of the connections.
pub fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Serves until the phase is past [`Phase::Leaving`], then lets answers under way end within the grace period.
pub async fn serve(listener: TcpListener, front: impl Into<Front>, mut phase: watch::Receiver<Phase>, ending: Ending) {
    let front = front.into();
    let connections = Connections::new(ending.cut.clone());
    let mut random = SmallRng::seed_from_u64(ending.seed);
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    // Whether the client has gone is found out beside it: see `client_stream`.
    builder.half_close(true);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = phase.changed() => {
                let now = *phase.borrow_and_update();
                if changed.is_err() || now > Phase::Leaving {
                    break;
                }
                connections.is_now(now);
                continue;
            }
        };
        match accepted {
            Ok((stream, remote)) => {
                let max_age = MAX_AGE + MAX_AGE.mul_f64(random.random_range(0.0..0.1));
                let answering = Answering {
                    front: front.clone(),
                    remote,
                    opened: Instant::now(),
                    max_age,
                    stage: Arc::clone(&connections.stage),
                };
                let client = ClientStream::of(stream);
                let connection = builder.serve_connection(TokioIo::new(client.clone()), answering);
                let connection = connections.serve(client, connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%remote, %error, "a connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                // Out of file descriptors, most likely: let some end first.
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    end(connections, phase, ending).await;
}

/// Lets answers under way end within the grace period; those that do not are told to.
async fn end(connections: Connections, mut phase: watch::Receiver<Phase>, ending: Ending) {
    let mut drained = pin!(connections.close());
    tokio::select! {
        () = &mut drained => return,
        () = sleep(ending.grace) => {
            tracing::warn!(grace = ?ending.grace, "answers were still under way when the grace period ended");
        }
        Ok(_) = phase.wait_for(|phase| *phase == Phase::Cutting) => {}
    }
    ending.cut.cancel();
    // Whoever does not take the last words now does without.
    let _ = timeout(LAST_WORDS, drained).await;
}

/// Answers the requests of one connection.
struct Answering {
    front: Front,
    remote: SocketAddr,
    opened: Instant,
    max_age: Duration,
    stage: Arc<Stage>,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        Answer {
            is_last: self.opened.elapsed() > self.max_age,
            stage: Arc::clone(&self.stage),
            answering: self.front.answer(request, Connection { remote: self.remote }),
        }
    }
}

/// An answer under way.
struct Answer {
    answering: router::Answering,
    /// The connection ends with it, since it is old.
    is_last: bool,
    /// It ends with it, since the gateway does.
    stage: Arc<Stage>,
}

impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.answering).poll(context));
        if self.is_last || self.stage.is_past(Phase::Serving) {
            answer
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(answer))
    }
}
