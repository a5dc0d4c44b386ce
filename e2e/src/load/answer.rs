//! Whether an answer is the one to its request: complete, in order, with the request's mark and with usage.

use std::borrow::Cow;

use serde::Deserialize;

use super::Outcome;
use crate::mock::{MARK_DIGITS, MARK_OPEN};

/// What a right answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A whole completion with usage; with `echo`, the mock's, that repeats the mark.
    Completion { echo: bool },
    /// A stream that ends with a finish reason, usage and `[DONE]`; with a number, the mock's, of so many marked chunks.
    Stream { echoed_chunks: Option<usize> },
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: u64,
    #[serde(rename = "completion_tokens")]
    completion: u64,
    #[serde(rename = "total_tokens")]
    total: u64,
}

/// `echo` is the number whose mark the content must begin with.
pub(super) fn check_completion(body: &[u8], echo: Option<u64>) -> Result<(), String> {
    let answer: Completion<'_> = serde_json::from_slice(body).map_err(|error| format!("not a completion: {error}"))?;
    let [choice] = answer.choices.as_slice() else {
        return Err(format!("{} choices in place of one", answer.choices.len()));
    };
    if choice.finish_reason.is_none() {
        return Err("no finish_reason".to_owned());
    }
    check_usage(answer.usage.as_ref())?;
    let content = choice.message.content.as_deref().unwrap_or_default();
    match echo {
        Some(number) if marked(content.strip_prefix(MARK_OPEN)) != Some(number) => {
            Err(format!("the answer to another request: {content:.60}"))
        }
        _ => Ok(()),
    }
}

fn check_usage(usage: Option<&Usage>) -> Result<(), String> {
    let Some(Usage {
        prompt,
        completion,
        total,
    }) = usage
    else {
        return Err("no usage".to_owned());
    };
    if *total == 0 || prompt + completion != *total {
        return Err(format!("usage does not add up: {prompt} + {completion} = {total}"));
    }
    Ok(())
}

fn marked(text: Option<&str>) -> Option<u64> {
    text?.get(..MARK_DIGITS)?.parse().ok()
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<ChunkChoice<'a>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow, default)]
    delta: Delta<'a>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

/// Reads the events of one stream in order.
pub(super) struct StreamCheck {
    echo: Option<(u64, usize)>,
    chunks: usize,
    finished: bool,
    usage: bool,
    done: bool,
    error: Option<String>,
}

impl StreamCheck {
    /// With `echo`, the number whose mark every chunk must carry, and how many chunks there must be.
    pub(super) fn new(echo: Option<(u64, usize)>) -> Self {
        Self {
            echo,
            chunks: 0,
            finished: false,
            usage: false,
            done: false,
            error: None,
        }
    }

    /// Chunks with content so far.
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    /// One event, without the empty line that ends it.
    pub(super) fn event(&mut self, event: &[u8]) -> Result<(), String> {
        if event.starts_with(b":") {
            return Ok(());
        }
        let data = event.strip_prefix(b"data: ").ok_or("an event without data")?;
        if self.done {
            return Err("an event after [DONE]".to_owned());
        }
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| format!("not a chunk: {error}"))?;
        if let Some(error) = chunk.error {
            self.error = Some(error.get().to_owned());
        }
        if chunk.usage.is_some() {
            check_usage(chunk.usage.as_ref())?;
            self.usage = true;
        }
        for choice in &chunk.choices {
            self.choice(choice)?;
        }
        Ok(())
    }

    fn choice(&mut self, choice: &ChunkChoice<'_>) -> Result<(), String> {
        let content = choice.delta.content.as_deref().unwrap_or_default();
        if !content.is_empty() {
            if self.finished {
                return Err("content after the finish".to_owned());
            }
            if let Some((number, _)) = self.echo {
                let (index, mark) = content
                    .split_once('@')
                    .ok_or_else(|| format!("an unmarked chunk: {content:.60}"))?;
                if marked(Some(mark)) != Some(number) {
                    return Err(format!("a chunk of another answer: {content:.60}"));
                }
                if index.parse() != Ok(self.chunks) {
                    return Err(format!("chunk {index} where chunk {} was due", self.chunks));
                }
            }
            self.chunks += 1;
        }
        self.finished |= choice.finish_reason.is_some();
        Ok(())
    }

    /// The verdict, after the last event.
    pub(super) fn end(self) -> Outcome {
        if let Some(error) = self.error {
            return Outcome::StreamError(error);
        }
        let missing = match (self.finished, self.usage, self.done, self.echo) {
            (false, ..) => "no finish_reason".to_owned(),
            (_, false, ..) => "no usage".to_owned(),
            (_, _, false, _) => "no [DONE]".to_owned(),
            (.., Some((_, due))) if due != self.chunks => format!("{} of {due} chunks", self.chunks),
            _ => return Outcome::Ok,
        };
        Outcome::Wrong(missing)
    }
}

#[cfg(test)]
mod tests;
