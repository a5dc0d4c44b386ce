//! The gateway's production dress: the manifests that it serves under measurement.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

/// The client key. Admin, since the bench also reads what was captured.
pub(super) const KEY: &str = "sk-bench-7d1f0c5a9e3b4826";

/// Writes a key, a Provider at `upstream` and, for each model, a Route with content capture to `directory`.
pub(super) fn write_manifests(directory: &Path, upstream: SocketAddr, models: &[String]) -> anyhow::Result<()> {
    let mut manifests = format!(
        r#"apiVersion: v1
kind: Secret
metadata:
  name: bench-key
  labels:
    routeswitch.io/api-key: "true"
stringData:
  key: {KEY}
  name: bench
  role: Admin
---
apiVersion: routeswitch.io/v1alpha1
kind: Provider
metadata:
  name: mock
spec:
  vendor: OpenAICompatible
  baseUrl: http://{upstream}/v1
  allowInsecure: true
  auth:
    none: {{}}
  models:
  - name: mock-model
    contextTokens: 1000000
    maxOutputTokens: 4096
    inputMicroUsdPerMTok: 150000
    outputMicroUsdPerMTok: 600000
"#
    );
    manifests.extend(models.iter().map(|model| route(model)));
    let path = directory.join("bench.yaml");
    fs::write(&path, manifests).with_context(|| format!("failed to write {}", path.display()))
}

fn route(model: &str) -> String {
    format!(
        r"---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: {model}
spec:
  model: {model}
  targets:
  - name: mock
    providerRef:
      name: mock
    model: mock-model
  capture:
    content: true
"
    )
}
