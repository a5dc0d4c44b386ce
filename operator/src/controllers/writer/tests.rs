//! What is asked of the API server, at an API server that answers as it is told.

use std::{convert::Infallible, future::pending, time::Duration};

use crds::{
    object::{Kind, ObjectId, ObjectName},
    prompt_revision::PromptRevision,
    status::RouteStatus,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::AbortHandle};

use super::*;
use crate::controllers::{
    difference::Urgency,
    notice::Notice,
    stored::Status,
    write::{About, StatusWrite},
};

/// A call, and what it is answered.
struct Asked {
    method: Method,
    path: String,
    query: String,
    body: Value,
    answer: tokio::sync::oneshot::Sender<(StatusCode, Value)>,
}

/// A writer before an API server that asks the test.
struct Scene {
    plans: watch::Sender<Arc<Vec<Arc<Write>>>>,
    ledger: Arc<Mutex<Ledger>>,
    asked: mpsc::Receiver<Asked>,
    running: AbortHandle,
}

impl Scene {
    fn new() -> Self {
        let (ask, asked) = mpsc::channel(64);
        let service = tower::service_fn(move |request: Request<Body>| {
            let ask = ask.clone();
            async move { Ok::<_, Infallible>(answer(request, &ask).await) }
        });
        let client = Client::new(service, "default");
        let identity = Identity {
            namespace: "system".to_owned(),
            pod_name: "operator-0".to_owned(),
        };
        let ledger = Arc::default();
        let (plans, planned) = watch::channel(Arc::default());
        let writer = Writer::new(client, identity, Arc::clone(&ledger));
        let mut running = JoinSet::new();
        let handle = running.spawn(writer.run(planned));
        running.detach_all();
        Self {
            plans,
            ledger,
            asked,
            running: handle,
        }
    }

    fn plan(&self, writes: &[Write]) {
        let writes = writes.iter().cloned().map(Arc::new).collect();
        self.plans.send_replace(Arc::new(writes));
    }

    async fn asked(&mut self) -> Asked {
        let asked = timeout(Duration::from_secs(30), self.asked.recv()).await;
        asked.expect("within 30 s").expect("the writer runs")
    }

    /// Until the ledger says so.
    async fn noted(&self, noted: impl Fn(&Ledger) -> bool) {
        let asking = async {
            while !noted(&self.ledger.lock().unwrap()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), asking).await.expect("within 30 s");
    }
}

async fn answer(request: Request<Body>, ask: &mpsc::Sender<Asked>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        answer,
    };
    if ask.send(asked).await.is_err() {
        return pending().await;
    }
    let Ok((status, body)) = answered.await else {
        return pending().await;
    };
    let mut response = Response::new(Body::from(serde_json::to_vec(&body).expect("JSON")));
    *response.status_mut() = status;
    response
}

fn route_status(generation: i64) -> StatusWrite {
    let status = RouteStatus {
        observed_generation: Some(generation),
        ..RouteStatus::default()
    };
    StatusWrite {
        id: ObjectId {
            kind: Kind::Route,
            name: ObjectName::new("team", "fast"),
        },
        uid: Some("uid-1".to_owned()),
        base: "10".to_owned(),
        status: Status::Route(status),
        urgency: Urgency::Now,
        notices: Vec::new(),
    }
}

fn status(generation: i64) -> Write {
    Write::Status(Box::new(route_status(generation)))
}

fn route(version: &str) -> Value {
    let metadata = json!({"name": "fast", "namespace": "team", "resourceVersion": version});
    json!({"apiVersion": "routeswitch.io/v1alpha1", "kind": "Route", "metadata": metadata, "spec": "of another version"})
}

fn failure(status: StatusCode) -> (StatusCode, Value) {
    let reason = match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": reason, "code": status.as_u16(),
    });
    (status, body)
}

#[tokio::test]
async fn a_status_is_applied_to_its_subresource_by_a_manager_of_its_own() {
    let mut scene = Scene::new();
    scene.plan(&[status(3)]);
    let asked = scene.asked().await;
    assert_eq!(asked.method, Method::PATCH);
    assert_eq!(
        asked.path,
        "/apis/routeswitch.io/v1alpha1/namespaces/team/routes/fast/status"
    );
    for part in ["fieldManager=route-switch-operator-status", "force=true"] {
        assert!(asked.query.contains(part), "{}", asked.query);
    }
    let expected = json!({
        "apiVersion": "routeswitch.io/v1alpha1", "kind": "Route", "metadata": {"name": "fast", "namespace": "team"},
        "status": {"observedGeneration": 3},
    });
    assert_eq!(asked.body, expected);
    asked.answer.send((StatusCode::OK, route("11"))).unwrap();
    scene.noted(|ledger| ledger.statuses.len() == 1).await;
    let applied = scene.ledger.lock().unwrap().statuses.values().next().cloned().unwrap();
    assert_eq!((applied.base.as_str(), applied.version.as_str()), ("10", "11"));
    assert!(applied.is_ahead_of("10") && applied.is_ahead_of("9") && !applied.is_ahead_of("11"));
}

