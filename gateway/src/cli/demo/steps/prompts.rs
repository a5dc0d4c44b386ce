//! A prompt: put in front of a request by the gateway, checked, edited while it runs, and gone back to.

use std::fs;

use serde_json::{Value, json};

use super::{
    check, check_ok,
    edits::{status, swapped, wait},
};
use crate::cli::demo::{
    client::{APP_KEY, Answer, Client, Unexpected},
    figures::{ms, short},
    place::{PLAYGROUND, PLAYGROUND_TEXT, Place},
    tour::Told,
};

const REVISION: &str = "x-route-switch-prompt-revision";
const BEFORE: &str = "in one short sentence";
const AFTER: &str = "in verse";

pub(in crate::cli::demo) async fn rendered(client: &mut Client, place: &Place) -> Told {
    let first = client.chat(APP_KEY, &ask(json!({ "name": "Ada" }))).await?;
    let before = heard(&first)?;
    check(before == format!("Greet Ada {BEFORE}."), || {
        format!("the model got: {before}")
    })?;
    let refused = client.chat(APP_KEY, &ask(json!({ "nam": "Ada" }))).await?;
    let param = refused.body["error"]["param"].as_str().unwrap_or("");
    check(refused.status == 400 && param == "variables.nam", || {
        format!("status {}: {}", refused.status, refused.body)
    })?;
    let message = refused.body["error"]["message"].as_str().unwrap_or("");

    let snapshot = status(client).await?["snapshot"].clone();
    // The weights are as the steps before left them.
    let edited = swapped(PLAYGROUND_TEXT).replace(BEFORE, AFTER);
    fs::write(place.manifests.join(PLAYGROUND), edited)?;
    let took = wait(client, |status| status["snapshot"] != snapshot).await?;
    let second = client.chat(APP_KEY, &ask(json!({ "name": "Ada" }))).await?;
    let after = heard(&second)?;
    let (old, new) = (first.header(REVISION), second.header(REVISION));
    check(after == format!("Greet Ada {AFTER}.") && old != new, || {
        format!("the model got: {after}, of {new} after {old}")
    })?;

    let mut back = ask(Value::Null);
    back["prompt"] = json!({ "id": "greeting", "version": old, "variables": { "name": "Ada" } });
    let third = client.chat(APP_KEY, &back).await?;
    let again = heard(&third)?;
    check(again == before && third.header(REVISION) == old, || {
        format!("the model got: {again}, of {}", third.header(REVISION))
    })?;
    Ok(vec![
        format!("with the variable name=Ada the model got \"{before}\" ({old})"),
        format!("a misspelt variable is a 400 that names it: {}", short(message, 100)),
        format!(
            "in {PLAYGROUND} the prompt was edited; live after {}: \"{after}\" ({new})",
            ms(took)
        ),
        "who asks for the revision of before gets it: revisions are kept, and never change".to_owned(),
    ])
}

fn ask(variables: Value) -> Value {
    let mut body = json!({ "model": "greeting", "messages": [{ "role": "user", "content": "Hello!" }] });
    if !variables.is_null() {
        body["variables"] = variables;
    }
    body
}

/// The first message that the model was sent, as it tells.
fn heard(answer: &Answer) -> Result<String, Unexpected> {
    check_ok(answer)?;
    let told: Value = serde_json::from_str(answer.text()).unwrap_or_default();
    let first = told["body"]["messages"][0]["content"].as_str();
    let otherwise = || Unexpected::Otherwise(format!("no echo of a request: {}", short(answer.text(), 100)));
    Ok(first.ok_or_else(otherwise)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_holds_what_is_edited() {
        assert_eq!(PLAYGROUND_TEXT.matches(BEFORE).count(), 1);
    }
}
