//! A prompt changed by a Git commit. What Flux would do is done in its place, in its own words: a checkout of the branch, and a
//! server-side apply by the manager `kustomize-controller`, by force. The operator then changes nothing that Git owns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::fleet::text;
use e2e::node::ADMIN_KEY;
use e2e::node::command::run;
use e2e::node::gateways::Gateway;
use e2e::wait::within;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{Suite, tell};

const MANAGER: &str = "kustomize-controller";
/// From the commit to the last pod.
const LIMIT: Duration = Duration::from_secs(10);
const FILE: &str = "farewell.yaml";
const EDITS: [&str; 5] = [
    "in verse",
    "in two words",
    "as a pirate",
    "very formally",
    "in one sentence",
];

/// The repository that everybody pushes to, somebody's work on it, and Flux's checkout.
struct Repository {
    directory: TempDir,
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let gateways = suite.installed().await?;
    let repository = Repository::new().await?;
    repository.commit("at first").await?;
    repository.applied().await?;
    served(&gateways, "at first").await?;
    let mut taken = Vec::new();
    for words in EDITS {
        let began = Instant::now();
        repository.commit(words).await?;
        repository.applied().await?;
        let applied = began.elapsed();
        served(&gateways, words).await?;
        taken.push((began.elapsed(), began.elapsed().saturating_sub(applied)));
    }
    taken.sort_unstable();
    let (whole, ours) = taken[EDITS.len() / 2];
    tell(&format!(
        "for the reader: {} edits of a prompt by Git commit: from commit to served by all pods {:.2} s in the middle, of which {:.2} s after \
         the apply",
        EDITS.len(),
        whole.as_secs_f64(),
        ours.as_secs_f64()
    ));
    e2e::node::command::kubectl("wait --for=condition=Ready --timeout=60s prompttemplate/farewell route/farewell")
        .await?;
    let difference = repository.flux(&["diff"]).await?;
    ensure!(difference.is_empty(), "{difference}");
    for (kind, name) in [("PromptTemplate", "farewell"), ("Route", "farewell")] {
        only_git_owns(&suite.objects.existing(kind, name).await?)?;
    }
    repository.flux(&["delete"]).await.map(drop)
}

impl Repository {
    async fn new() -> anyhow::Result<Self> {
        let repository = Self {
            directory: tempfile::tempdir()?,
        };
        git(
            repository.directory.path(),
            &["init", "--quiet", "--bare", "origin.git"],
        )
        .await?;
        for clone in ["work", "flux"] {
            git(repository.directory.path(), &["clone", "--quiet", "origin.git", clone]).await?;
        }
        Ok(repository)
    }

    fn path(&self, part: &str) -> PathBuf {
        self.directory.path().join(part)
    }

    /// Somebody edits the prompt, commits and pushes.
    async fn commit(&self, words: &str) -> anyhow::Result<()> {
        let work = self.path("work");
        std::fs::write(work.join(FILE), manifests(words))?;
        git(&work, &["add", FILE]).await?;
        let author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
        let message = format!("farewell: {words}");
        git(
            &work,
            &[&author[..], &["commit", "--quiet", "--message", &message]].concat(),
        )
        .await?;
        git(&work, &["push", "--quiet", "origin", "HEAD:main"]).await
    }

    /// What Flux does at the next reconciliation.
    async fn applied(&self) -> anyhow::Result<()> {
        git(&self.path("flux"), &["fetch", "--quiet", "origin", "main"]).await?;
        git(&self.path("flux"), &["checkout", "--quiet", "--force", "FETCH_HEAD"]).await?;
        self.flux(&["apply"]).await.map(drop)
    }

    /// kubectl on the checkout.
    async fn flux(&self, verb: &[&str]) -> anyhow::Result<String> {
        let checkout = self.path("flux").display().to_string();
        let manager = format!("--field-manager={MANAGER}");
        let as_flux = ["--server-side", manager.as_str(), "--force-conflicts"];
        let options = if verb == ["delete"] { &[][..] } else { &as_flux[..] };
        run("kubectl", &[verb, options, &["--filename", checkout.as_str()]].concat()).await
    }
}

async fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let folder = folder.display().to_string();
    run("git", &[&["-C", folder.as_str()], arguments].concat())
        .await
        .map(drop)
}

/// A prompt, and a Route to a model that answers with what it was sent.
fn manifests(words: &str) -> String {
    format!(
        "apiVersion: routeswitch.io/v1alpha1
kind: PromptTemplate
metadata:
  name: farewell
spec:
  messages:
    - role: system
      content: Say goodbye {words}.
---
apiVersion: routeswitch.io/v1alpha1
kind: Route
metadata:
  name: farewell
spec:
  model: farewell
  promptRef:
    name: farewell
  targets:
    - name: echo
      providerRef:
        name: simulated-quick
      model: sim-echo
"
    )
}

/// Waits until every pod renders the prompt with these words.
async fn served(gateways: &[Gateway], words: &str) -> anyhow::Result<()> {
    let body = json!({ "model": "farewell", "messages": [{ "role": "user", "content": "Bye!" }] });
    for gateway in gateways {
        let client = gateway.client.with_key(ADMIN_KEY)?;
        let what = format!("{} to say goodbye {words}", gateway.name);
        within(LIMIT, Duration::from_millis(5), &what, async || {
            let answer = client.chat(&body).await?;
            Ok((answer.status == 200 && answer.text().contains(words)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Every field but the status has one owner, the apply from Git.
fn only_git_owns(object: &Value) -> anyhow::Result<()> {
    let name = text(object, "/metadata/name")?;
    let entries = object["metadata"]["managedFields"].as_array().context("no owners")?;
    ensure!(
        entries.iter().any(|entry| entry["manager"] == MANAGER),
        "{name} is not Git's"
    );
    for entry in entries.iter().filter(|entry| entry["manager"] != MANAGER) {
        ensure!(entry["subresource"] == "status", "{name} has another owner: {entry:#}");
        let fields = entry["fieldsV1"].as_object().context("no fields")?;
        ensure!(fields.keys().all(|field| field == "f:status"), "{name}: {entry:#}");
    }
    Ok(())
}
