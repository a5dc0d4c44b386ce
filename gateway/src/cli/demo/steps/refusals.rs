//! What the gateway refuses, in the words that OpenAI's clients know.

use super::{ask, check};
use crate::cli::demo::{
    client::{APP_KEY, Answer, Client, Unexpected},
    figures::short,
    tour::Told,
};

pub(in crate::cli::demo) async fn refusals(client: &mut Client) -> Told {
    let wrong_key = client
        .chat("sk-nobody-knows-this", &ask("support-triage", "Hello"))
        .await?;
    let unknown_model = client.chat(APP_KEY, &ask("no-such-model", "Hello")).await?;
    let foreign_route = client.chat(APP_KEY, &ask("gpt-4o-mini", "Hello")).await?;
    let low_role = client.get(APP_KEY, "/v1/system/analytics").await?;
    Ok(vec![
        refused("a wrong key", &wrong_key, 401, "invalid_api_key")?,
        refused("an unknown model", &unknown_model, 404, "model_not_found")?,
        refused("a Route that is not the key's", &foreign_route, 404, "model_not_found")?,
        refused(
            "analytics with the role User",
            &low_role,
            403,
            "insufficient_permissions",
        )?,
    ])
}

fn refused(what: &str, answer: &Answer, status: u16, code: &str) -> Result<String, Unexpected> {
    let error = &answer.body["error"];
    check(answer.status == status && error["code"] == code, || {
        format!("{what}: {} {}", answer.status, answer.body)
    })?;
    Ok(format!(
        "{what}: {status} {code} ({})",
        short(error["message"].as_str().unwrap_or(""), 110)
    ))
}
