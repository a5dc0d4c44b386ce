//! The endpoints: messages, and the count of a request's tokens.

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::event::{json, named};
use super::message::Message;
use super::refusal::Refusal;
use super::request::{self, Request};
use crate::simulator::answer::{Ask, Choice, End};
use crate::simulator::endpoint::{Circumstances, Endpoint, Failure, Fields, PromptTokens, Reason};
use crate::simulator::script::Frame;

/// The header that names the version of the API.
pub(crate) const VERSION: &str = "anthropic-version";
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// `POST /v1/messages`.
pub(crate) struct Messages;

/// `POST /v1/messages/count_tokens`.
pub(crate) struct Counting;

impl Endpoint for Messages {
    const PATH: &'static str = "/v1/messages";
    const MOST_BODY_BYTES: usize = 32 * 1024 * 1024;
    const GARBAGE: &'static str = r#"{"type":"content_block_delta","index":0,"del"#;

    type Request = Request;
    type Refusal = Refusal;
    type Answer = Message;

    fn admit(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
        authorize(headers, key)?;
        version(headers).map(drop)
    }

    fn model(fields: &Fields) -> Result<&str, Refusal> {
        request::model(fields)
    }

    fn read(fields: &Fields, headers: &HeaderMap, lenient: bool) -> Result<Request, Refusal> {
        request::read(fields, version(headers)?, lenient)
    }

    fn ask(request: &mut Request) -> &mut Ask {
        &mut request.ask
    }

    fn streams(request: &Request) -> bool {
        request.stream
    }

    fn answer(request: Request, choices: Vec<Choice>, circumstances: &Circumstances<'_>) -> Message {
        let empty = Choice {
            pieces: Vec::new(),
            end: End::Stop,
        };
        let prompt = PromptTokens::of(request.ask.prompt_tokens, circumstances.behaviour);
        Message {
            id: format!("msg_01{}", circumstances.random().letters(22)),
            model: request.model,
            omit_thinking: request.omit_thinking,
            choice: choices.into_iter().next().unwrap_or(empty),
            prompt: (!circumstances.behaviour.no_usage).then_some(prompt),
        }
    }

    fn whole(answer: &Message) -> Bytes {
        answer.body()
    }

    fn frames(answer: &Message) -> Vec<Frame> {
        answer.frames()
    }

    fn garbage() -> Bytes {
        named("content_block_delta", Self::GARBAGE)
    }

    fn error_event(refusal: &Refusal, id: &str) -> Bytes {
        named("error", &refusal.body_text(id))
    }

    fn refuse(reason: Reason<'_>) -> Refusal {
        match reason {
            Reason::Body(status, text) => Refusal::body(status, text),
            Reason::NotJson => Refusal::invalid("The request body is not valid JSON"),
            Reason::UnknownModel(model) => Refusal::unknown_model(model),
            Reason::Header(name, error) => Refusal::at(name, &error),
            Reason::Schema(error) => Refusal::at("output_config.format.schema", &error),
            Reason::Fault {
                status,
                model,
                behaviour,
            } => Refusal::fault(status, model, behaviour),
        }
    }

    fn failure(refusal: &Refusal, id: &str) -> Failure {
        refusal.failure(id)
    }

    fn headers(id: &str) -> Vec<(&'static str, String)> {
        vec![
            ("request-id", id.to_owned()),
            (
                "anthropic-organization-id",
                "00000000-0000-4000-8000-000000000000".to_owned(),
            ),
        ]
    }
}

/// Like [`Messages`], but for what it reads and answers.
impl Endpoint for Counting {
    const PATH: &'static str = "/v1/messages/count_tokens";
    const MOST_BODY_BYTES: usize = Messages::MOST_BODY_BYTES;
    const GARBAGE: &'static str = r#"{"input_tok"#;

    type Request = Request;
    type Refusal = Refusal;
    /// The tokens of the prompt.
    type Answer = usize;

    fn admit(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
        Messages::admit(headers, key)
    }

    fn model(fields: &Fields) -> Result<&str, Refusal> {
        request::model(fields)
    }

    fn read(fields: &Fields, _: &HeaderMap, lenient: bool) -> Result<Request, Refusal> {
        request::read_counted(fields, lenient)
    }

    fn ask(request: &mut Request) -> &mut Ask {
        &mut request.ask
    }

    fn streams(_: &Request) -> bool {
        false
    }

    fn answer(request: Request, _: Vec<Choice>, _: &Circumstances<'_>) -> usize {
        request.ask.prompt_tokens
    }

    fn whole(tokens: &usize) -> Bytes {
        json(&serde_json::json!({ "input_tokens": tokens })).into()
    }

    fn frames(_: &usize) -> Vec<Frame> {
        Vec::new()
    }

    fn garbage() -> Bytes {
        Messages::garbage()
    }

    fn error_event(refusal: &Refusal, id: &str) -> Bytes {
        Messages::error_event(refusal, id)
    }

    fn refuse(reason: Reason<'_>) -> Refusal {
        Messages::refuse(reason)
    }

    fn failure(refusal: &Refusal, id: &str) -> Failure {
        refusal.failure(id)
    }

    fn headers(id: &str) -> Vec<(&'static str, String)> {
        Messages::headers(id)
    }
}

/// Checks the key, if a certain one is demanded: `x-api-key` goes before `authorization`.
fn authorize(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let Some(key) = key else {
        return Ok(());
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(given) = text(header::HeaderName::from_static("x-api-key")) {
        return if given == key {
            Ok(())
        } else {
            Err(Refusal::unauthenticated("invalid x-api-key"))
        };
    }
    match text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if given == key => Ok(()),
        Some(_) => Err(Refusal::unauthenticated("Invalid bearer token")),
        None => Err(Refusal::unauthenticated("x-api-key header is required")),
    }
}

/// The version that the client speaks.
fn version(headers: &HeaderMap) -> Result<&str, Refusal> {
    let given = headers.get(VERSION).and_then(|value| value.to_str().ok());
    match given {
        None => Err(Refusal::at(VERSION, "header is required")),
        Some(given) if VERSIONS.contains(&given) => Ok(given),
        Some(given) => Err(Refusal::at(VERSION, &format!("\"{given}\" is not a valid version"))),
    }
}
