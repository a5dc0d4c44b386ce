//! The operator's end of a pod's admin port: signed requests, bounded answers.

use std::{error::Error as _, fmt::Write, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use crds::fleet::{
    HEARTBEAT_PATH, Heartbeat, MAX_SNAPSHOT_BYTES, PodReport, Push, Refusal, SNAPSHOT_PATH,
    key::{FleetKeys, KeyId},
    signature,
};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// How long the address of a pod may take to answer at all.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a pod may take to put a Snapshot into use.
const PUSH: Duration = Duration::from_secs(15);
const ASK: Duration = Duration::from_secs(2);
const READ: Duration = Duration::from_secs(5);
/// A connection that is not used for longer is closed: heartbeats keep it.
const IDLE: Duration = Duration::from_secs(30);
/// A report names what it refuses, each with up to half a kilobyte of words.
const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;
/// Words of others are cut off there.
const MAX_WORDS: usize = 512;

/// Whom to ask.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) admin: SocketAddr,
    pub(super) uid: String,
}

/// What a request is signed with.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) keys: Arc<FleetKeys>,
    pub(super) key: KeyId,
    /// Another one for each request.
    pub(super) nonce: u64,
}

/// What a pod is asked for.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Push(Bytes),
    Heartbeat(Heartbeat),
    Read,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Report(PodReport),
    /// The answer to [`Question::Read`]; none when it has none.
    Held(Option<Box<Push>>),
    Refused(StatusCode, Refusal),
    /// No answer, or one that is none of a gateway's. The text says what was there instead.
    None(String),
}

/// Shared by all requests.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    clock: fn() -> Timestamp,
}

impl Client {
    pub(super) fn new(clock: fn() -> Timestamp) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { http, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) async fn ask(&self, receiver: &Receiver, signer: &Signer, question: Question) -> Answer {
        let (method, path, body, limit) = match question {
            Question::Push(body) => (Method::PUT, SNAPSHOT_PATH, body, PUSH),
            Question::Heartbeat(heartbeat) => match serde_json::to_vec(&heartbeat) {
                Ok(body) => (Method::POST, HEARTBEAT_PATH, body.into(), ASK),
                Err(error) => return Answer::None(error.to_string()),
            },
            Question::Read => (Method::GET, SNAPSHOT_PATH, Bytes::new(), READ),
        };
        let reads = method == Method::GET;
        let signature = signature::sign(
            &signer.keys,
            &signer.key,
            signature::Request {
                method: method.as_str(),
                path,
                body: &body,
                receiver: &receiver.uid,
            },
            self.now().as_millisecond(),
            signer.nonce,
        );
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", receiver.admin))
            .header(header::CONTENT_TYPE, "application/json")
            .header(signature::HEADER, signature)
            .body(Full::new(body));
        let answered = async {
            let request = request.map_err(|error| error.to_string())?;
            let (status, body) = self.send(request, reads).await?;
            answer(status, &body, reads)
        };
        match timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(words)) => Answer::None(cut(&words)),
            Err(_) => Answer::None(format!("no answer within {} s", limit.as_secs())),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>, reads: bool) -> Result<(StatusCode, Bytes), String> {
        let response = self.http.request(request).await.map_err(|error| chain(&error))?;
        let status = response.status();
        let most = if reads { MAX_SNAPSHOT_BYTES } else { MAX_REPORT_BYTES };
        let body = Limited::new(response.into_body(), most).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

fn answer(status: StatusCode, body: &[u8], reads: bool) -> Result<Answer, String> {
    match status {
        StatusCode::OK if reads => Ok(Answer::Held(Some(Box::new(parse(body)?)))),
        StatusCode::OK => Ok(Answer::Report(bounded(parse(body)?))),
        StatusCode::UNAUTHORIZED | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            let refusal: Refusal = parse(body)?;
            let message = cut(&refusal.message);
            Ok(Answer::Refused(status, Refusal { message, ..refusal }))
        }
        StatusCode::NOT_FOUND if reads => Ok(Answer::Held(None)),
        _ => Err(format!("answered {status}, which no gateway in a fleet does")),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("answered what is not understood here: {error}"))
}

fn bounded(mut report: PodReport) -> PodReport {
    for words in report.refused.values_mut().filter(|words| words.len() > MAX_WORDS) {
        *words = cut(words);
    }
    report
}

/// Words of others are data: their length is bounded.
fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(MAX_WORDS)].to_owned()
}

/// The error with its causes: what hyper says of itself alone tells nothing.
fn chain(error: &legacy::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(words, ": {cause}");
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_at_a_character() {
        assert_eq!(cut(&"ä".repeat(1_000)).len(), MAX_WORDS);
        assert_eq!(cut(&format!("a{}", "ä".repeat(1_000))).len(), MAX_WORDS - 1);
    }

    #[test]
    fn what_no_gateway_says_is_no_answer() {
        let words = |status, body: &[u8], reads| match answer(status, body, reads) {
            Ok(answer) => format!("{answer:?}"),
            Err(words) => words,
        };
        assert!(words(StatusCode::OK, b"<html>", false).starts_with("answered what is not understood here"));
        assert_eq!(
            words(StatusCode::NOT_FOUND, b"no such page", false),
            "answered 404 Not Found, which no gateway in a fleet does"
        );
        assert_eq!(words(StatusCode::NOT_FOUND, b"none yet", true), "Held(None)");
        let refused = words(
            StatusCode::CONFLICT,
            br#"{"message":"older","order":{"epoch":3,"sequence":4}}"#,
            false,
        );
        assert!(
            refused.contains("409") && refused.contains("older") && refused.contains("sequence: 4"),
            "{refused}"
        );
    }
}
