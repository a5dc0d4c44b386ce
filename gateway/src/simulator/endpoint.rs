//! What a vendor's endpoint must be able to do so that `exchange.rs` can serve it: one implementation an endpoint.

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::answer::{Ask, Choice};
use super::behaviour::Behaviour;
use super::random::Random;
use super::script::Frame;

/// A JSON object.
pub(crate) type Fields = Map<String, Value>;

/// An endpoint that answers as a model does.
pub(crate) trait Endpoint: 'static {
    const PATH: &'static str;
    /// Bytes of the largest body that is taken.
    const MOST_BODY_BYTES: usize;
    /// What is sent where an answer should be JSON.
    const GARBAGE: &'static str;
    /// A request that the vendor would answer.
    type Request: Send;
    /// An answer that is an error.
    type Refusal: Send;
    /// All that an answer is written from.
    type Answer: Send;

    /// Checks the headers, and the key if a certain one is demanded.
    fn admit(headers: &HeaderMap, key: Option<&str>) -> Result<(), Self::Refusal>;
    /// The model asked for.
    fn model(fields: &Fields) -> Result<&str, Self::Refusal>;
    /// Reads the request. `lenient` lets pass what is unknown or not imitated.
    fn read(fields: &Fields, headers: &HeaderMap, lenient: bool) -> Result<Self::Request, Self::Refusal>;
    fn ask(request: &mut Self::Request) -> &mut Ask;
    fn streams(request: &Self::Request) -> bool;
    fn answer(request: Self::Request, choices: Vec<Choice>, circumstances: &Circumstances) -> Self::Answer;
    /// An answer that is not streamed.
    fn whole(answer: &Self::Answer) -> Bytes;
    /// An answer as a stream of events.
    fn frames(answer: &Self::Answer) -> Vec<Frame>;
    /// No JSON as an event of a stream.
    fn garbage() -> Bytes;
    /// An error as an event of a stream.
    fn error_event(refusal: &Self::Refusal, id: &str) -> Bytes;
    fn refuse(reason: Reason<'_>) -> Self::Refusal;
    fn failure(refusal: &Self::Refusal, id: &str) -> Failure;
    /// The headers that every response of the vendor has.
    fn headers(id: &str) -> Vec<(&'static str, String)>;
}

/// Why a request is refused, as far as it is not the vendor's matter alone.
pub(crate) enum Reason<'a> {
    /// The body cannot be read.
    Body(StatusCode, String),
    NotJson,
    UnknownModel(&'a str),
    /// The header that chooses a behaviour is wrong.
    Header(&'static str, String),
    /// Nothing can be made of the schema of the output.
    Schema(String),
    /// The behaviour demands it.
    Fault {
        status: u16,
        model: &'a str,
        behaviour: &'a Behaviour,
    },
}

/// An error as it goes out.
pub(crate) struct Failure {
    pub status: StatusCode,
    pub retry_after_seconds: Option<u64>,
    pub body: String,
}

/// What an answer depends on beside its request.
pub(crate) struct Circumstances<'a> {
    pub seed: u64,
    /// Counts requests from 0.
    pub number: u64,
    pub now_unix_seconds: u64,
    pub behaviour: &'a Behaviour,
}

impl Circumstances<'_> {
    /// What the identifier of the answer is made of.
    pub(crate) fn random(&self) -> Random {
        Random::of(self.seed, &[self.number])
    }
}

/// The tokens of the prompt, and those of them that the behaviour reports as read from the cache and as written to it.
pub(crate) struct PromptTokens {
    pub all: usize,
    pub cached: usize,
    pub written: usize,
}

impl PromptTokens {
    pub(crate) fn of(all: usize, behaviour: &Behaviour) -> Self {
        let up_to = |wished: u64, most: usize| usize::try_from(wished).map_or(most, |wished| wished.min(most));
        let cached = up_to(behaviour.cached_tokens, all);
        Self {
            all,
            cached,
            written: up_to(behaviour.written_tokens, all - cached),
        }
    }
}
