//! A pod that keeps the rules of `crds::fleet`, unless it is told otherwise.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
};
use crds::fleet::{
    Heartbeat, PodIdentity, Push, Refusal, SNAPSHOT_PATH, seal,
    signature::{self, HEADER, Request, Verifier},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::*;
use crate::publish::pods::Gateway;

/// What it makes of a push.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    Takes,
    /// It never answers.
    Silent,
    RefusesWhole,
    /// This object, with these words.
    RefusesObject(String, String),
}

/// What it has seen, and what it is.
#[derive(Debug)]
pub(super) struct Seen {
    uid: String,
    name: String,
    keys: FleetKeys,
    verifier: Verifier,
    manner: Manner,
    pub(super) held: Option<Push>,
    pub(super) pushed: Vec<Order>,
    pub(super) bodies: Vec<String>,
    pub(super) heartbeats: usize,
    pub(super) siblings: Vec<String>,
    /// Pushes that nobody waits for any more.
    cut_off: usize,
}

type Shared = Arc<Mutex<Seen>>;

/// A server on the loopback interface.
pub(super) struct FakePod {
    pub(super) gateway: Gateway,
    seen: Shared,
    /// Counts whatever happens.
    news: watch::Receiver<usize>,
    hang_up: watch::Sender<usize>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Served {
    seen: Shared,
    news: Arc<watch::Sender<usize>>,
    hang_up: watch::Receiver<usize>,
}

impl FakePod {
    pub(super) async fn start(index: usize, keys: FleetKeys) -> Self {
        let (name, uid) = (format!("gateway-{index}"), format!("uid-{index}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway {
            name: name.clone(),
            uid: uid.clone(),
            ordinal: u32::try_from(index).ok(),
            admin: Some(listener.local_addr().unwrap()),
            ready: true,
            terminating: false,
        };
        let seen = Arc::new(Mutex::new(Seen {
            uid,
            name,
            keys,
            verifier: Verifier::default(),
            manner: Manner::Takes,
            held: None,
            pushed: Vec::new(),
            bodies: Vec::new(),
            heartbeats: 0,
            siblings: Vec::new(),
            cut_off: 0,
        }));
        let (sender, news) = watch::channel(0);
        let (hang_up, until) = watch::channel(0);
        let state = Served {
            seen: seen.clone(),
            news: Arc::new(sender),
            hang_up: until,
        };
        let app = Router::new()
            .fallback(serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(state);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            gateway,
            seen,
            news,
            hang_up,
            server,
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(super) fn set(&self, manner: Manner) {
        self.seen().manner = manner;
    }

    pub(super) fn set_keys(&self, keys: FleetKeys) {
        self.seen().keys = keys;
    }

    /// As if it had been pushed.
    pub(super) fn hold(&self, order: Order, snapshot: Snapshot) {
        let mut seen = self.seen();
        let key = seen.keys.current.id().clone();
        let push = Push::seal(order, snapshot, &seen.keys, &key, || [3; seal::NONCE_BYTES]);
        seen.held = Some(push.unwrap());
    }

    pub(super) fn forget(&self) {
        self.seen().held = None;
    }

    /// Ends what hangs.
    pub(super) fn hang_up(&self) {
        self.hang_up.send_modify(|count| *count += 1);
    }

    /// Until it was sent so many Snapshots.
    pub(super) async fn pushed(&self, count: usize) {
        self.until(|seen| seen.pushed.len() >= count).await;
    }

    /// Until it was asked so many times how it is.
    pub(super) async fn heard(&self, count: usize) {
        self.until(|seen| seen.heartbeats >= count).await;
    }

    /// Until somebody no longer waits for an answer.
    pub(super) async fn cut_off(&self) {
        self.until(|seen| seen.cut_off > 0).await;
    }

    async fn until(&self, condition: impl Fn(&Seen) -> bool) {
        let mut news = self.news.clone();
        news.wait_for(|_| condition(&self.seen())).await.unwrap();
    }
}

impl Drop for FakePod {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Counts a push that is dropped unanswered.
struct Unanswered(Served);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.seen.lock().unwrap().cut_off += 1;
        self.0.news.send_modify(|count| *count += 1);
    }
}

async fn serve(State(served): State<Served>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = answer(&served.seen, &method, uri.path(), &headers, &body);
    served.news.send_modify(|count| *count += 1);
    if let Some(answer) = answer {
        let asked = headers.get(HEADER).and_then(|value| value.to_str().ok());
        return signed(&served.seen, answer, uri.path(), asked.unwrap_or_default()).await;
    }
    let mut hang_up = served.hang_up.clone();
    let _unanswered = Unanswered(served);
    let _ = hang_up.changed().await;
    StatusCode::BAD_GATEWAY.into_response()
}

/// Answers are signed with the key of the request.
async fn signed(seen: &Shared, answer: Response, path: &str, asked: &str) -> Response {
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let keys = seen.lock().unwrap().keys.clone();
    let key = signature::key_of(asked).unwrap();
    let answer = signature::answer(parts.status.as_str(), path, &body, asked);
    let now = jiff::Timestamp::now().as_millisecond();
    let header = signature::sign(&keys, &key, answer, now, 4);
    parts.headers.insert(HEADER, header.parse().unwrap());
    Response::from_parts(parts, body.into())
}

/// None where it stays silent.
fn answer(seen: &Shared, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    let mut seen = seen.lock().unwrap();
    let seen = &mut *seen;
    let request = Request {
        method: method.as_str(),
        path,
        body,
        receiver: &seen.uid,
    };
    let signature = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let now = jiff::Timestamp::now().as_millisecond();
    if let Err(error) = seen.verifier.verify(&seen.keys, signature, request, now) {
        return Some(no(StatusCode::UNAUTHORIZED, &error.to_string(), None));
    }
    Some(match (method.as_str(), path) {
        ("GET", SNAPSHOT_PATH) => match &seen.held {
            Some(push) => axum::Json(push).into_response(),
            None => no(StatusCode::NOT_FOUND, "it has none yet", None),
        },
        ("PUT", SNAPSHOT_PATH) => return take(seen, body),
        _ => {
            seen.heartbeats += 1;
            seen.siblings = serde_json::from_slice::<Heartbeat>(body).unwrap().siblings;
            axum::Json(report(seen)).into_response()
        }
    })
}

fn take(seen: &mut Seen, body: &[u8]) -> Option<Response> {
    let push: Push = serde_json::from_slice(body).unwrap();
    seen.pushed.push(push.order);
    seen.bodies.push(String::from_utf8(body.to_vec()).unwrap());
    let held = seen.held.as_ref().map(|held| held.order);
    Some(match &seen.manner {
        Manner::Silent => return None,
        Manner::RefusesWhole => no(StatusCode::UNPROCESSABLE_ENTITY, "not like this", None),
        Manner::Takes | Manner::RefusesObject(..) if held >= Some(push.order) => {
            no(StatusCode::CONFLICT, "it has a newer one", held)
        }
        Manner::Takes | Manner::RefusesObject(..) => {
            seen.held = Some(push);
            axum::Json(report(seen)).into_response()
        }
    })
}

fn report(seen: &Seen) -> PodReport {
    PodReport {
        pod: PodIdentity {
            name: seen.name.clone(),
            uid: seen.uid.clone(),
        },
        order: seen.held.as_ref().map(|held| held.order),
        revision: seen.held.as_ref().map(|held| held.snapshot.revision.clone()),
        refused: match &seen.manner {
            Manner::RefusesObject(object, words) => [(object.clone(), words.clone())].into(),
            _ => BTreeMap::new(),
        },
        key_ids: seen.keys.ids(),
        kept_unix_millis: seen.held.as_ref().map(|_| 0),
    }
}

fn no(status: StatusCode, message: &str, order: Option<Order>) -> Response {
    let message = message.to_owned();
    (status, axum::Json(Refusal { message, order })).into_response()
}
