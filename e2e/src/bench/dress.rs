//! The gateway's production dress: the manifests that it serves under measurement.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

use super::lanes::Lane;

/// The client key. Admin, since the bench also reads what was captured.
pub(super) const KEY: &str = "sk-bench-7d1f0c5a9e3b4826";

/// What fills the prompt of the Routes that have one.
pub(super) const VARIABLES: [(&str, &str); 2] = [("company", "Example Ltd"), ("tone", "friendly")];

const PROMPT: &str = "---
apiVersion: routeswitch.io/v1alpha1
kind: PromptTemplate
metadata:
  name: bench
spec:
  messages:
  - role: system
    content: |
      You sort messages to the support of {{ company }}. Answer with one word.
      {% if tone == 'formal' %}Stay formal.{% else %}Be {{ tone }}.{% endif %}
  variables:
  - name: company
    type: String
  - name: tone
    type: String
";

/// Writes a key, a Provider at `upstream` and, for each model of the lane, a Route with content capture to `directory`.
pub(super) fn write_manifests(directory: &Path, upstream: SocketAddr, lane: &Lane) -> anyhow::Result<()> {
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
    let prompt_ref = if lane.prompt {
        "  promptRef: {name: bench}\n"
    } else {
        ""
    };
    if lane.prompt {
        manifests.push_str(PROMPT);
    }
    manifests.extend(lane.models().iter().map(|model| route(model, prompt_ref)));
    let path = directory.join("bench.yaml");
    fs::write(&path, manifests).with_context(|| format!("failed to write {}", path.display()))
}

fn route(model: &str, prompt_ref: &str) -> String {
    format!(
        r"---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: {model}
spec:
  model: {model}
{prompt_ref}  targets:
  - name: mock
    providerRef:
      name: mock
    model: mock-model
  capture:
    content: true
"
    )
}
