//! What a pod starts with.

use std::{fs, path::Path};

use anyhow::ensure;
use crds::fleet::Push;
use e2e::wait::until;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    pod::Pod,
    pushes::{key, objects, order, push},
};

/// A Route of its own at each order.
fn sent(sequence: u64) -> Push {
    push(&objects(&format!("route-{sequence}"), &[]), order(1, sequence), &key(1))
}

/// A pod that was killed when it had this in its file.
async fn killed(fleet: &Path, name: &str, sequence: u64) -> anyhow::Result<()> {
    let mut pod = Pod::start(fleet, name, &[]).await?;
    pod.push(&sent(sequence)).await?;
    pod.keeps(order(1, sequence)).await?;
    pod.kill()
}

#[tokio::test]
async fn a_killed_pod_starts_from_its_file_and_takes_nothing_below_it() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    killed(fleet.path(), "gateway-0", 5).await?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    pod.becomes_ready().await?;
    let report = pod.report(&key(1)).await?;
    ensure!(
        report.order == Some(order(1, 5)) && report.refused.is_empty(),
        "{report:?}"
    );
    let answer = pod.push_with(&sent(4), &key(1)).await?;
    ensure!(answer.status == 409, "{}", answer.text());
    let report = pod.push(&sent(6)).await?;
    ensure!(report.order == Some(order(1, 6)), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn a_pod_that_is_stopped_has_kept_what_it_was_pushed_last() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let mut pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    for sequence in 1..=20 {
        pod.push(&sent(sequence)).await?;
    }
    pod.program.terminate()?;
    ensure!(pod.program.ended().await?.success());
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    ensure!(pod.report(&key(1)).await?.order == Some(order(1, 20)));
    Ok(())
}

/// Whoever pushes must not count a pod that drains among those that refuse.
#[tokio::test]
async fn a_pod_that_drains_is_not_ready_and_still_takes_pushes() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let mut pod = Pod::start(fleet.path(), "gateway-0", &["--drain-delay", "1h"]).await?;
    pod.push(&sent(1)).await?;
    pod.becomes_ready().await?;
    pod.program.terminate()?;
    until("the pod not to be ready", async || {
        Ok((pod.admin.get("/readyz").await?.status == 503).then_some(()))
    })
    .await?;
    let report = pod.push(&sent(2)).await?;
    ensure!(report.order == Some(order(1, 2)), "{report:?}");
    let report = pod.report(&key(1)).await?;
    ensure!(report.order == Some(order(1, 2)), "{report:?}");
    pod.program.terminate()?;
    ensure!(pod.program.ended().await?.success());
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    ensure!(pod.report(&key(1)).await?.order == Some(order(1, 2)));
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_to_prometheus_until_it_can() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let data = Pod::data(fleet.path(), "gateway-0");
    fs::create_dir(&data)?;
    // In the place of the folder.
    let obstacle = data.join("fleet");
    fs::write(&obstacle, "")?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    pod.push(&sent(1)).await?;
    let tells = async |up: u8| {
        let line = format!("\nroute_switch_fleet_last_known_good_up {up}\n");
        until(&line, async || {
            Ok(pod.admin.get("/metrics").await?.text().contains(&line).then_some(()))
        })
        .await
    };
    tells(0).await?;
    pod.becomes_ready().await?;
    fs::remove_file(obstacle)?;
    tells(1).await?;
    pod.keeps(order(1, 1)).await
}

#[tokio::test]
async fn a_broken_file_is_told_and_not_used() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    killed(fleet.path(), "gateway-0", 5).await?;
    let file = Pod::file(fleet.path(), "gateway-0");
    let mut bytes = fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes)?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let why = until("a reason", async || {
        let answer = pod.admin.get("/readyz").await?;
        Ok(Some(answer.text()).filter(|why| why.contains("a push")))
    })
    .await?;
    ensure!(
        why.contains("its checksum does not fit") && why.contains("last-known-good"),
        "{why}"
    );
    // Below what was in the file, which nobody can know any more.
    pod.push(&sent(1)).await?;
    pod.becomes_ready().await
}

#[tokio::test]
async fn a_pod_starts_with_the_highest_of_its_file_and_what_siblings_have() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let path = fleet.path();
    killed(path, "gateway-1", 2).await?;
    killed(path, "gateway-2", 7).await?;
    let first = Pod::start(path, "gateway-0", &[]).await?;
    first.push(&sent(5)).await?;
    // One of them is not there.
    let nobody = e2e::process::free_address()?;
    let siblings = format!("{},{nobody}", first.address);
    for (name, has) in [("gateway-1", 5), ("gateway-2", 7), ("gateway-3", 5)] {
        let pod = Pod::start(path, name, &["--siblings", &siblings]).await?;
        pod.becomes_ready().await?;
        let report = pod.report(&key(1)).await?;
        ensure!(report.order == Some(order(1, has)), "{name}: {report:?}");
        ensure!(
            report.revision == Some(sent(has).snapshot.revision),
            "{name}: {report:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_without_anything_asks_its_siblings_again() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let first = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let second = Pod::start(fleet.path(), "gateway-1", &["--siblings", &first.address.to_string()]).await?;
    let why = until("a reason", async || {
        let answer = second.admin.get("/readyz").await?;
        Ok(Some(answer.text()).filter(|why| why.contains("a push")))
    })
    .await?;
    ensure!(why.contains("has no Snapshot yet"), "{why}");
    first.push(&sent(1)).await?;
    second.becomes_ready().await?;
    ensure!(second.report(&key(1)).await?.order == Some(order(1, 1)));
    Ok(())
}

#[tokio::test]
async fn a_sibling_that_does_not_hold_the_key_is_not_believed() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    // It has got the address of a pod, and answers everything with a Snapshot of its own.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let forged = serde_json::to_string(&push(&objects("forged", &[]), order(9, 9), &key(7)))?;
    let length = forged.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nroute-switch-pod-uid: forger\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{forged}"
    );
    let stranger = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    let pod = Pod::start(fleet.path(), "gateway-0", &["--siblings", &address]).await?;
    let why = until("a reason", async || {
        let answer = pod.admin.get("/readyz").await?;
        Ok(Some(answer.text()).filter(|why| why.contains("a push")))
    })
    .await?;
    ensure!(why.contains("is not believed"), "{why}");
    ensure!(pod.read().await?.status == 404, "it took what was forged");
    stranger.abort();
    Ok(())
}
