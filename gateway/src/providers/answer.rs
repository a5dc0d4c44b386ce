//! A provider's whole answer, on its way from the provider's dialect to the client's.

use bytes::Bytes;
use crds::provider::Dialect;

use super::{
    canonical,
    dialect::{
        anthropic::{self, translate as anthropic_form},
        openai::{self, translate as openai_form},
    },
    fault::Fault,
    stamp::Stamp,
};
use crate::capture::record::Usage;

/// An answer, read.
#[derive(Debug)]
pub enum Answer {
    /// Both sides speak `OpenAI`'s dialect.
    OpenAi(openai::answer::Answer),
    /// Both sides speak `Anthropic`'s.
    Anthropic(anthropic::answer::Answer),
    /// The provider speaks another dialect than the client, whose is this one.
    Translated(canonical::answer::Answer, Dialect),
}

/// What an answer is written with.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    pub stamp: &'a Stamp,
    pub created_unix_seconds: i64,
    /// What was counted or estimated.
    pub used: &'a Usage,
    pub cost_pico_usd: Option<i64>,
}

impl Answer {
    /// Reads an answer that came in the dialect `provider`, for a client of the dialect `client`.
    pub fn read(body: Bytes, provider: Dialect, client: Dialect) -> Result<Self, Fault> {
        match (provider, client) {
            (Dialect::OpenAI, Dialect::OpenAI) => openai::answer::Answer::read(body).map(Self::OpenAi),
            (Dialect::Anthropic, Dialect::Anthropic) => anthropic::answer::Answer::read(body).map(Self::Anthropic),
            (Dialect::OpenAI, Dialect::Anthropic) => {
                let answer = openai_form::read_answer::read_answer(&body)?;
                anthropic_form::write_answer::check(&answer)?;
                Ok(Self::Translated(answer, client))
            }
            (Dialect::Anthropic, Dialect::OpenAI) => {
                let answer = anthropic_form::read_answer::read_answer(&body)?;
                Ok(Self::Translated(answer, client))
            }
        }
    }

    /// As the provider counted; none when it did not say.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::OpenAi(answer) => answer.usage,
            Self::Anthropic(answer) => answer.usage(),
            Self::Translated(answer, _) => answer.usage,
        }
    }

    pub fn take_upstream_id(&mut self) -> Option<Box<str>> {
        match self {
            Self::OpenAi(answer) => answer.upstream_id.take(),
            Self::Anthropic(answer) => answer.canonical().upstream_id.clone(),
            Self::Translated(answer, _) => answer.upstream_id.clone(),
        }
    }

    /// Why it ended, in the words of `OpenAI`, which the books are kept in.
    pub fn finish_reason(&self) -> Option<Box<str>> {
        match self {
            Self::OpenAi(answer) => answer.finish_reason(),
            Self::Anthropic(answer) => Some(openai_form::word(answer.canonical().finish.reason).into()),
            Self::Translated(answer, _) => Some(openai_form::word(answer.finish.reason).into()),
        }
    }

    /// Length of what was said, in bytes, for estimates.
    pub fn content_bytes(&self) -> usize {
        match self {
            Self::OpenAi(answer) => answer.message().len(),
            Self::Anthropic(answer) => canonical::answer::content_bytes(&answer.canonical().content),
            Self::Translated(answer, _) => canonical::answer::content_bytes(&answer.content),
        }
    }

    /// What was said, as `OpenAI`'s `choices[0].message`, which is the form of what is captured.
    pub fn message(&self) -> Bytes {
        let content = match self {
            Self::OpenAi(answer) => return answer.message(),
            Self::Anthropic(answer) => &answer.canonical().content,
            Self::Translated(answer, _) => &answer.content,
        };
        openai_form::write_answer::write_message(content)
            .unwrap_or_default()
            .into()
    }

    /// The body for the client.
    pub fn written(&self, marks: &Marks<'_>) -> Vec<Bytes> {
        let Marks {
            stamp,
            created_unix_seconds,
            used,
            cost_pico_usd,
        } = *marks;
        let text = match self {
            Self::OpenAi(answer) => return answer.stamped(stamp, used, cost_pico_usd),
            Self::Anthropic(answer) => return answer.stamped(stamp),
            Self::Translated(answer, Dialect::OpenAI) => {
                openai_form::write_answer::write_answer(answer, stamp, created_unix_seconds, used, cost_pico_usd).ok()
            }
            Self::Translated(answer, Dialect::Anthropic) => {
                anthropic_form::write_answer::write_answer(answer, stamp, used).ok()
            }
        };
        vec![text.expect("an answer that was read and checked can be written").into()]
    }
}
