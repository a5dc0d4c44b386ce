//! Programs that a person would run, to their end.

use std::ffi::OsStr;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::fleet::control_plane::repository;

/// Runs a program at the root of the repository; gives what it printed. If it fails, what it said is the error.
pub async fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> anyhow::Result<String> {
    fed(program, arguments, "").await
}

/// The same with something on its standard input.
pub async fn fed<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("failed to start {program}"))?;
    let mut stdin = child.stdin.take().context("its input was just asked for")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    let (said, printed) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    ensure!(
        output.status.success(),
        "{program} {} ended with {}: {said}{printed}",
        words(arguments),
        output.status
    );
    Ok(printed.into_owned())
}

/// Runs kubectl in the release's namespace, its arguments in one line.
pub async fn kubectl(line: &str) -> anyhow::Result<String> {
    let arguments: Vec<&str> = line.split_ascii_whitespace().collect();
    run("kubectl", &arguments).await
}

/// Runs `e2e/cluster` on the cluster that this process is in.
pub async fn cluster(line: &str) -> anyhow::Result<String> {
    let arguments: Vec<&str> = line.split_ascii_whitespace().collect();
    run("e2e/cluster", &arguments).await
}

fn words<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}
