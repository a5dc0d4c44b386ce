//! The endpoint of chat completions.

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::completion::Completion;
use super::refusal::Refusal;
use super::request::{self, Request};
use crate::simulator::answer::{Ask, Choice};
use crate::simulator::endpoint::{Circumstances, Endpoint, Failure, Fields, PromptTokens, Reason};
use crate::simulator::random::Random;
use crate::simulator::script::Frame;

/// `POST /v1/chat/completions`.
pub(crate) struct Chat;

impl Endpoint for Chat {
    const PATH: &'static str = "/v1/chat/completions";
    const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;
    const GARBAGE: &'static str = r#"{"id":"chatcmpl-garbage","choices":[{"index":0,"del"#;

    type Request = Request;
    type Refusal = Refusal;
    type Answer = Completion;

    fn admit(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
        let Some(key) = key else {
            return Ok(());
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        match given {
            None => Err(Refusal::no_key()),
            Some(given) if given == key => Ok(()),
            Some(given) => Err(Refusal::wrong_key(given)),
        }
    }

    fn model(fields: &Fields) -> Result<&str, Refusal> {
        request::model(fields)
    }

    fn read(fields: &Fields, _: &HeaderMap, lenient: bool) -> Result<Request, Refusal> {
        request::read(fields, lenient)
    }

    fn ask(request: &mut Request) -> &mut Ask {
        &mut request.ask
    }

    fn streams(request: &Request) -> bool {
        request.stream
    }

    fn answer(request: Request, choices: Vec<Choice>, circumstances: &Circumstances<'_>) -> Completion {
        let prompt = PromptTokens::of(request.ask.prompt_tokens, circumstances.behaviour);
        Completion {
            id: format!("chatcmpl-{}", circumstances.random().letters(29)),
            created: circumstances.now_unix_seconds,
            fingerprint: format!("fp_{}", Random::of(circumstances.seed, &[]).hex(10)),
            usage: (!circumstances.behaviour.no_usage).then(|| Completion::usage(&prompt, &choices)),
            choices,
            request,
        }
    }

    fn whole(answer: &Completion) -> Bytes {
        answer.body()
    }

    fn frames(answer: &Completion) -> Vec<Frame> {
        answer.frames()
    }

    fn garbage() -> Bytes {
        Completion::event(Self::GARBAGE)
    }

    fn error_event(refusal: &Refusal, _: &str) -> Bytes {
        Completion::event(&refusal.body_text())
    }

    fn refuse(reason: Reason<'_>) -> Refusal {
        match reason {
            Reason::Body(status, text) => Refusal::body(status, text),
            Reason::NotJson => Refusal::no_json(),
            Reason::UnknownModel(model) => Refusal::unknown_model(model),
            Reason::Header(name, error) => Refusal::invalid(format!("{name}: {error}"), name),
            Reason::Schema(error) => Refusal::invalid(format!("Invalid schema: {error}."), "response_format"),
            Reason::Fault {
                status,
                model,
                behaviour,
            } => Refusal::fault(status, model, behaviour),
        }
    }

    fn failure(refusal: &Refusal, _: &str) -> Failure {
        refusal.failure()
    }

    fn headers(id: &str) -> Vec<(&'static str, String)> {
        vec![
            ("x-request-id", id.to_owned()),
            ("openai-version", "2020-10-01".to_owned()),
        ]
    }
}
