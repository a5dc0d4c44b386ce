//! The words by which a behaviour is chosen: one table for model names, for the header, for the command line and for its help.

use std::fmt::Write as _;

use super::behaviour::{Behaviour, Break, Fault};

/// What is wrong with a model's name or with the header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("unknown word {0:?}")]
    Unknown(String),
    #[error("{0} needs a number")]
    Missing(&'static str),
    #[error("{0} takes no number")]
    Unwanted(&'static str),
    #[error("{name} takes a whole number up to {maximum}, not {value:?}")]
    Number {
        name: &'static str,
        maximum: u64,
        value: String,
    },
}

/// One word.
struct Word {
    name: &'static str,
    number: Number,
    meaning: &'static str,
    apply: fn(&mut Behaviour, Option<u64>),
}

/// Whether a number follows, its name in the help, and the greatest that is taken.
#[derive(Clone, Copy)]
enum Number {
    None,
    Optional(&'static str, u64),
    Required(&'static str, u64),
}

const WORDS: &[Word] = &[
    word("fast", Number::None, "no latency, no gap between chunks", |to, _| {
        (to.latency_ms, to.gap_micros) = (0, 0);
    }),
    word("slow", Number::None, "latency 1000 ms, gap 50 ms", |to, _| {
        (to.latency_ms, to.gap_micros) = (1000, 50_000);
    }),
    word(
        "latency",
        Number::Required("MS", 3_600_000),
        "ms before the first content, or before the headers without stream",
        |to, n| to.latency_ms = whole(n),
    ),
    word(
        "gap",
        Number::Required("MS", 3_600_000),
        "ms between two chunks",
        |to, n| to.gap_micros = whole(n) * 1000,
    ),
    word(
        "rate",
        Number::Required("N", 1000),
        "chunks a second, in place of gap",
        |to, n| to.gap_micros = 1_000_000 / whole(n).max(1),
    ),
    word(
        "words",
        Number::Required("N", 1_000_000),
        "length of the made-up answer in tokens (default 24)",
        |to, n| to.words = size(n),
    ),
    word(
        "chunks",
        Number::Required("N", 1_000_000),
        "chunks of content in a stream (default: one a token)",
        |to, n| to.chunks = Some(size(n).max(1)),
    ),
    word(
        "reasoning",
        Number::Optional("N", 1_000_000),
        "N tokens of reasoning first (default 8)",
        |to, n| to.reasoning_tokens = n.map_or(8, |n| size(Some(n))),
    ),
    word(
        "tools",
        Number::Optional("N", 128),
        "calls N of the tools offered (default 1), until their results are in the messages",
        |to, n| to.tool_calls = Some(n.map_or(1, |n| size(Some(n)).max(1))),
    ),
    word(
        "echo",
        Number::None,
        "the answer is the request as it came in; lenient",
        |to, _| (to.echo, to.lenient) = (true, true),
    ),
    word(
        "lenient",
        Number::None,
        "accepts fields that the vendor refuses as unknown or that are not imitated",
        |to, _| to.lenient = true,
    ),
    word(
        "cached",
        Number::Required("N", 1_000_000_000),
        "prompt tokens reported as cached",
        |to, n| to.cached_tokens = whole(n),
    ),
    word(
        "written",
        Number::Required("N", 1_000_000_000),
        "prompt tokens reported as written to the cache",
        |to, n| to.written_tokens = whole(n),
    ),
    word("nousage", Number::None, "usage is left out", |to, _| to.no_usage = true),
    word(
        "gate",
        Number::Optional("ID", u64::MAX),
        "each chunk after the first content waits for POST /_simulator/release?gate=ID (default 1)",
        |to, n| to.gate = Some(n.unwrap_or(1)),
    ),
    word(
        "drip",
        Number::Optional("MS", 60_000),
        "every event in pieces of 5 bytes, MS apart (default 5)",
        |to, n| to.drip_ms = Some(n.unwrap_or(5)),
    ),
    word(
        "hang",
        Number::Optional("K", 1_000_000),
        "stops; without K before the headers, else after K chunks of content",
        |to, n| to.fault = Some(broken(Break::Hang, n)),
    ),
    word(
        "cut",
        Number::Optional("K", 1_000_000),
        "closes the connection, at the same places",
        |to, n| to.fault = Some(broken(Break::Cut, n)),
    ),
    word(
        "reset",
        Number::Optional("K", 1_000_000),
        "resets the connection, at the same places",
        |to, n| to.fault = Some(broken(Break::Reset, n)),
    ),
    word(
        "garbage",
        Number::Optional("K", 1_000_000),
        "no JSON: without K the first event or the body, else the event after K chunks of content",
        |to, n| {
            to.fault = Some(Fault::Garbage {
                after: n.map(|n| size(Some(n))),
            });
        },
    ),
    word(
        "error",
        Number::Optional("K", 1_000_000),
        "an error event after K chunks of content (default 0); status 500 without stream",
        |to, n| to.fault = Some(Fault::ErrorEvent { after: size(n) }),
    ),
    word("html", Number::None, "a web page with status 200", |to, _| {
        to.fault = Some(Fault::Html);
    }),
    word(
        "oversized",
        Number::Optional("MIB", 4096),
        "one chunk or body of so many MiB (default 64)",
        |to, n| {
            to.fault = Some(Fault::Oversized {
                mebibytes: n.map_or(64, |n| size(Some(n))),
            });
        },
    ),
    word(
        "retry",
        Number::Required("S", 86_400),
        "Retry-After of a 429 or 503 in seconds (default 1)",
        |to, n| to.retry_after_seconds = whole(n),
    ),
    word(
        "fail",
        Number::Required("P", 100),
        "the fault (status 500 if none is named) befalls P percent of the model's requests only",
        |to, n| to.fail_percent = n,
    ),
    word("ok", Number::None, "no fault", |to, _| {
        (to.fault, to.fail_percent) = (None, None);
    }),
];

/// What the command line's help says of models and header.
pub fn help() -> String {
    let mut text = String::from(
        "OpenAI's chat completions are at /v1/chat/completions (an SDK's base URL ends in /v1), Anthropic's messages at\n\
         /v1/messages (it does not); both know the same models and behave alike.\n\n\
         A model's name is `sim-WORD[-NUMBER][-WORD[-NUMBER]...]`, for instance sim-fast, sim-429, sim-cut-3 or\n\
         sim-slow-tools-2. The header `x-simulate: WORD[=NUMBER],...` of a request, for instance\n\
         `latency=200,rate=40,hang=3`, is applied after the name; --behaviour, of the same form, before it. Words:\n\n",
    );
    let status = ("400..599".to_owned(), "the vendor's error of that status");
    let rows = WORDS.iter().map(|word| {
        let number = match word.number {
            Number::None => String::new(),
            Number::Optional(number, _) => format!("[={number}]"),
            Number::Required(number, _) => format!("={number}"),
        };
        (format!("{}{number}", word.name), word.meaning)
    });
    for (word, meaning) in rows.chain([status]) {
        let _ = writeln!(text, "  {word:<16} {meaning}");
    }
    text.push_str(
        "\nWithout stream, K means: half of the body, then the fault.\n\
         GET /_simulator/requests?last=N, GET /_simulator/stats and POST /_simulator/release?gate=ID&count=N are for tests.",
    );
    text
}

impl Behaviour {
    /// The behaviour that a model's name asks for, on top of this one.
    pub fn with_model(mut self, model: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown(model.to_owned());
        let mut parts = model.strip_prefix("sim-").ok_or_else(unknown)?.split('-').peekable();
        while let Some(part) = parts.next() {
            if let Some(status) = status(part) {
                self.fault = Some(Fault::Status(status));
                continue;
            }
            let word = find(part)?;
            let number = match word.number {
                Number::None => None,
                _ => parts.next_if(|next| next.bytes().all(|byte| byte.is_ascii_digit())),
            };
            word.set(&mut self, number)?;
        }
        Ok(self)
    }

    /// The behaviour that a header, or the command line, asks for, on top of this one.
    pub fn with_header(mut self, header: &str) -> Result<Self, Error> {
        for term in header.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            let (name, number) = match term.split_once('=') {
                Some((name, number)) => (name.trim(), Some(number.trim())),
                None => (term, None),
            };
            match (status(name), number) {
                (Some(status), None) => self.fault = Some(Fault::Status(status)),
                _ => find(name)?.set(&mut self, number)?,
            }
        }
        Ok(self)
    }
}

impl Word {
    fn set(&self, behaviour: &mut Behaviour, number: Option<&str>) -> Result<(), Error> {
        let name = self.name;
        let number = match (self.number, number) {
            (Number::None, Some(_)) => return Err(Error::Unwanted(name)),
            (Number::Required(..), None) => return Err(Error::Missing(name)),
            (_, None) => None,
            (Number::Optional(_, maximum) | Number::Required(_, maximum), Some(value)) => {
                let digits = if name == "fail" {
                    value.trim_end_matches('%')
                } else {
                    value
                };
                let number = digits.parse().ok().filter(|number| *number <= maximum);
                Some(number.ok_or_else(|| Error::Number {
                    name,
                    maximum,
                    value: value.to_owned(),
                })?)
            }
        };
        (self.apply)(behaviour, number);
        Ok(())
    }
}

const fn word(
    name: &'static str,
    number: Number,
    meaning: &'static str,
    apply: fn(&mut Behaviour, Option<u64>),
) -> Word {
    Word {
        name,
        number,
        meaning,
        apply,
    }
}

fn find(name: &str) -> Result<&'static Word, Error> {
    WORDS
        .iter()
        .find(|word| word.name == name)
        .ok_or_else(|| Error::Unknown(name.to_owned()))
}

fn status(part: &str) -> Option<u16> {
    part.parse().ok().filter(|status| (400..600).contains(status))
}

fn whole(number: Option<u64>) -> u64 {
    number.unwrap_or(0)
}

fn size(number: Option<u64>) -> usize {
    usize::try_from(whole(number)).unwrap_or(usize::MAX)
}

fn broken(how: Break, after: Option<u64>) -> Fault {
    Fault::Break {
        how,
        after: after.map(|after| size(Some(after))),
    }
}

#[cfg(test)]
mod tests;
