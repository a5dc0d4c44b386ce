//! The operator on a real control plane: operators and gateways as processes beside an API server of `e2e/cluster`.
//!
//! Runs inside a cluster (`e2e/cluster run`), and fails without one. It has a harness of its own, for three reasons: a thousand objects
//! are brought up once and played on by several scenes; times are measured, so that scenes follow one another; and the last scene
//! searches what all others have left behind. Arguments narrow it to scenes whose names hold one of them.

mod broken;
mod catalogue;
mod chaos;
mod kstatus;
mod leader;
mod outage;
mod propagation;
mod proxied;
mod quiet;
mod reads;
mod refusal;
mod secrecy;
mod thousand;

use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use e2e::fleet::control_plane::ControlPlane;
use e2e::fleet::{Fleet, Site};
use e2e::stage::Simulator;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

/// Set by `e2e/test --long`.
const LONG: &str = "ROUTE_SWITCH_LONG";
/// Outside of loopback, which pods do not connect to.
const SIMULATOR: &str = "192.0.2.10:9100";
/// A scene that hangs must not hang the rest.
const LIMIT: Duration = Duration::from_mins(15);
const LONG_LIMIT: Duration = Duration::from_hours(4);

type Scene = for<'a> fn(&'a mut Suite) -> LocalBoxFuture<'a, anyhow::Result<()>>;

/// In the order in which they are played.
const SCENES: &[(&str, Scene)] = &[
    ("proxied", |suite| proxied::play(suite).boxed_local()),
    ("kstatus", |suite| kstatus::play(suite).boxed_local()),
    ("refusal", |suite| refusal::play(suite).boxed_local()),
    ("propagation", |suite| propagation::play(suite).boxed_local()),
    ("broken", |suite| broken::play(suite).boxed_local()),
    ("quiet", |suite| quiet::play(suite).boxed_local()),
    ("leader", |suite| leader::play(suite).boxed_local()),
    ("outage", |suite| outage::play(suite).boxed_local()),
    ("chaos", |suite| chaos::play(suite).boxed_local()),
    ("reads", |suite| reads::play(suite).boxed_local()),
    ("secrecy", |suite| secrecy::play(suite).boxed_local()),
];

/// What the scenes share.
struct Suite {
    plane: ControlPlane,
    _simulator: Simulator,
    directory: TempDir,
    /// A fleet with a thousand Routes, once a scene has asked for it.
    thousand: Option<Fleet>,
    is_long: bool,
}

impl Suite {
    async fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("simulator.log");
        Ok(Self {
            plane: ControlPlane::enter().await?,
            _simulator: Simulator::at(SIMULATOR, &[], &log).await?,
            directory,
            thousand: None,
            is_long: std::env::var_os(LONG).is_some(),
        })
    }

    /// A fleet in a namespace of its own; `block` is no other's.
    async fn fleet(&self, name: &str, block: u8, operators: u8, pods: u8) -> anyhow::Result<Fleet> {
        let url = format!("http://{SIMULATOR}");
        Fleet::running(&self.plane, &self.site(name, block, &url), operators, pods).await
    }

    fn site<'a>(&'a self, name: &'a str, block: u8, simulator: &'a str) -> Site<'a> {
        Site {
            name,
            block,
            directory: self.directory.path(),
            simulator,
        }
    }

    /// The longer of the two in a long run.
    fn lasting(&self, short: Duration, long: Duration) -> Duration {
        if self.is_long { long } else { short }
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
        Err(error) => failures.push(("the control plane", error)),
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
    let (began, limit) = (Instant::now(), suite.lasting(LIMIT, LONG_LIMIT));
    let played = timeout(limit, AssertUnwindSafe(scene(suite)).catch_unwind()).await;
    let result = match played {
        Err(_) => Err(anyhow!("it took longer than {limit:?}")),
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
    result.with_context(|| name.to_owned())
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
