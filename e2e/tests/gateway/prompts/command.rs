//! `route-switch prompt`: on files, on a running gateway, and in the CI of a repository of prompts.

use std::process::Output;

use anyhow::{Context as _, ensure};
use e2e::manifest::file;
use e2e::program::route_switch;
use e2e::stage::Stage;
use tokio::process::Command;

use super::{REVISION, echo, greeting, named};
use crate::worked;

async fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(route_switch()?);
    let output = command.arg("prompt").args(arguments).output().await;
    output.context("failed to run route-switch prompt")
}

/// What a command that must work wrote.
async fn told(arguments: &[&str]) -> anyhow::Result<String> {
    let output = run(arguments).await?;
    ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What a command that must fail wrote to both its outputs; its status must be 1.
async fn refused(arguments: &[&str]) -> anyhow::Result<(String, String)> {
    let output = run(arguments).await?;
    ensure!(output.status.code() == Some(1), "{arguments:?}: {:?}", output.status);
    Ok((String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

#[tokio::test]
async fn prompts_are_listed_shown_rendered_compared_and_exported_from_files_and_from_a_gateway() -> anyhow::Result<()> {
    let (stage, mut gateway) = Stage::playing(&[greeting("One, {{ name }}"), echo()]).await?;
    let one = worked(gateway.client.chat(&named("Ada")?).await?)?
        .header(REVISION)
        .to_owned();
    let before = gateway.snapshot().await?;
    stage.write("objects.yaml", &file(&[greeting("Two, {{ name }}"), echo()]))?;
    gateway.snapshot_after(&before).await?;
    let two = worked(gateway.client.chat(&named("Ada")?).await?)?
        .header(REVISION)
        .to_owned();

    let url = format!("http://{}", gateway.traffic);
    let (manifests, data) = (stage.manifests(), stage.data());
    let (manifests, data) = (manifests.to_string_lossy(), data.to_string_lossy());
    let live = ["--url", &url];
    let files = ["--manifests", &manifests, "--data", &data];
    for place in [&live[..], &files[..]] {
        let with = |arguments: &[&'static str]| [arguments, place].concat();
        let list = told(&with(&["list"])).await?;
        ensure!(list.contains(&two) && list.contains("default/echo"), "{list}");
        let shown = told(&with(&["show", "greeting"])).await?;
        ensure!(shown.contains("Two, {{ name }}") && shown.contains(&two), "{shown}");
        let rendered = told(&with(&["render", "greeting", "--var", "name={{ 1 }}"])).await?;
        ensure!(rendered.contains("Two, {{ 1 }}"), "{rendered}");
        let old = told(&[&["render", &*one, "--var", "name=Ada"][..], place].concat()).await?;
        ensure!(old.contains("One, Ada"), "{old}");
        let diff = told(&[&["diff", &*one, "greeting"][..], place].concat()).await?;
        ensure!(
            diff.contains("One, {{ name }}") && diff.contains("Two, {{ name }}"),
            "{diff}"
        );
        let (_, why) = refused(&with(&["render", "greeting"])).await?;
        ensure!(why.contains("variables.name"), "{why}");
        let (_, why) = refused(&with(&["show", "none"])).await?;
        ensure!(why.contains("prompt list"), "{why}");
    }

    let exported = told(&["export", "--revision", &one, "--url", &url]).await?;
    gateway.stop().await?;
    std::fs::remove_dir_all(stage.data().join("revisions"))?;
    stage.write("revision.yaml", &exported)?;
    let mut pinned = greeting("Three, {{ name }}");
    pinned["spec"]["pinnedRevision"] = one.clone().into();
    stage.write("objects.yaml", &file(&[pinned, echo()]))?;
    let gateway = stage.gateway(&[]).await?;
    let answer = worked(gateway.client.chat(&named("Ada")?).await?)?;
    ensure!(answer.header(REVISION) == one, "{:?}", answer.headers);
    Ok(())
}

#[tokio::test]
async fn check_names_file_line_and_column_and_a_fresh_manifest_passes() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let manifests = directory.path().to_string_lossy().into_owned();
    told(&["new", "greeting", "--output", &path("greeting.yaml")]).await?;
    let fine = told(&["check", "--manifests", &manifests]).await?;
    ensure!(fine.contains("1 prompts"), "{fine}");
    let (_, why) = refused(&["new", "greeting", "--output", &path("greeting.yaml")]).await?;
    ensure!(why.contains("not overwritten"), "{why}");
    let (_, why) = refused(&["new", "No Name"]).await?;
    ensure!(why.contains("metadata.name"), "{why}");

    let text = std::fs::read_to_string(path("greeting.yaml"))?;
    let broken = text.replace("{{ tone }}", "{{ mood }}");
    std::fs::write(path("greeting.yaml"), broken)?;
    let line = 1 + text
        .lines()
        .position(|line| line.trim() == "content: |")
        .context("a content")?;
    let (said, why) = refused(&["check", "--manifests", &manifests]).await?;
    let place = format!("greeting.yaml:{line}: PromptTemplate default/greeting: spec.messages[0].content");
    ensure!(
        said.contains(&place) && said.contains("`mood` is not declared") && said.contains("line 1, column"),
        "{said}"
    );
    ensure!(why.contains("1 faults in 1 files"), "{why}");
    Ok(())
}
