//! The fleet key turns.

use std::{fs, path::Path};

use anyhow::ensure;

use super::{
    pod::Pod,
    pushes::{CLIENT_KEY, key, keys, objects, order, push},
};
use crate::ask;

/// Puts keys where the pods read them.
fn turn(fleet: &Path, current: u8, previous: Option<u8>) -> anyhow::Result<()> {
    let directory = Pod::keys(fleet)?;
    match previous {
        Some(previous) => fs::write(directory.join("previous"), [previous; 32])?,
        None => fs::remove_file(directory.join("previous"))?,
    }
    let draft = directory.join("draft");
    fs::write(&draft, [current; 32])?;
    Ok(fs::rename(draft, directory.join("current"))?)
}

/// Waits until the pod holds these keys.
async fn holds(pod: &Pod, held: &crds::fleet::key::FleetKeys) -> anyhow::Result<()> {
    let what = format!("the keys {:?}", held.ids());
    pod.reports(&what, held, |report| (report.key_ids == held.ids()).then_some(()))
        .await
}

#[tokio::test]
async fn the_key_turns_twice_and_what_is_kept_opens_with_the_newest_alone() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let path = fleet.path();
    let mut pod = Pod::start(path, "gateway-0", &[]).await?;
    pod.push(&push(&objects("one", &[]), order(1, 1), &key(1))).await?;
    turn(path, 2, Some(1))?;
    holds(&pod, &keys(2, 1)).await?;
    // The one before is still good for whoever has not turned yet.
    let answer = pod
        .push_with(&push(&objects("one", &[]), order(1, 2), &key(1)), &key(1))
        .await?;
    ensure!(answer.status == 200, "{}", answer.text());
    turn(path, 2, None)?;
    holds(&pod, &key(2)).await?;
    ensure!(
        pod.ask("GET", "/config", b"", &key(1)).await?.status == 401,
        "the old key is still good"
    );
    let report = pod.report(&key(2)).await?;
    ensure!(
        report.refused.is_empty(),
        "what was open before does not close: {report:?}"
    );
    turn(path, 3, Some(2))?;
    holds(&pod, &keys(3, 2)).await?;
    turn(path, 3, None)?;
    holds(&pod, &key(3)).await?;
    let given = pod.ask("GET", "/fleet/snapshot", b"", &key(3)).await?.text();
    ensure!(
        !given.contains(key(1).current.id().as_str()),
        "siblings are given what none of them can open"
    );

    let newest = key(3).current.id().to_string();
    let file = Pod::file(path, "gateway-0");
    e2e::wait::until("the file to be sealed under the newest key", async || {
        let text = fs::read_to_string(&file)?;
        let is_old = [1, 2].iter().any(|old| text.contains(key(*old).current.id().as_str()));
        Ok((text.contains(&newest) && !is_old).then_some(()))
    })
    .await?;
    pod.kill()?;
    let pod = Pod::start(path, "gateway-0", &[]).await?;
    pod.becomes_ready().await?;
    let report = pod.report(&key(3)).await?;
    ensure!(
        report.order == Some(order(1, 2)) && report.refused.is_empty(),
        "{report:?}"
    );
    Ok(())
}

#[tokio::test]
async fn credentials_under_a_key_that_is_not_held_are_refused_until_it_is() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    // Signed under the key that the pod holds, and sealed under one that it does not.
    let answer = pod
        .push_with(&push(&objects("one", &[]), order(1, 1), &key(2)), &key(1))
        .await?;
    ensure!(answer.status == 200, "{}", answer.text());
    let report = pod.report(&key(1)).await?;
    let refused: Vec<&str> = report.refused.keys().map(String::as_str).collect();
    ensure!(refused == ["Provider default/sim", "Route default/one"], "{report:?}");
    for words in report.refused.values() {
        let names = [key(1), key(2)].map(|keys| keys.current.id().to_string());
        ensure!(names.iter().all(|name| words.contains(name)), "{words}");
        ensure!(
            words.contains("credential/key") && words.contains("--fleet-key"),
            "{words}"
        );
    }
    pod.becomes_ready().await?;
    let client = pod.client()?.with_key(CLIENT_KEY)?;
    let answer = client.chat(&ask("one")).await?;
    ensure!(answer.status == 503, "{}", answer.text());
    turn(fleet.path(), 2, Some(1))?;
    pod.reports("the refusals to end", &keys(2, 1), |report| {
        report.refused.is_empty().then_some(())
    })
    .await?;
    let answer = client.chat(&ask("one")).await?;
    ensure!(
        answer.status == 502 && answer.text().contains("loopback"),
        "{}",
        answer.text()
    );
    Ok(())
}
