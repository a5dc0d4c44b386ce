//! What a pod takes, and what it does not believe.

use anyhow::ensure;
use crds::fleet::{
    Order, Refusal, SNAPSHOT_PATH,
    signature::{Request, sign},
};

use super::{
    pod::{Pod, now},
    pushes::{key, objects, order, push},
};

#[tokio::test]
async fn only_what_is_above_is_taken_and_the_same_revision_in_any_order() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let sent = |route: &str, order: Order| push(&objects(route, &[]), order, &key(1));
    pod.push(&sent("one", order(3, 5))).await?;
    for lower in [order(3, 5), order(3, 4), order(2, 9)] {
        let answer = pod.push_with(&sent("two", lower), &key(1)).await?;
        let refusal: Refusal = serde_json::from_slice(&answer.body)?;
        ensure!(
            answer.status == 409 && refusal.order == Some(order(3, 5)),
            "{lower:?}: {}",
            answer.text()
        );
        ensure!(refusal.message.contains("epoch 3, sequence 5"), "{}", refusal.message);
    }
    let report = pod.push(&sent("one", order(2, 1))).await?;
    ensure!(report.order == Some(order(3, 5)), "{report:?}");
    let raised = sent("one", order(4, 1));
    let report = pod.push(&raised).await?;
    ensure!(report.order == Some(order(4, 1)), "{report:?}");
    ensure!(
        pod.read().await?.body == serde_json::to_vec(&raised)?,
        "it gives another order than it reports"
    );
    let answer = pod.push_with(&sent("two", order(3, 6)), &key(1)).await?;
    ensure!(answer.status == 409, "{}", answer.text());
    let two = sent("two", order(4, 2));
    let report = pod.push(&two).await?;
    ensure!(report.revision == Some(two.snapshot.revision), "{report:?}");
    // A Snapshot that was in use before is no other than any: its order counts.
    let answer = pod.push_with(&sent("one", order(4, 2)), &key(1)).await?;
    ensure!(answer.status == 409, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn nobody_is_believed_who_does_not_hold_the_key_or_says_it_again() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let body = serde_json::to_vec(&push(&objects("one", &[]), order(1, 1), &key(1)))?;
    let request = |receiver| Request {
        method: "PUT",
        path: SNAPSHOT_PATH,
        body: &body,
        receiver,
    };
    let refused = async |body: &[u8], signature: Option<&str>, words: &str| {
        let answer = pod.send("PUT", SNAPSHOT_PATH, body, signature).await?;
        ensure!(
            answer.status == 401 && answer.text().contains(words),
            "{}: {}",
            answer.status,
            answer.text()
        );
        anyhow::Ok(())
    };
    let held = key(1);
    let signed = |request| sign(&held, held.current.id(), request, now(), rand::random());
    refused(&body, None, "carries no signature").await?;
    refused(&body, Some("v1 a b c"), "not of the form").await?;
    let stranger = key(7);
    let strange = sign(&stranger, stranger.current.id(), request(&pod.uid), now(), 1);
    refused(&body, Some(&strange), &format!("this pod holds {}", held.current.id())).await?;
    refused(&body, Some(&signed(request("another-uid"))), "another pod").await?;
    refused(
        &body[..body.len() - 1],
        Some(&signed(request(&pod.uid))),
        "does not fit",
    )
    .await?;
    let early = sign(&held, held.current.id(), request(&pod.uid), now() - 40_000, 1);
    refused(&body, Some(&early), "check the clocks").await?;
    ensure!(pod.read().await?.status == 404, "something was taken all the same");

    let good = signed(request(&pod.uid));
    let taken = pod.send("PUT", SNAPSHOT_PATH, &body, Some(&good)).await?;
    ensure!(taken.status == 200, "{}", taken.text());
    refused(&body, Some(&good), "seen before").await
}

#[tokio::test]
async fn a_snapshot_that_is_not_understood_is_refused_whole_and_changes_nothing() -> anyhow::Result<()> {
    let fleet = tempfile::tempdir()?;
    let pod = Pod::start(fleet.path(), "gateway-0", &[]).await?;
    let sent = push(&objects("one", &[]), order(1, 1), &key(1));
    pod.push(&sent).await?;
    let mut newer = push(&objects("two", &[]), order(1, 2), &key(1));
    newer.snapshot.version = 2;
    let newer = serde_json::to_vec(&newer)?;
    let vendor = String::from_utf8(serde_json::to_vec(&push(&objects("two", &[]), order(1, 2), &key(1)))?)?;
    let vendor = vendor.replace("\"Simulated\"", "\"FromTheFuture\"");
    for (body, words) in [
        (&newer[..], "version 2"),
        (vendor.as_bytes(), "FromTheFuture"),
        (b"{}", "does not understand"),
        (b"\xff", "does not understand"),
    ] {
        let answer = pod.ask("PUT", SNAPSHOT_PATH, body, &key(1)).await?;
        let refusal: Refusal = serde_json::from_slice(&answer.body)?;
        ensure!(
            answer.status == 422 && refusal.message.contains(words),
            "{}: {}",
            answer.status,
            answer.text()
        );
    }
    ensure!(pod.report(&key(1)).await?.revision == Some(sent.snapshot.revision));
    Ok(())
}
