//! The objects of one namespace as a person handles them: applied from the server's side, read as they are stored.

use std::fmt;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// Who a person's writes are by.
const MANAGER: &str = "test-user";
/// Objects that are applied at once.
const TOGETHER: usize = 16;

/// Reads and writes objects of one namespace.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    namespace: String,
}

impl Objects {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Applies an object; gives what is stored.
    pub async fn apply(&self, object: &Value) -> kube::Result<Value> {
        self.apply_as(MANAGER, "", object).await
    }

    /// Applies the status of an object, as somebody.
    pub async fn apply_status(&self, manager: &str, object: &Value) -> kube::Result<Value> {
        self.apply_as(manager, "/status", object).await
    }

    async fn apply_as(&self, manager: &str, part: &str, object: &Value) -> kube::Result<Value> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}{part}?fieldManager={manager}&force=true", self.path(kind, name));
        // What stands in an object that was read would be claimed.
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        self.ask(Method::PATCH, &path, "application/apply-patch+yaml", object.to_string())
            .await
    }

    /// Applies many.
    pub async fn apply_all(&self, objects: &[Value]) -> anyhow::Result<()> {
        stream::iter(objects)
            .map(|object| async move {
                self.apply(object)
                    .await
                    .with_context(|| format!("applying {object:.200}"))
            })
            .buffer_unordered(TOGETHER)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// Changes an object by a merge patch.
    pub async fn merge(&self, kind: &str, name: &str, change: &Value) -> kube::Result<Value> {
        let path = format!("{}?fieldManager={MANAGER}", self.path(kind, name));
        self.ask(Method::PATCH, &path, "application/merge-patch+json", change.to_string())
            .await
    }

    /// An object; none when there is none.
    pub async fn get(&self, kind: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let found = self.ask(Method::GET, &self.path(kind, name), "", String::new()).await;
        or_none(found).with_context(|| format!("reading {kind} {name}"))
    }

    /// An object that must be there.
    pub async fn existing(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let found = self.get(kind, name).await?;
        found.with_context(|| format!("there is no {kind} {name} in {}", self.namespace))
    }

    /// All objects of a kind.
    pub async fn list(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let path = self.collection(kind);
        let mut list = self.ask(Method::GET, &path, "", String::new()).await?;
        let items = list
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .map(std::mem::take)
            .unwrap_or_default();
        let (api_version, kind) = (api_version(kind), kind.to_owned());
        let named = items.into_iter().map(|mut item| {
            // A list leaves them out.
            item["apiVersion"] = api_version.into();
            item["kind"] = kind.as_str().into();
            item
        });
        Ok(named.collect())
    }

    /// Deletes an object at once; that it was gone already is no fault.
    pub async fn delete(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let path = format!("{}?gracePeriodSeconds=0", self.path(kind, name));
        let deleted = self.ask(Method::DELETE, &path, "", String::new()).await;
        or_none(deleted)
            .map(drop)
            .with_context(|| format!("deleting {kind} {name}"))
    }

    /// Sends any request to the API server.
    pub async fn ask(&self, method: Method, path: &str, content_type: &str, body: String) -> kube::Result<Value> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(http::header::CONTENT_TYPE, content_type);
        let request = request.body(body.into_bytes()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    pub fn path(&self, kind: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(kind))
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn collection(&self, kind: &str) -> String {
        let version = api_version(kind);
        let root = if version.contains('/') { "/apis" } else { "/api" };
        let plural = format!("{}s", kind.to_lowercase());
        match kind {
            "Namespace" | "CustomResourceDefinition" | "PersistentVolume" | "Node" => {
                format!("{root}/{version}/{plural}")
            }
            _ => format!("{root}/{version}/namespaces/{}/{plural}", self.namespace),
        }
    }
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "Namespace"
        | "Secret"
        | "ConfigMap"
        | "Pod"
        | "ServiceAccount"
        | "Service"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "Node" => "v1",
        "Deployment" | "StatefulSet" => "apps/v1",
        "Lease" => "coordination.k8s.io/v1",
        "Event" => "events.k8s.io/v1",
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        _ => "routeswitch.io/v1alpha1",
    }
}

fn or_none(answer: kube::Result<Value>) -> kube::Result<Option<Value>> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        other => other.map(Some),
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Objects({})", self.namespace)
    }
}
