//! Between `Anthropic`'s form and the canonical one.

pub mod read_answer;
pub mod read_request;
pub mod read_stream;
mod schema;
pub mod write_answer;
pub mod write_request;
pub mod write_stream;

use crate::providers::canonical::answer::FinishReason;

/// Stands where a signature must stand but there is none: the reasoning is another vendor's. Such blocks never reach `Anthropic`,
/// which would refuse the signature.
pub(super) const UNSIGNED: &str = "route-switch:unsigned";

fn finish_reason(stop_reason: &str) -> FinishReason {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        _ => FinishReason::Stop,
    }
}

fn stop_reason(reason: FinishReason, stop_sequence: Option<&str>) -> &'static str {
    match reason {
        FinishReason::Stop if stop_sequence.is_some() => "stop_sequence",
        FinishReason::Stop => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Refusal => "refusal",
    }
}
