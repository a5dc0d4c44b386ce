//! The elector against an API server that holds one Lease.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;

/// The Lease of an API server, which minds versions as the real one does.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    writes: u64,
    is_down: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "llm")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let method = request.method().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let (status, object) = self.0.lock().unwrap().answer(&method, &body);
        Response::builder()
            .status(status)
            .body(Body::from(object.to_string().into_bytes()))
            .unwrap()
    }

    fn spec(&self, field: &str) -> Value {
        let state = self.0.lock().unwrap();
        state
            .lease
            .as_ref()
            .map_or(Value::Null, |lease| lease["spec"][field].clone())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl State {
    fn answer(&mut self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let failed = |code: StatusCode| {
            let reason = match code {
                StatusCode::NOT_FOUND => "NotFound",
                StatusCode::CONFLICT => "Conflict",
                _ => "InternalError",
            };
            let status = json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16()});
            (code, status)
        };
        if self.is_down {
            return failed(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let given = || serde_json::from_slice::<Value>(body).unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (method, &self.lease) {
            (&Method::GET, Some(lease)) => (StatusCode::OK, lease.clone()),
            (&Method::GET | &Method::PUT, None) => failed(StatusCode::NOT_FOUND),
            (&Method::PUT, Some(lease)) if version(lease) != version(&given()) => failed(StatusCode::CONFLICT),
            (&Method::POST, Some(_)) => failed(StatusCode::CONFLICT),
            _ => {
                self.writes += 1;
                let mut lease = given();
                lease["metadata"]["resourceVersion"] = self.writes.to_string().into();
                self.lease = Some(lease.clone());
                (StatusCode::OK, lease)
            }
        }
    }
}

struct Replica {
    leader: Leader,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Error>>,
}

fn start(server: &Server, seed: u64) -> Replica {
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .try_init();
    start_with(server, seed, Readiness::default())
}

fn start_with(server: &Server, seed: u64, readiness: Readiness) -> Replica {
    let (elector, leader) = stand(server.client(), ("llm", "operator"), "pod", seed, readiness);
    let stop = CancellationToken::new();
    let running = tokio::spawn(elector.run(stop.clone(), work().1));
    Replica { leader, stop, running }
}

async fn epoch(replica: &Replica, above: u64) -> u64 {
    let mut leadership = replica.leader.leadership();
    let leads = |now: &Leadership| matches!(now, Leadership::Leader { epoch } if *epoch > above);
    let found = timeout(Duration::from_secs(20), leadership.wait_for(leads)).await;
    match *found.unwrap().unwrap() {
        Leadership::Leader { epoch } => epoch,
        Leadership::Standby => unreachable!("waited for a leader"),
    }
}

#[tokio::test]
async fn a_lease_that_is_handed_back_goes_to_the_standby_within_two_seconds() {
    let server = Server::default();
    let first = start(&server, 1);
    assert_eq!(epoch(&first, 0).await, 1);
    let second = start(&server, 2);
    let began = Instant::now();
    first.stop.cancel();
    first.running.await.unwrap().unwrap();
    assert_eq!(epoch(&second, 0).await, 2);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(*first.leader.leadership().borrow(), Leadership::Standby);
    second.stop.cancel();
    second.running.await.unwrap().unwrap();
    assert_eq!(server.spec("holderIdentity"), Value::Null);
    assert_eq!(server.spec("leaseTransitions"), 2);
}

#[tokio::test]
async fn the_epoch_is_raised_as_asked_and_never_lowered() {
    let server = Server::default();
    let replica = start(&server, 1);
    epoch(&replica, 0).await;
    assert_eq!(replica.leader.raise_epoch_above(41).await.unwrap(), 42);
    assert_eq!(replica.leader.raise_epoch_above(7).await.unwrap(), 42);
    assert_eq!(*replica.leader.leadership().borrow(), Leadership::Leader { epoch: 42 });
    assert_eq!(server.spec("leaseTransitions"), 42);
    // Somebody else writes the Lease, then deletes it: neither keeps its holder from what it asks for.
    server.change(|state| state.lease.as_mut().unwrap()["metadata"]["resourceVersion"] = "other".into());
    assert_eq!(replica.leader.raise_epoch_above(50).await.unwrap(), 51);
    server.change(|state| state.lease = None);
    assert_eq!(replica.leader.raise_epoch_above(60).await.unwrap(), 61);
    assert!(matches!(
        replica.leader.raise_epoch_above(HIGHEST_EPOCH).await,
        Err(NotRaised::TooHigh(_))
    ));
}

#[tokio::test]
async fn a_leader_that_is_overtaken_stops_with_an_error() {
    let server = Server::default();
    let replica = start(&server, 1);
    epoch(&replica, 0).await;
    server.change(|state| {
        let lease = state.lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = "other".into();
        lease["metadata"]["resourceVersion"] = "other".into();
    });
    // Asking for an epoch makes it look now rather than in five seconds.
    assert!(replica.leader.raise_epoch_above(5).await.is_err());
    let ended = timeout(Duration::from_secs(20), replica.running).await;
    assert!(matches!(ended.unwrap().unwrap(), Err(Error::Lost { .. })));
    assert_eq!(*replica.leader.leadership().borrow(), Leadership::Standby);
    assert_eq!(server.spec("holderIdentity"), "other");
}

#[tokio::test]
async fn a_standby_is_not_ready_before_it_has_looked_at_the_lease() {
    let server = Server::default();
    let first = start(&server, 1);
    epoch(&first, 0).await;
    server.change(|state| state.is_down = true);
    let readiness = Readiness::default();
    let second = start_with(&server, 2, readiness.clone());
    sleep(LOOK).await;
    assert_eq!(readiness.reasons().as_deref(), Some("Lease: not looked at yet\n"));
    server.change(|state| state.is_down = false);
    let ready = async {
        while readiness.reasons().is_some() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), ready).await.unwrap();
    // The Lease is deleted the moment it is ready: it knows of a leader, who makes the Lease anew.
    server.change(|state| state.lease = None);
    assert!(first.leader.raise_epoch_above(1).await.is_ok());
    assert_eq!(*second.leader.leadership().borrow(), Leadership::Standby);
}
