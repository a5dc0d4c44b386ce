//! Edits of a manifest while the gateway runs: a good one, and one with a mistake.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use super::{TARGET, ask, check, check_ok};
use crate::cli::demo::{
    client::{ADMIN_KEY, APP_KEY, Client, Unexpected},
    figures::{ms, short},
    place::{PLAYGROUND, PLAYGROUND_TEXT, Place},
    tour::Told,
};

/// Far longer than an edit takes to go live.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

pub(in crate::cli::demo) async fn good(client: &mut Client, place: &Place) -> Told {
    let before = target(client).await?;
    let snapshot = status(client).await?["snapshot"].clone();
    let edited = swapped(PLAYGROUND_TEXT);
    fs::write(place.manifests.join(PLAYGROUND), &edited)?;
    let took = wait(client, |status| status["snapshot"] != snapshot).await?;
    let after = target(client).await?;
    let seen = (before.as_str(), after.as_str());
    check(seen == ("quick", "careful"), || {
        format!("answered by {before} before and by {after} after the edit")
    })?;
    Ok(vec![
        format!(
            "in {PLAYGROUND} the weights of `playground` were swapped; live after {}",
            ms(took)
        ),
        format!("the same request went to {before} before, to {after} after; no restart, no request lost"),
    ])
}

pub(in crate::cli::demo) async fn bad(client: &mut Client, place: &Place) -> Told {
    let file = place.manifests.join(PLAYGROUND);
    let edited = swapped(PLAYGROUND_TEXT);
    fs::write(&file, edited.replace("weight: 1", "weight: plenty"))?;
    let took = wait(client, |status| !is_sound(status)).await?;
    let fault = status(client).await?["faults"][0].clone();
    let still = target(client).await?;
    check(still == "careful" && fault["serving_last_good"] == true, || {
        format!("answered by {still} with {fault}")
    })?;
    fs::write(&file, &edited)?;
    wait(client, is_sound).await?;
    Ok(vec![
        format!(
            "reported after {}: {PLAYGROUND}:{} {}: {}",
            ms(took),
            fault["line"],
            text(&fault["field"]),
            short(text(&fault["message"]), 100)
        ),
        format!("what the file said before keeps serving: {still} answered; then the mistake was mended"),
    ])
}

/// Exchanges the two weights.
pub(super) fn swapped(manifest: &str) -> String {
    manifest
        .replace("weight: 1", "weight: one")
        .replace("weight: 0", "weight: 1")
        .replace("weight: one", "weight: 0")
}

/// Asks `playground` for the target that answers.
async fn target(client: &mut Client) -> Result<String, Unexpected> {
    let answer = client.chat(APP_KEY, &ask("playground", "Who are you?")).await?;
    check_ok(&answer)?;
    Ok(answer.header(TARGET).to_owned())
}

pub(super) async fn status(client: &Client) -> Result<Value, Unexpected> {
    let answer = client.get(ADMIN_KEY, "/status").await?;
    check_ok(&answer)?;
    Ok(answer.body)
}

/// How long it took until `/status` said so.
pub(super) async fn wait(client: &Client, is_so: impl Fn(&Value) -> bool) -> Result<Duration, Unexpected> {
    let begun = Instant::now();
    loop {
        let status = status(client).await?;
        if is_so(&status) {
            return Ok(begun.elapsed());
        }
        check(begun.elapsed() < PATIENCE, || {
            format!("nothing changed in {PATIENCE:?}: {status}")
        })?;
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Whether nothing is wrong with the playground.
fn is_sound(status: &Value) -> bool {
    let faults = status["faults"].as_array().into_iter().flatten();
    !faults
        .into_iter()
        .any(|fault| text(&fault["file"]).ends_with(PLAYGROUND))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edit_exchanges_the_weights_of_the_sample() {
        let edited = swapped(PLAYGROUND_TEXT);
        assert_ne!(edited, PLAYGROUND_TEXT);
        assert_eq!(swapped(&edited), PLAYGROUND_TEXT);
        assert_eq!(
            (edited.matches("weight: 0").count(), edited.matches("weight: 1").count()),
            (1, 1)
        );
    }
}
