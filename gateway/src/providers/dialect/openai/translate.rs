//! Between `OpenAI`'s form and the canonical one.

pub mod read_answer;
pub mod read_request;
pub mod read_stream;
pub mod write_answer;
pub mod write_request;
pub mod write_stream;

use crate::providers::canonical::answer::FinishReason;

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::Refusal,
        _ => FinishReason::Stop,
    }
}

/// The word for it.
pub fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Refusal => "content_filter",
    }
}
