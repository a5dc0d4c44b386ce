//! The chart in real pods: installed, rolled, scaled, restarted, upgraded and changed by Git, on a node that `e2e/cluster up full` makes.
//!
//! Runs inside such a cluster (`e2e/cluster run`) and fails without one. It has a harness of its own, since one installation serves most
//! scenes: a scene that needs one gets what is there, or installs it. Arguments narrow it to scenes whose names hold one of them.
//! The namespace enforces Pod Security `restricted`, so that a pod which does not keep to it is never made. Network policies are made and
//! not enforced: the node's bridge network has no controller for them, so nothing here shows what they let through.

mod dashboards;
mod delete;
mod figures;
mod gitops;
mod guides;
mod install;
mod restart;
mod rolling;
mod sdk;
mod upgrade;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use e2e::fleet::control_plane::ControlPlane;
use e2e::fleet::objects::Objects;
use e2e::node::command::kubectl;
use e2e::node::gateways::{self, Gateway};
use e2e::node::release::Helm;
use e2e::node::{NAMESPACE, tidy};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, timeout};

/// Replicas by the chart's default.
const GATEWAYS: usize = 3;
/// A scene that hangs must not hang the rest.
const LIMIT: Duration = Duration::from_mins(10);

type Scene = for<'a> fn(&'a mut Suite) -> LocalBoxFuture<'a, anyhow::Result<()>>;

/// In the order in which they are played.
const SCENES: &[(&str, Scene)] = &[
    ("install", |suite| install::play(suite).boxed_local()),
    ("figures", |suite| figures::play(suite).boxed_local()),
    ("delete", |suite| delete::play(suite).boxed_local()),
    ("rolling", |suite| rolling::play(suite).boxed_local()),
    ("dashboards", |suite| dashboards::play(suite).boxed_local()),
    ("gitops", |suite| gitops::play(suite).boxed_local()),
    ("restart", |suite| restart::play(suite).boxed_local()),
    ("upgrade", |suite| upgrade::play(suite).boxed_local()),
    ("guides", |suite| guides::play(suite).boxed_local()),
];

/// What the scenes share.
struct Suite {
    objects: Objects,
}

impl Suite {
    async fn new() -> anyhow::Result<Self> {
        let plane = ControlPlane::connect().await?;
        let suite = Self {
            objects: plane.objects(NAMESPACE),
        };
        suite.objects.existing("Node", e2e::node::NODE).await?;
        kubectl(&format!(
            "label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=restricted --overwrite"
        ))
        .await?;
        Ok(suite)
    }

    /// The gateways of the installation that is there, or of a new one.
    async fn installed(&self) -> anyhow::Result<Vec<Gateway>> {
        if !Helm::Four.is_installed().await? {
            tidy::all(&self.objects).await?;
            install::all(&self.objects, Helm::Four).await?;
        }
        gateways::ready(&self.objects, GATEWAYS).await
    }

    /// Where clients ask.
    async fn service(&self) -> anyhow::Result<SocketAddr> {
        gateways::service(&self.objects).await
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let scenes = SCENES
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part)));
    let began = Instant::now();
    let (mut passed, mut failures) = (0, Vec::new());
    match Suite::new().await {
        Err(error) => failures.push(("the node", error)),
        Ok(mut suite) => {
            for (name, scene) in scenes {
                match play(name, *scene, &mut suite).await {
                    Ok(()) => passed += 1,
                    Err(error) => failures.push((name, error)),
                }
            }
        }
    }
    summary(passed, &failures, began.elapsed());
    if failures.is_empty() && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn play(name: &str, scene: Scene, suite: &mut Suite) -> anyhow::Result<()> {
    let began = Instant::now();
    let result = match timeout(LIMIT, AssertUnwindSafe(scene(suite)).catch_unwind()).await {
        Err(_) => Err(anyhow!("it took longer than {LIMIT:?}")),
        Ok(Err(panic)) => {
            let words = panic.downcast_ref::<String>().cloned();
            Err(anyhow!("panicked: {}", words.unwrap_or_default()))
        }
        Ok(Ok(result)) => result,
    };
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    tell(&format!(
        "test {name} ... {verdict} ({:.1} s)",
        began.elapsed().as_secs_f64()
    ));
    if result.is_err() {
        tell(&what_runs().await);
    }
    result.with_context(|| name.to_owned())
}

/// For whoever reads of a failure.
async fn what_runs() -> String {
    let pods = kubectl("get pods --output wide").await;
    let events = kubectl("get events --sort-by=.lastTimestamp").await.unwrap_or_default();
    let lines: Vec<&str> = events.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n");
    format!("{}\n{last}", pods.unwrap_or_else(|error| format!("{error:#}")))
}

/// In the words of Rust's own harness, which `e2e/test` counts.
fn summary(passed: usize, failures: &[(&str, anyhow::Error)], elapsed: Duration) {
    if !failures.is_empty() {
        tell("\nfailures:\n");
        for (name, error) in failures {
            tell(&format!("---- {name}\n{error:#}\n"));
        }
    }
    let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
    let counts = format!(
        "{passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out",
        failures.len()
    );
    tell(&format!(
        "test result: {verdict}. {counts}; finished in {:.2}s",
        elapsed.as_secs_f64()
    ));
}

/// A line on the standard output.
fn tell(line: &str) {
    // Without anybody to tell there is nothing to do about it.
    let _ = writeln!(io::stdout(), "{line}");
}
