//! `usage` objects. Here, `input_tokens` leaves out what was read from or written to a cache; a [`Usage`] counts it in.

use serde::Serialize;

use crate::{
    capture::record::Usage,
    providers::document::{Node, Wrong},
};

/// What a provider has counted so far: a stream tells it in two parts, of which the second repeats some of the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    input: u64,
    cache_write: u64,
    cache_read: u64,
    output: u64,
    thinking: u64,
}

impl Counted {
    pub(super) fn update(&mut self, usage: &Node<'_>) -> Result<(), Wrong> {
        for (key, node) in usage.members()? {
            match key.as_str() {
                "input_tokens" => self.input = node.count()?,
                "cache_creation_input_tokens" => self.cache_write = node.count()?,
                "cache_read_input_tokens" => self.cache_read = node.count()?,
                "output_tokens" => self.output = node.count()?,
                "output_tokens_details" => {
                    if let Some(thinking) = node.member("thinking_tokens")? {
                        self.thinking = thinking.count()?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn usage(&self) -> Usage {
        let sum = |one: u64, other: u64| one.saturating_add(other);
        Usage {
            prompt_tokens: sum(self.input, sum(self.cache_write, self.cache_read)),
            cached_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            completion_tokens: self.output,
            reasoning_tokens: self.thinking,
            estimated: false,
        }
    }
}

/// A `usage` object of ours.
#[derive(Debug, Serialize)]
pub(super) struct UsageObject {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    /// Counted by us, four characters a token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl From<&Usage> for UsageObject {
    fn from(usage: &Usage) -> Self {
        let Usage {
            prompt_tokens,
            cached_tokens,
            cache_write_tokens,
            completion_tokens,
            reasoning_tokens,
            estimated,
        } = *usage;
        Self {
            input_tokens: prompt_tokens
                .saturating_sub(cached_tokens)
                .saturating_sub(cache_write_tokens),
            cache_creation_input_tokens: cache_write_tokens,
            cache_read_input_tokens: cached_tokens,
            output_tokens: completion_tokens,
            output_tokens_details: (reasoning_tokens > 0).then_some(OutputDetails {
                thinking_tokens: reasoning_tokens,
            }),
            estimated,
        }
    }
}
