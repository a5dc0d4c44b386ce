//! Disks that are full or read-only, really: small file systems in memory, which takes root. Capture stops, traffic does not.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use e2e::manifest::{file, provider};
use e2e::stage::{Gateway, Stage};
use e2e::stores;
use e2e::wait::until;
use serde_json::json;

use crate::backup::{back_up, failed, succeeded};
use crate::{ask, capturing, worked};

/// A file system in memory.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn on(path: &'a Path, options: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)?;
        run(
            "mount",
            &["-t", "tmpfs", "-o", options, "tmpfs", &path.to_string_lossy()],
        )?;
        Ok(Self(path))
    }

    fn change(&self, options: &str) -> anyhow::Result<()> {
        run(
            "mount",
            &["-o", &format!("remount,{options}"), &self.0.to_string_lossy()],
        )
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // A program that a failed test left behind may still have files open; then it goes with the last of them.
        let _ = run("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

async fn stage() -> anyhow::Result<Stage> {
    let stage = Stage::new().await?;
    let objects = [
        provider("sim", json!({ "vendor": "Simulated" })),
        capturing("kept", "sim-words-2", &json!({ "content": true })),
    ];
    stage.write("objects.yaml", &file(&objects))?;
    Ok(stage)
}

/// Sends requests, which must all be answered, until the gateway says this of its stores.
async fn traffic_until(
    gateway: &Gateway,
    what: &str,
    enough: impl Fn(bool, bool) -> bool,
) -> anyhow::Result<Vec<String>> {
    let body = ask("kept", &"x".repeat(30_000));
    let mut ids = Vec::new();
    let ids_of = &mut ids;
    until(what, async || {
        for _ in 0..20 {
            ids_of.push(worked(gateway.client.chat(&body).await?)?.id().to_owned());
        }
        let capture = gateway.client.get_json("/status").await?["capture"].take();
        let has_failed = |store: &str| capture[store]["failure"]["message"].is_string();
        Ok(enough(has_failed("examples"), has_failed("analytics")).then_some(()))
    })
    .await?;
    Ok(ids)
}

#[tokio::test]
async fn a_full_disk_stops_capture_and_not_traffic_and_room_brings_it_back() -> anyhow::Result<()> {
    let stage = stage().await?;
    let data = stage.data();
    let disk = Mounted::on(&data, "size=12m")?;
    let mut gateway = stage.gateway(&[]).await?;
    traffic_until(&gateway, "the disk to be full", |examples, analytics| {
        examples || analytics
    })
    .await?;
    let status = gateway.client.get_json("/status").await?;
    ensure!(status["status"] == "degraded", "{status}");
    let health = gateway.client.get("/health/storage").await?;
    ensure!(
        health.status == 200 && health.json()?["status"] == "degraded",
        "{}",
        health.text()
    );

    disk.change("size=256m")?;
    traffic_until(&gateway, "the stores to recover", |examples, analytics| {
        !examples && !analytics
    })
    .await?;
    let after = traffic_until(&gateway, "more requests", |_, _| true).await?;
    gateway.stop().await?;
    let (requests, examples) = (stores::requests(&data)?, stores::examples(&data)?);
    ensure!(
        after
            .iter()
            .all(|id| requests.contains_key(id) && examples.contains_key(id)),
        "what came after the recovery is not there"
    );
    Ok(())
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_stops_capture_and_not_traffic() -> anyhow::Result<()> {
    let stage = stage().await?;
    let data = stage.data();
    let disk = Mounted::on(&data, "size=64m,ro")?;
    let mut gateway = stage.gateway(&[]).await?;
    traffic_until(&gateway, "both stores to fail", |examples, analytics| {
        examples && analytics
    })
    .await?;
    disk.change("rw")?;
    traffic_until(&gateway, "the stores to recover", |examples, analytics| {
        !examples && !analytics
    })
    .await?;
    let after = traffic_until(&gateway, "more requests", |_, _| true).await?;
    gateway.stop().await?;
    let (requests, examples) = (stores::requests(&data)?, stores::examples(&data)?);
    ensure!(
        after
            .iter()
            .all(|id| requests.contains_key(id) && examples.contains_key(id)),
        "what came after the recovery is not there"
    );
    Ok(())
}

#[tokio::test]
async fn a_disk_without_room_for_a_copy_refuses_the_backup_and_nothing_else() -> anyhow::Result<()> {
    let stage = stage().await?;
    let data = stage.data();
    let disk = Mounted::on(&data, "size=60m")?;
    let mut gateway = stage.gateway(&[]).await?;
    let before = traffic_until(&gateway, "some requests", |_, _| true).await?;
    let tar = stage.path().join("backup.tar");
    let said = failed(&back_up(&gateway, &tar).await?)?;
    ensure!(said.contains("(507)") && said.contains("make room"), "{said}");
    ensure!(!data.join("backup.draft").exists(), "something is left of it");
    let after = traffic_until(&gateway, "more requests", |examples, analytics| !examples && !analytics).await?;
    disk.change("size=256m")?;
    succeeded(&back_up(&gateway, &tar).await?)?;
    gateway.stop().await?;
    let requests = stores::requests(&data)?;
    ensure!(before.iter().chain(&after).all(|id| requests.contains_key(id)));
    Ok(())
}
