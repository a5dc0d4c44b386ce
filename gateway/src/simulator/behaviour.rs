//! How one request is answered: pace, size, content and fault. Knows no dialect; `grammar.rs` reads it from a model's name or a header.

/// How one request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Before the first content of a stream, or before the headers of an answer that is not streamed, in milliseconds.
    pub latency_ms: u64,
    /// Between two chunks of content, in microseconds.
    pub gap_micros: u64,
    /// Length of a made-up answer, in tokens (a word is one token).
    pub words: usize,
    /// Chunks of content in a stream; default: one a token.
    pub chunks: Option<usize>,
    /// Tokens of reasoning before the answer.
    pub reasoning_tokens: usize,
    /// Tool calls made whenever tools are offered and their results are not yet there.
    pub tool_calls: Option<usize>,
    /// Prompt tokens reported as read from the cache.
    pub cached_tokens: u64,
    /// Prompt tokens reported as written to the cache, of those that are not read from it.
    pub written_tokens: u64,
    /// Answers with the request as it came in.
    pub echo: bool,
    /// Accepts fields that the vendor does not know or this simulator does not imitate.
    pub lenient: bool,
    /// Leaves usage out.
    pub no_usage: bool,
    /// The gate at which each chunk after the first content waits for a release.
    pub gate: Option<u64>,
    /// Between the small pieces that each event is sent in, in milliseconds.
    pub drip_ms: Option<u64>,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// The share of requests that the fault befalls (status 500 if none is named), in percent; default: all.
    pub fail_percent: Option<u64>,
    /// What the `Retry-After` of a 429 or 503 says, in seconds.
    pub retry_after_seconds: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The vendor's error of this HTTP status.
    Status(u16),
    /// The answer stops; `after` chunks of content, or before the headers.
    Break { how: Break, after: Option<usize> },
    /// What is no JSON in place of the chunk that follows `after` chunks of content, or of the whole answer.
    Garbage { after: Option<usize> },
    /// The vendor's error as an event of the stream after so many chunks of content.
    ErrorEvent { after: usize },
    /// A web page with status 200.
    Html,
    /// A single chunk, or a body, of this size.
    Oversized { mebibytes: usize },
}

/// How an answer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Nothing more comes; the connection stays open.
    Hang,
    /// The connection is closed in good order.
    Cut,
    /// The connection is reset.
    Reset,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            gap_micros: 0,
            words: 24,
            chunks: None,
            reasoning_tokens: 0,
            tool_calls: None,
            cached_tokens: 0,
            written_tokens: 0,
            echo: false,
            lenient: false,
            no_usage: false,
            gate: None,
            drip_ms: None,
            fault: None,
            fail_percent: None,
            retry_after_seconds: 1,
        }
    }
}

impl Behaviour {
    /// The fault that befalls the request of this number (from 0). The share is exact over any hundred requests in a row; the seed
    /// shifts which ones.
    pub(crate) fn fault_of(&self, seed: u64, number: u64) -> Option<Fault> {
        let Some(percent) = self.fail_percent else {
            return self.fault;
        };
        let position = number.wrapping_add(seed) % 100;
        let befallen = (position + 1) * percent / 100 > position * percent / 100;
        befallen.then(|| self.fault.unwrap_or(Fault::Status(500)))
    }

    /// Tokens of a made-up answer, enough for the chunks asked for.
    pub(crate) fn answer_tokens(&self) -> usize {
        self.words.max(self.chunks.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Behaviour, Fault};

    #[test]
    fn the_flaky_share_is_exact_over_any_hundred_requests_and_shifted_by_the_seed() {
        let behaviour = Behaviour {
            fail_percent: Some(30),
            ..Behaviour::default()
        };
        let failed = |seed, first: u64| {
            (first..first + 100)
                .filter(|number| behaviour.fault_of(seed, *number) == Some(Fault::Status(500)))
                .count()
        };
        assert_eq!((failed(0, 0), failed(0, 37), failed(9, 5)), (30, 30, 30));
        let pattern = |seed| {
            (0..10)
                .map(|number| behaviour.fault_of(seed, number).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(pattern(3), pattern(3));
        assert_ne!(pattern(3), pattern(4));
    }
}
