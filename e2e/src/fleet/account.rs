//! The operators' account in a namespace, with exactly the rules that ship, and kubeconfigs for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use http::Method;
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, repository};
use super::objects::Objects;

const NAME: &str = "route-switch-operator";
/// Longer than any suite, in seconds.
const VALID_SECONDS: u32 = 86_400;

/// Who the operators are.
#[derive(Clone, Debug)]
pub struct Account {
    /// As the API server calls it.
    pub user: String,
    pub token: String,
    /// Base64 of PEM.
    authority: String,
}

impl Account {
    /// Applies what `deploy/operator` holds to the namespace and gets a token for its account.
    pub async fn new(plane: &ControlPlane, objects: &Objects) -> anyhow::Result<Self> {
        let namespace = objects.namespace();
        let mut applied = 0;
        for path in manifests(&repository().join("deploy/operator"))? {
            for document in documents(&path)? {
                let kind = document["kind"].as_str().unwrap_or_default();
                ensure!(
                    matches!(kind, "ServiceAccount" | "Role" | "RoleBinding"),
                    "{} holds a {kind}, which is not of one namespace",
                    path.display()
                );
                objects.apply(&moved(document, namespace)).await?;
                applied += 1;
            }
        }
        ensure!(applied >= 3, "deploy/operator holds no account with its rules");
        let path = format!("{}/token", objects.path("ServiceAccount", NAME));
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": VALID_SECONDS },
        });
        let answer = objects
            .ask(Method::POST, &path, "application/json", request.to_string())
            .await?;
        let token = super::text(&answer, "/status/token")?.to_owned();
        Ok(Self {
            user: format!("system:serviceaccount:{namespace}:{NAME}"),
            token,
            authority: base64(&plane.authority()?)?,
        })
    }

    /// Writes a kubeconfig for the API server at `server`.
    pub(super) fn write_kubeconfig(&self, server: &str, namespace: &str, path: &Path) -> anyhow::Result<()> {
        let mut cluster = json!({ "server": server });
        if server.starts_with("https://") {
            cluster["certificate-authority-data"] = json!(self.authority);
        }
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
            "clusters": [{ "name": "e2e", "cluster": cluster }],
            "users": [{ "name": "operator", "user": { "token": self.token } }],
            "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "operator", "namespace": namespace } }],
        });
        Ok(fs::write(path, config.to_string())?)
    }
}

/// The YAML files of a directory, which are for one namespace; those of its folders are for more.
fn manifests(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("there is no {}", directory.display()))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    use serde::Deserialize as _;
    let text = fs::read_to_string(path)?;
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    let documents: Result<Vec<Value>, _> = documents.collect();
    let documents = documents.with_context(|| path.display().to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// The same in another namespace.
fn moved(mut document: Value, namespace: &str) -> Value {
    document["metadata"]["namespace"] = json!(namespace);
    let subjects = document.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        subject["namespace"] = json!(namespace);
    }
    document
}

fn base64(bytes: &[u8]) -> anyhow::Result<String> {
    // ByteString serializes so.
    let text = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()))?;
    Ok(text.as_str().context("a ByteString is a text")?.to_owned())
}
