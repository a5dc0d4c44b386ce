//! Questions to an API server that counts them.

use std::convert::Infallible;

use crds::provider::Provider;
use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::json;

use super::*;

/// Answers for Secrets `plain` (without the label) and `labelled`, and says how often it was asked.
fn server() -> (Client, Arc<Mutex<usize>>) {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        *count.lock().unwrap() += 1;
        let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let labels = match &*name {
            "plain" => Some(json!({})),
            "labelled" => Some(json!({"routeswitch.io/credential": "true"})),
            _ => None,
        };
        let (status, object) = if let Some(labels) = labels {
            let metadata = json!({"name": name, "namespace": "llm", "labels": labels});
            let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
            (StatusCode::OK, object)
        } else {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            (StatusCode::NOT_FOUND, status)
        };
        let answer = Response::builder()
            .status(status)
            .body(Body::from(object.to_string().into_bytes()));
        std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
    });
    (Client::new(service, "llm"), asked)
}

fn naming(secrets: impl IntoIterator<Item = String>) -> Resources {
    let mut resources = Resources::default();
    for (index, secret) in secrets.into_iter().enumerate() {
        let keys = json!([{"secretRef": {"name": secret, "key": "main"}}]);
        let provider: Provider = serde_json::from_value(json!({
            "apiVersion": "routeswitch.io/v1alpha1", "kind": "Provider",
            "metadata": {"name": format!("p{index}"), "namespace": "llm"},
            "spec": {"vendor": "OpenAI", "auth": {"keys": keys}},
        }))
        .unwrap();
        let name = ObjectName::new("llm", format!("p{index}"));
        resources
            .providers
            .insert(name, Submitted::WellFormed(Arc::new(provider)));
    }
    resources
}

fn named(names: &[&str]) -> Resources {
    naming(names.iter().map(|&name| name.to_owned()))
}

#[tokio::test]
async fn a_secret_without_the_label_is_added_without_what_is_in_it_and_asked_for_once() {
    let (client, asked) = server();
    let references = References::new(client, Namespaces::one("llm"));
    for _ in 0..2 {
        let mut resources = named(&["plain", "labelled", "none", "plain"]);
        references.fill(&mut resources).await;
        let found: Vec<String> = resources.secrets.keys().map(|name| name.name.to_string()).collect();
        assert_eq!(found, ["plain"]);
        assert_eq!(resources.secrets[&ObjectName::new("llm", "plain")].data, None);
    }
    assert_eq!(*asked.lock().unwrap(), 3);
    assert!(references.stale_at().is_some_and(|at| at > Instant::now()));
    references.fill(&mut named(&[])).await;
    assert_eq!(references.stale_at(), None, "nothing is asked for that nobody names");
}

#[tokio::test]
async fn nothing_is_asked_in_namespaces_that_are_not_read_and_not_more_than_can_be_held() {
    let (client, asked) = server();
    let elsewhere = References::new(client.clone(), Namespaces::one("other"));
    elsewhere.fill(&mut named(&["plain"])).await;
    assert_eq!(*asked.lock().unwrap(), 0);
    let references = References::new(client, Namespaces::All);
    references
        .fill(&mut naming((0..2 * MOST).map(|index| index.to_string())))
        .await;
    assert_eq!(*asked.lock().unwrap(), MOST);
}
