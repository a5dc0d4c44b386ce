//! What objects say of themselves in their status.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::Instant;

use super::objects::Objects;
use crate::wait::within;

const PAUSE: Duration = Duration::from_millis(20);

/// The condition of this type; null when there is none.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice);
    let found = conditions
        .unwrap_or_default()
        .iter()
        .find(|condition| condition["type"] == kind);
    found.unwrap_or(&Value::Null)
}

/// Whether the condition says this, of whatever generation.
pub fn has(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind)["status"] == status
}

/// Whether the condition says this of the newest generation.
pub fn is(object: &Value, kind: &str, status: &str) -> bool {
    let condition = condition(object, kind);
    condition["status"] == status && condition["observedGeneration"] == object["metadata"]["generation"]
}

/// Whether the condition says this of the newest generation, for this reason.
pub fn is_for(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    is(object, kind, status) && condition(object, kind)["reason"] == reason
}

/// Waits until the object is as asked; gives it and how long that took. What it said last is in the error.
pub async fn awaited(
    objects: &Objects,
    (kind, name): (&str, &str),
    (limit, what): (Duration, &str),
    right: impl Fn(&Value) -> bool,
) -> anyhow::Result<(Value, Duration)> {
    let began = Instant::now();
    let mut last = Value::Null;
    let awaited = format!("{kind} {name}: {what}");
    let waited = within(limit, PAUSE, &awaited, async || {
        last = objects.get(kind, name).await?.unwrap_or_default();
        Ok(right(&last).then(|| last.clone()))
    });
    let waited = waited.await;
    let object = waited.with_context(|| format!("it says {:#}", last["status"]))?;
    Ok((object, began.elapsed()))
}
