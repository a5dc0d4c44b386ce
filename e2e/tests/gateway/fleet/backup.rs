//! Backups of a pod: whoever is in it and holds the fleet key gets one, and a new volume starts from it.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output},
};

use anyhow::ensure;
use e2e::program::route_switch;

use super::{
    pod::Pod,
    pushes::{key, objects, order, push},
};

/// As `kubectl exec` runs it in the pod.
async fn back_up(pod: &Pod, keys: &Path, to: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(route_switch()?);
    command
        .args(["backup", "--admin", &pod.address.to_string(), "--fleet-key"])
        .arg(keys);
    command.stdout(File::create(to)?);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

#[tokio::test]
async fn a_new_volume_starts_from_the_backup_of_a_pod_and_only_with_the_key_is_there_one() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-3", &[]).await?;
    let sent = push(&objects("one", &[]), order(4, 2), &key(1));
    pod.push(&sent).await?;
    pod.becomes_ready().await?;
    pod.keeps(sent.order).await?;
    let unsigned = pod.send("POST", "/backup", b"", None).await?;
    ensure!(unsigned.status == 401, "{}", unsigned.text());

    let (keys, wrong, tar) = (
        Pod::keys(fleet.path())?,
        fleet.path().join("wrong"),
        fleet.path().join("backup.tar"),
    );
    fs::create_dir(&wrong)?;
    for (why, said) in [("no key", "wrong/current"), ("another key", "(401)")] {
        let output = back_up(&pod, &wrong, &tar).await?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && words.contains(said), "{why}: {words}");
        ensure!(fs::metadata(&tar)?.len() == 0, "{why}: something was written");
        fs::write(wrong.join("current"), [77; 32])?;
    }
    let output = back_up(&pod, &keys, &tar).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let other = tempfile::tempdir()?;
    let mut restore = Command::new(route_switch()?);
    restore
        .args(["restore", "--data"])
        .arg(Pod::data(other.path(), "gateway-3"));
    let output = restore.stdin(File::open(&tar)?).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && said.contains("of gateway-3"), "{said}");
    let again = Pod::start(other.path(), "gateway-3", &[]).await?;
    again.becomes_ready().await?;
    ensure!(
        again.read().await?.body == serde_json::to_vec(&sent)?,
        "another Snapshot"
    );
    Ok(())
}
