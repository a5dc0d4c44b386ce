//! A gateway in a fleet, from outside: what the operator and siblings can make it do, and what nobody can.

mod backup;
mod keys;
mod order;
mod pod;
mod pushes;
mod refusals;
mod secrecy;
mod start;

use anyhow::ensure;
use e2e::stage::Stage;
use serde_json::json;

use self::{
    pod::Pod,
    pushes::{CLIENT_KEY, key, objects, order, push},
};
use crate::ask;

#[tokio::test]
async fn a_pod_serves_nothing_until_a_push_and_from_its_answer_on_the_whole_of_it() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-2", &[]).await?;
    let unready = pod.admin.get("/readyz").await?;
    ensure!(unready.status == 503, "ready without a Snapshot");
    ensure!(
        unready.header("route-switch-pod-uid") == pod.uid,
        "{:?}",
        unready.headers
    );
    for word in ["there is no file", "no sibling is known", "a push"] {
        ensure!(unready.text().contains(word), "{}", unready.text());
    }
    let client = pod.client()?;
    ensure!(
        client.get("/health").await.is_err(),
        "clients can connect to a pod that has nothing"
    );
    let none = pod.read().await?;
    ensure!(none.status == 404, "{}", none.text());

    let sent = push(&objects("one", &[]), order(1, 1), &key(1));
    let report = pod.push(&sent).await?;
    ensure!(
        report.order == Some(sent.order) && report.revision.as_ref() == Some(&sent.snapshot.revision),
        "{report:?}"
    );
    ensure!(
        report.refused.is_empty() && report.pod.uid == pod.uid && report.pod.name == "gateway-2",
        "{report:?}"
    );
    ensure!(report.key_ids == key(1).ids(), "{report:?}");
    pod.becomes_ready().await?;
    let ready = pod.admin.get("/readyz").await?;
    ensure!(ready.header("route-switch-pod-uid") == pod.uid, "{:?}", ready.headers);

    // Whoever is on this machine needs a key, too: in a pod, that is another container.
    for stranger in [client.clone(), client.with_key("rs-wrong")?] {
        ensure!(stranger.chat(&ask("one")).await?.status == 401, "no key was needed");
    }
    let known = client.with_key(CLIENT_KEY)?;
    let answer = known.chat(&ask("one")).await?;
    // The provider is on loopback, where a pod's providers may not be.
    ensure!(
        answer.status == 502 && answer.text().contains("loopback"),
        "{}",
        answer.text()
    );
    ensure!(
        answer.header("x-route-switch-snapshot") == sent.snapshot.revision,
        "{:?}",
        answer.headers
    );
    ensure!(answer.id().starts_with("gen-2-"), "{}", answer.id());
    let status = known.get_json("/status").await?;
    ensure!(
        status["fleet"]["pod"] == "gateway-2" && status["fleet"]["order"] == json!({ "epoch": 1, "sequence": 1 }),
        "{status}"
    );

    let read = pod.read().await?;
    ensure!(
        read.status == 200 && read.body == serde_json::to_vec(&sent)?,
        "{}",
        read.text()
    );
    ensure!(pod.admin.get("/config").await?.status == 401, "/config is open");
    let config = pod.ask("GET", "/config", b"", &key(1)).await?;
    ensure!(
        config.status == 200 && config.json()?["revision"] == *sent.snapshot.revision,
        "{}",
        config.text()
    );
    let metrics = pod.admin.get("/metrics").await?.text();
    for line in [
        "route_switch_fleet_snapshot_epoch 1",
        "route_switch_fleet_snapshot_sequence 1",
        "route_switch_fleet_refused_objects{kind=\"Route\"} 0",
    ] {
        ensure!(metrics.contains(line), "{metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_of_more_than_four_mebibytes_is_taken_kept_and_given() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let mut pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let long = "x".repeat(64 * 1024);
    let prompts: Vec<_> = (0..80)
        .map(|number| pushes::prompt(&format!("long-{number}"), &format!("{number} {long}")))
        .collect();
    let sent = push(&objects("large", &prompts), order(1, 1), &key(1));
    let bytes = serde_json::to_vec(&sent)?;
    ensure!(bytes.len() > 5 * 1024 * 1024, "{} bytes", bytes.len());
    let report = pod.push(&sent).await?;
    ensure!(report.refused.is_empty(), "{report:?}");
    ensure!(pod.read().await?.body == bytes, "what it gives is not what it took");
    pod.keeps(sent.order).await?;
    pod.kill()?;
    let again = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    again.becomes_ready().await?;
    ensure!(
        again.read().await?.body == bytes,
        "what it started with is not what it took"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_fleet_there_are_no_fleet_paths_and_a_fleet_needs_a_key_and_a_pod() -> anyhow::Result<()> {
    let (_stage, gateway) = Stage::playing(&[]).await?;
    for path in ["/fleet/snapshot", "/fleet/heartbeat"] {
        let answer = gateway.admin.get(path).await?;
        ensure!(answer.status == 404, "{path}: {}", answer.status);
    }
    let readyz = gateway.admin.get("/readyz").await?;
    ensure!(readyz.header("route-switch-pod-uid").is_empty(), "{:?}", readyz.headers);
    let fleet = tempfile::tempdir()?;
    let keys = Pod::keys(fleet.path())?;
    let keys = keys.to_string_lossy();
    let pod = ["--pod-name", "gateway-0", "--pod-uid", "uid"];
    for (arguments, said) in [
        (&["--manifests", "/nowhere"][..], "cannot be used with"),
        (
            &["--simulator", "http://127.0.0.1:1", "--fleet-key", &keys],
            "cannot be used with",
        ),
        (&[], "--fleet-key <DIR>"),
        (
            &["--fleet-key", "/nowhere", pod[0], pod[1], pod[2], pod[3]],
            "/nowhere/current",
        ),
        (&["--fleet-key", &keys, pod[0], pod[1]], "POD_UID"),
        (&["--fleet-key", &keys, pod[2], pod[3]], "POD_NAME"),
        (&["--fleet-key", &keys, "--siblings", "gateway"], "a host and a port"),
    ] {
        let words = Pod::fails(fleet.path(), &[&["serve", "--fleet"], arguments].concat()).await?;
        ensure!(words.contains(said), "{arguments:?}: {words}");
    }
    let words = Pod::fails(
        fleet.path(),
        &["serve", "--manifests", "/nowhere", "--max-prompt-bytes", "1"],
    )
    .await?;
    ensure!(words.contains("--fleet"), "{words}");
    Ok(())
}
