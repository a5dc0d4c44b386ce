//! A provider's stream, on its way from the provider's dialect to the client's, event by event.

use bytes::{Bytes, BytesMut};
use crds::provider::Dialect;

use super::{
    canonical::{event::Event as Meaning, tally::Tally},
    dialect::{
        anthropic::{
            stream::PassingEvents,
            translate::{read_stream::EventReader, write_stream::EventWriter},
        },
        openai::{
            self,
            stream::{Event, Setting, Trailer},
            translate::{self, read_stream::ChunkReader, write_stream::ChunkWriter},
        },
    },
    fault::Fault,
};
use crate::capture::record::{Deltas, Usage};

/// One attempt's stream under way.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the usual variant costs no allocation")]
pub enum StreamWriter {
    /// Both sides speak `OpenAI`'s dialect.
    OpenAi(openai::stream::StreamWriter),
    /// The provider speaks `Anthropic`'s, the client `OpenAI`'s.
    ToOpenAi(Box<ToOpenAi>),
    /// The provider speaks `OpenAI`'s, the client `Anthropic`'s.
    ToAnthropic(Box<ToAnthropic>),
    /// Both sides speak `Anthropic`'s dialect.
    Anthropic(Box<Passing>),
}

#[derive(Debug)]
pub struct ToOpenAi {
    reader: EventReader,
    chunks: ChunkWriter,
    writer: openai::stream::StreamWriter,
}

#[derive(Debug)]
pub struct ToAnthropic {
    reader: ChunkReader,
    writer: EventWriter,
    tally: Tally,
}

#[derive(Debug)]
pub struct Passing {
    events: PassingEvents,
    tally: Tally,
}

impl StreamWriter {
    pub fn new(provider: Dialect, client: Dialect, setting: Setting) -> Self {
        let tally = || Tally::new(setting.price, setting.estimated_prompt_tokens, setting.capture);
        match (provider, client) {
            (Dialect::OpenAI, Dialect::OpenAI) => Self::OpenAi(openai::stream::StreamWriter::new(setting)),
            (Dialect::Anthropic, Dialect::OpenAI) => Self::ToOpenAi(Box::new(ToOpenAi {
                reader: EventReader::default(),
                chunks: ChunkWriter::new(setting.created_unix_seconds),
                writer: openai::stream::StreamWriter::new(setting),
            })),
            (Dialect::OpenAI, Dialect::Anthropic) => Self::ToAnthropic(Box::new(ToAnthropic {
                reader: ChunkReader::default(),
                tally: tally(),
                writer: EventWriter::new(setting.stamp),
            })),
            (Dialect::Anthropic, Dialect::Anthropic) => Self::Anthropic(Box::new(Passing {
                tally: tally(),
                events: PassingEvents::new(setting.stamp),
            })),
        }
    }

    /// Takes the data of one event; appends what the client gets for it now.
    pub fn event(&mut self, data: Bytes, out: &mut BytesMut) -> Result<Event, Fault> {
        let data = in_one_line(data);
        match self {
            Self::OpenAi(writer) => writer.event(data, out),
            Self::ToOpenAi(stream) => stream.event(&data, out),
            Self::ToAnthropic(stream) => {
                let meanings = stream.reader.read(&data)?;
                for meaning in &meanings {
                    stream.tally.note(meaning);
                    stream.writer.write(meaning, out)?;
                }
                Ok(in_all(&meanings))
            }
            Self::Anthropic(stream) => {
                let meanings = stream.events.event(&data, out)?;
                for meaning in &meanings {
                    stream.tally.note(meaning);
                }
                Ok(in_all(&meanings))
            }
        }
    }

    /// Whether the answer has come to its finish.
    pub fn is_finished(&self) -> bool {
        match self {
            Self::OpenAi(writer) => writer.is_finished(),
            Self::ToOpenAi(stream) => stream.writer.is_finished(),
            Self::ToAnthropic(stream) => stream.tally.finish().is_some(),
            Self::Anthropic(stream) => stream.tally.finish().is_some(),
        }
    }

