//! How a request wants the model to think, and what that demands of the rest of it.

use serde_json::{Map, Value};

use super::refusal::{Refusal, only, text_of};
use crate::simulator::answer::{Reasoning, ToolChoice};

const TYPES: [&str; 4] = ["adaptive", "between_tools", "disabled", "enabled"];
const LEAST_BUDGET_TOKENS: u64 = 1024;

/// What is wished of thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Thinking {
    pub wished: Reasoning,
    /// With a budget: the older way, which has rules of its own.
    pub enabled: bool,
    /// The answer has the signature alone.
    pub omitted: bool,
}

/// Reads the wish. Without `max_tokens`, as for a count, there is nothing that a budget must stay under.
pub(super) fn read(fields: &Map<String, Value>, max_tokens: Option<u64>, lenient: bool) -> Result<Thinking, Refusal> {
    let Some(value) = fields.get("thinking") else {
        return Ok(Thinking::default());
    };
    let thinking = value
        .as_object()
        .ok_or_else(|| Refusal::wrong_type("thinking", "dictionary"))?;
    let kind = text_of(thinking, "type", "thinking")?;
    if !TYPES.contains(&kind) {
        return Err(Refusal::wrong_tag("thinking", kind, &TYPES));
    }
    let at = format!("thinking.{kind}");
    let known: &[&str] = match kind {
        "enabled" => &["type", "budget_tokens", "display"],
        "adaptive" => &["type", "display"],
        _ => &["type"],
    };
    only(&at, thinking, known, lenient)?;
    if kind == "enabled" {
        budget(&at, thinking, max_tokens)?;
    }
    let omitted = match thinking.get("display") {
        None | Some(Value::Null) => false,
        Some(Value::String(display)) if ["summarized", "omitted"].contains(&display.as_str()) => display == "omitted",
        Some(_) => {
            let display = format!("{at}.display");
            return Err(Refusal::wrong_value(&display, &["summarized", "omitted"]));
        }
    };
    let wished = match kind {
        "enabled" | "adaptive" => Reasoning::Wanted,
        "disabled" => Reasoning::Unwanted,
        _ => Reasoning::AsTheBehaviourSays,
    };
    Ok(Thinking {
        wished,
        enabled: kind == "enabled",
        omitted,
    })
}

fn budget(at: &str, thinking: &Map<String, Value>, max_tokens: Option<u64>) -> Result<(), Refusal> {
    let at = format!("{at}.budget_tokens");
    let budget = thinking.get("budget_tokens").ok_or_else(|| Refusal::missing(&at))?;
    let budget = budget.as_u64().ok_or_else(|| Refusal::wrong_type(&at, "integer"))?;
    if budget < LEAST_BUDGET_TOKENS {
        let message = format!("Input should be greater than or equal to {LEAST_BUDGET_TOKENS}");
        return Err(Refusal::at(&at, &message));
    }
    if max_tokens.is_some_and(|most| most <= budget) {
        return Err(Refusal::invalid(
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ));
    }
    Ok(())
}

impl Thinking {
    /// What thinking with a budget forbids.
    pub(super) fn allows(self, fields: &Map<String, Value>, choice: &ToolChoice) -> Result<(), Refusal> {
        if !self.enabled {
            return Ok(());
        }
        if matches!(choice, ToolChoice::Required | ToolChoice::Named(_)) {
            return Err(Refusal::invalid(
                "Thinking may not be enabled when tool_choice forces tool use.",
            ));
        }
        let temperature = fields.get("temperature").and_then(Value::as_f64);
        if temperature.is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON) {
            return Err(Refusal::invalid(
                "`temperature` may only be set to 1 when thinking is enabled.",
            ));
        }
        if fields.contains_key("top_k") {
            return Err(Refusal::invalid("`top_k` must be unset when thinking is enabled."));
        }
        Ok(())
    }
}