#[tokio::test]
async fn a_failed_status_is_tried_again_as_it_is_by_then() {
    let mut scene = Scene::new();
    scene.plan(&[status(1)]);
    let asked = scene.asked().await;
    scene.plan(&[status(2)]);
    asked.answer.send(failure(StatusCode::INTERNAL_SERVER_ERROR)).unwrap();
    let again = scene.asked().await;
    assert_eq!(again.body["status"]["observedGeneration"], 2);
    again.answer.send(failure(StatusCode::CONFLICT)).unwrap();
    let again = scene.asked().await;
    again.answer.send((StatusCode::OK, route("12"))).unwrap();
    scene.noted(|ledger| ledger.statuses.len() == 1).await;
}

#[tokio::test]
async fn a_writer_that_is_dropped_writes_no_more() {
    let mut scene = Scene::new();
    scene.plan(&[status(1)]);
    let asked = scene.asked().await;
    scene.running.abort();
    while !scene.running.is_finished() {
        tokio::task::yield_now().await;
    }
    scene.plan(&[status(2)]);
    // The call under way is cut off: nobody waits for its answer, and no other follows.
    assert!(asked.answer.send(failure(StatusCode::INTERNAL_SERVER_ERROR)).is_err());
    assert!(scene.asked.recv().await.is_none());
}

#[tokio::test]
async fn a_revision_is_not_taken_from_somebody_else() {
    let mut scene = Scene::new();
    let spec = json!({"templateName": "t", "digest": "0".repeat(64), "messages": []});
    let metadata = json!({"name": "t-0000000000", "namespace": "team"});
    let document =
        json!({"apiVersion": "routeswitch.io/v1alpha1", "kind": "PromptRevision", "metadata": metadata, "spec": spec});
    let revision: PromptRevision = serde_json::from_value(document.clone()).unwrap();
    scene.plan(&[Write::Keep(Box::new(revision))]);
    let asked = scene.asked().await;
    assert_eq!(
        asked.path,
        "/apis/routeswitch.io/v1alpha1/namespaces/team/promptrevisions/t-0000000000"
    );
    assert!(
        asked.query.contains("fieldManager=route-switch-operator") && !asked.query.contains("force"),
        "{}",
        asked.query
    );
    assert_eq!(asked.body, document);
    asked.answer.send((StatusCode::CREATED, document)).unwrap();
    scene.noted(|ledger| ledger.kept.len() == 1).await;
}

#[tokio::test]
async fn a_revision_is_deleted_only_as_it_was_seen() {
    let mut scene = Scene::new();
    scene.plan(&[Write::Collect {
        name: ObjectName::new("team", "t-0000000000"),
        uid: "uid-7".to_owned(),
        version: "70".to_owned(),
    }]);
    let asked = scene.asked().await;
    assert_eq!(asked.method, Method::DELETE);
    assert_eq!(
        asked.body["preconditions"],
        json!({"uid": "uid-7", "resourceVersion": "70"})
    );
    asked.answer.send(failure(StatusCode::NOT_FOUND)).unwrap();
    scene.noted(|ledger| ledger.collected.len() == 1).await;
}

#[tokio::test]
async fn events_are_of_the_new_group_and_follow_what_they_tell_of() {
    let mut scene = Scene::new();
    let notice = |reason: &str| Notice::new(reason, "in words", "Push");
    scene.plan(&[
        Write::Status(Box::new(StatusWrite {
            notices: vec![notice("Refused")],
            ..route_status(1)
        })),
        Write::Tell {
            about: About::Operator,
            notice: notice("MassRemoval"),
        },
    ]);
    let mut told = Vec::<Value>::new();
    for _ in 0..3 {
        let asked = scene.asked().await;
        let body = asked.body.clone();
        if asked.path.ends_with("/status") {
            assert!(told.is_empty() || told[0]["reason"] == "MassRemoval", "{told:?}");
            asked.answer.send((StatusCode::OK, route("11"))).unwrap();
        } else {
            assert!(
                asked.path.starts_with("/apis/events.k8s.io/v1/namespaces/"),
                "{}",
                asked.path
            );
            asked.answer.send((StatusCode::CREATED, body.clone())).unwrap();
            told.push(body);
        }
    }
    told.sort_by_key(|event| event["reason"].to_string());
    let (removal, refused) = (&told[0], &told[1]);
    assert_eq!(
        (&removal["regarding"]["kind"], &removal["regarding"]["name"]),
        (&json!("Pod"), &json!("operator-0"))
    );
    assert_eq!(
        (&refused["regarding"]["kind"], &refused["regarding"]["uid"]),
        (&json!("Route"), &json!("uid-1"))
    );
    assert_eq!(
        (&refused["note"], &refused["type"]),
        (&json!("in words"), &json!("Warning"))
    );
    assert_eq!(refused["reportingController"], "route-switch-operator");
    scene.noted(|ledger| ledger.noticed.len() == 1).await;
}