    /// Appends what is still held, the usage and the end.
    pub fn end(&mut self, trailer: Trailer<'_>, out: &mut BytesMut) {
        match self {
            Self::OpenAi(writer) => writer.end(trailer, out),
            Self::ToOpenAi(stream) => stream.writer.end(trailer, out),
            Self::ToAnthropic(stream) => stream.writer.end(stream.tally.finish(), &stream.tally.usage(), out),
            Self::Anthropic(stream) => stream.events.end(out),
        }
    }

    /// Tokens as counted, or estimated from what has come.
    pub fn usage(&self) -> Usage {
        match self {
            Self::OpenAi(writer) => writer.usage(),
            Self::ToOpenAi(stream) => stream.writer.usage(),
            Self::ToAnthropic(stream) => stream.tally.usage(),
            Self::Anthropic(stream) => stream.tally.usage(),
        }
    }

    pub fn cost_pico_usd(&self) -> Option<i64> {
        match self {
            Self::OpenAi(writer) => writer.cost_pico_usd(),
            Self::ToOpenAi(stream) => stream.writer.cost_pico_usd(),
            Self::ToAnthropic(stream) => stream.tally.cost_pico_usd(),
            Self::Anthropic(stream) => stream.tally.cost_pico_usd(),
        }
    }

    /// Why it ended, in the words of `OpenAI`, which the books are kept in.
    pub fn finish_reason(&self) -> Option<Box<str>> {
        let reason = match self {
            Self::OpenAi(writer) => return writer.finish_reason(),
            Self::ToOpenAi(stream) => return stream.writer.finish_reason(),
            Self::ToAnthropic(stream) => stream.tally.finish_reason(),
            Self::Anthropic(stream) => stream.tally.finish_reason(),
        };
        reason.map(|reason| translate::word(reason).into())
    }

    pub fn take_upstream_id(&mut self) -> Option<Box<str>> {
        match self {
            Self::OpenAi(writer) => writer.take_upstream_id(),
            Self::ToOpenAi(stream) => stream.writer.take_upstream_id(),
            Self::ToAnthropic(stream) => stream.tally.take_upstream_id(),
            Self::Anthropic(stream) => stream.tally.take_upstream_id(),
        }
    }

    /// What the answer held, if it is captured.
    pub fn take_deltas(&mut self) -> Option<Deltas> {
        match self {
            Self::OpenAi(writer) => writer.take_deltas(),
            Self::ToOpenAi(stream) => stream.writer.take_deltas(),
            Self::ToAnthropic(stream) => stream.tally.take_deltas(),
            Self::Anthropic(stream) => stream.tally.take_deltas(),
        }
    }
}

impl ToOpenAi {
    fn event(&mut self, data: &[u8], out: &mut BytesMut) -> Result<Event, Fault> {
        let mut event = Event::Preamble;
        for meaning in self.reader.read(data)? {
            if let Meaning::Usage(usage) = &meaning
                && usage.estimated
            {
                self.writer.expect_prompt_tokens(usage.prompt_tokens);
            }
            let Some(chunk) = self.chunks.chunk(&meaning) else {
                continue;
            };
            match self.writer.event(chunk, out)? {
                Event::Preamble => {}
                other => event = other,
            }
        }
        Ok(event)
    }
}

fn in_all(meanings: &[Meaning]) -> Event {
    if meanings.contains(&Meaning::Done) {
        Event::Done
    } else if meanings.iter().any(Meaning::is_content) {
        Event::Content
    } else {
        Event::Preamble
    }
}

/// Data of several lines as one, which is how it goes on to the client: JSON may have a space where it has a line's end.
fn in_one_line(data: Bytes) -> Bytes {
    if memchr::memchr(b'\n', &data).is_none() {
        return data;
    }
    let spaced = data.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte });
    spaced.collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_goes_on_as_one() {
        assert_eq!(in_one_line(Bytes::from_static(b"{\"a\":\n\n1}")), "{\"a\":  1}");
    }
}
