//! What the demo asks of its manifests, over and over: what answers, fails over, is rendered from a prompt, or is not there.

use serde_json::json;

use crate::client::Client;

/// Asks until it is dropped.
pub async fn traffic(client: Client) -> anyhow::Result<()> {
    let says = |text: &str| json!([{"role": "user", "content": text}]);
    for number in 0_u64.. {
        let stream = number % 2 == 1;
        for body in [
            json!({"model": "support-triage", "messages": says("Where is my parcel?")}),
            json!({"model": "fast", "messages": says("Hello"), "stream": stream}),
            json!({"model": "steady", "messages": says("Hello"), "stream": stream}),
            json!({"model": "sort-messages", "variables": {"message": "Where is my parcel?"}}),
            json!({"model": "greeting", "variables": {"name": "Ada"}, "messages": says("Hello")}),
            json!({"model": "no-such-model", "messages": says("Hello")}),
        ] {
            client.chat(&body).await?;
        }
    }
    Ok(())
}
