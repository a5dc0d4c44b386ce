//! Accepting connections: one listener, one accept loop and one pool of provider connections for each traffic thread.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::Response;
use http::{Extensions, HeaderValue, Request, header, request};
use hyper::{body::Incoming, server::conn::http1::Builder};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::router::{self, Front};

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

/// How far a listener is on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// Nobody should come any more. Whoever does is answered, and the connection ends with the answer.
    Leaving,
    /// Nobody can come any more, idle connections are closed; answers under way go on within the grace period.
    Closing,
    /// What is under way ends at once.
    Cutting,
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
    let graceful = GracefulShutdown::new();
    let leaving = Arc::new(AtomicBool::new(false));
    let mut random = SmallRng::seed_from_u64(ending.seed);
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = phase.changed() => {
                let now = *phase.borrow_and_update();
                if changed.is_err() || now > Phase::Leaving {
                    break;
                }
                leaving.store(now == Phase::Leaving, Ordering::Relaxed);
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
                    leaving: Arc::clone(&leaving),
                };
                let connection = graceful.watch(builder.serve_connection(nodelay(stream), answering));
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
    end(graceful, phase, ending).await;
}

/// Lets answers under way end within the grace period; those that do not are told to.
async fn end(graceful: GracefulShutdown, mut phase: watch::Receiver<Phase>, ending: Ending) {
    let mut drained = pin!(graceful.shutdown());
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

fn nodelay(stream: TcpStream) -> TokioIo<TcpStream> {
    // Failing is harmless: answers only come a little later.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}

/// Answers the requests of one connection.
struct Answering {
    front: Front,
    remote: SocketAddr,
    opened: Instant,
    max_age: Duration,
    leaving: Arc<AtomicBool>,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        request.extensions_mut().insert(Connection { remote: self.remote });
        Answer {
            is_last: self.opened.elapsed() > self.max_age,
            leaving: Arc::clone(&self.leaving),
            answering: self.front.answer(request),
        }
    }
}

/// An answer under way.
struct Answer {
    answering: router::Answering,
    /// The connection ends with it, since it is old.
    is_last: bool,
    /// It ends with it, since the gateway does.
    leaving: Arc<AtomicBool>,
}

impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.answering).poll(context));
        if self.is_last || self.leaving.load(Ordering::Relaxed) {
            answer
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(answer))
    }
}
