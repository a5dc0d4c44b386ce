//! A prompt changed by a Git commit. What Flux would do is done in its place, in its own words: a checkout of the branch, and a
//! server-side apply by the manager `kustomize-controller`, by force. The operator then changes nothing that Git owns.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::fleet::control_plane::repository;
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
/// The worked example, whose Route's model answers with what it was sent.
const EXAMPLE: &str = "deploy/gitops/example";
const PROMPT: &str = "manifests/prompts/reply.yaml";
/// What its prompt says, and what it is edited to.
const AT_FIRST: &str = "Be brief.";
const EDITS: [&str; 5] = [
    "Be very brief.",
    "Be brief, and friendly.",
    "Answer in verse.",
    "Answer formally.",
    "Answer in one sentence.",
];

/// The repository that everybody pushes to, somebody's work on it, and Flux's checkout.
struct Repository {
    directory: TempDir,
}

pub(crate) async fn play(suite: &mut Suite) -> anyhow::Result<()> {
    let gateways = suite.installed().await?;
    let origin = Repository::new().await?;
    origin.commit(AT_FIRST).await?;
    origin.applied().await?;
    served(&gateways, AT_FIRST).await?;
    let mut taken = Vec::new();
    for words in EDITS {
        let began = Instant::now();
        origin.commit(words).await?;
        origin.applied().await?;
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
    e2e::node::command::kubectl(
        "wait --for=condition=Ready --timeout=60s provider/replies prompttemplate/reply route/reply",
    )
    .await?;
    let difference = origin.flux(&["diff"]).await?;
    ensure!(difference.is_empty(), "{difference}");
    for (kind, name) in [("Provider", "replies"), ("PromptTemplate", "reply"), ("Route", "reply")] {
        only_git_owns(&suite.objects.existing(kind, name).await?)?;
    }
    origin.flux(&["delete"]).await.map(drop)
}

impl Repository {
    async fn new() -> anyhow::Result<Self> {
        let all = Self {
            directory: tempfile::tempdir()?,
        };
        git(all.directory.path(), &["init", "--quiet", "--bare", "origin.git"]).await?;
        for clone in ["work", "flux"] {
            git(all.directory.path(), &["clone", "--quiet", "origin.git", clone]).await?;
        }
        let (from, to) = (format!("{EXAMPLE}/manifests"), all.path("work").display().to_string());
        run("cp", &["-r", from.as_str(), to.as_str()]).await?;
        Ok(all)
    }

    fn path(&self, part: &str) -> PathBuf {
        self.directory.path().join(part)
    }

    /// Somebody edits the prompt, commits and pushes.
    async fn commit(&self, words: &str) -> anyhow::Result<()> {
        let work = self.path("work");
        let prompt = fs::read_to_string(repository().join(EXAMPLE).join(PROMPT))?;
        ensure!(
            prompt.contains(AT_FIRST),
            "{EXAMPLE}/{PROMPT} does not say {AT_FIRST:?}"
        );
        fs::write(work.join(PROMPT), prompt.replace(AT_FIRST, words))?;
        git(&work, &["add", "."]).await?;
        let author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
        let message = format!("reply: {words}");
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
        let checkout = self.path("flux/manifests").display().to_string();
        let manager = format!("--field-manager={MANAGER}");
        let as_flux = ["--server-side", manager.as_str(), "--force-conflicts"];
        let options = if verb == ["delete"] { &[][..] } else { &as_flux[..] };
        run(
            "kubectl",
            &[verb, options, &["--recursive", "--filename", checkout.as_str()]].concat(),
        )
        .await
    }
}

async fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let folder = folder.display().to_string();
    run("git", &[&["-C", folder.as_str()], arguments].concat())
        .await
        .map(drop)
}

/// Waits until every pod renders the prompt with these words.
async fn served(gateways: &[Gateway], words: &str) -> anyhow::Result<()> {
    let body = json!({ "model": "reply", "variables": { "message": "Where is my parcel?" } });
    for gateway in gateways {
        let client = gateway.client.with_key(ADMIN_KEY)?;
        let what = format!("{} to say {words:?}", gateway.name);
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
