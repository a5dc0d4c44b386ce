//! The operator's end of a pod's admin port: signed requests, signed and bounded answers.
//!
//! An address may have passed to a stranger, whose answers must not count: what a new leader reads back is what it compiles from.

use std::{error::Error as _, fmt::Write, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use crds::fleet::{
    HEARTBEAT_PATH, Heartbeat, MAX_SNAPSHOT_BYTES, PodReport, Push, Refusal, SNAPSHOT_PATH,
    key::{FleetKeys, KeyId},
    signature::{self, Verifier},
};
use http::{Method, Request, StatusCode, header, response::Parts};
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
        let asked = Asked {
            signer,
            path,
            signature: &signature,
            reads,
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", receiver.admin))
            .header(header::CONTENT_TYPE, "application/json")
            .header(signature::HEADER, &signature)
            .body(Full::new(body));
        let answered = async {
            let request = request.map_err(|error| error.to_string())?;
            let (parts, body) = self.send(request, reads).await?;
            let header = parts
                .headers
                .get(signature::HEADER)
                .and_then(|header| header.to_str().ok());
            asked.answer(parts.status, header, &body, self.now())
        };
        match timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(words)) => Answer::None(cut(&words)),
            Err(_) => Answer::None(format!("no answer within {} s", limit.as_secs())),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>, reads: bool) -> Result<(Parts, Bytes), String> {
        let response = self.http.request(request).await.map_err(|error| chain(&error))?;
        let (parts, body) = response.into_parts();
        let most = if reads { MAX_SNAPSHOT_BYTES } else { MAX_REPORT_BYTES };
        let body = Limited::new(body, most).collect().await;
        Ok((parts, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

/// A request, as far as its answer is about it.
struct Asked<'a> {
    signer: &'a Signer,
    path: &'a str,
    signature: &'a str,
    reads: bool,
}

impl Asked<'_> {
    /// Refusals of the signature itself cannot be signed by whoever holds another key; what they say is only told.
    fn answer(&self, status: StatusCode, signed: Option<&str>, body: &[u8], now: Timestamp) -> Result<Answer, String> {
        let refusal = || parse::<Refusal>(body);
        let found = match status {
            StatusCode::UNAUTHORIZED => return Ok(refused(status, refusal()?)),
            StatusCode::OK if self.reads => Answer::Held(Some(Box::new(parse(body)?))),
            StatusCode::OK => Answer::Report(bounded(parse(body)?)),
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => refused(status, refusal()?),
            StatusCode::NOT_FOUND if self.reads => Answer::Held(None),
            _ => {
                return Err(refusal().map_or_else(
                    |_| format!("answered {status}, which no gateway in a fleet does"),
                    |refusal| format!("answered {status}: {}", refusal.message),
                ));
            }
        };
        let answer = signature::answer(status.as_str(), self.path, body, self.signature);
        Verifier::default()
            .verify(&self.signer.keys, signed, answer, now.as_millisecond())
            .map_err(|error| format!("answered {status}, but not with the fleet key: {error}"))?;
        Ok(found)
    }
}

fn refused(status: StatusCode, mut refusal: Refusal) -> Answer {
    refusal.message = cut(&refusal.message);
    Answer::Refused(status, refusal)
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
    use crds::fleet::key::FleetKey;

    use super::*;

    #[test]
    fn words_are_cut_at_a_character() {
        assert_eq!(cut(&"ä".repeat(1_000)).len(), MAX_WORDS);
        assert_eq!(cut(&format!("a{}", "ä".repeat(1_000))).len(), MAX_WORDS - 1);
    }

    #[test]
    fn what_no_gateway_says_or_nobody_signed_is_no_answer() {
        let key = FleetKey::new(&[1; 32]).unwrap();
        let signer = Signer {
            key: key.id().clone(),
            keys: Arc::new(FleetKeys {
                current: key,
                previous: None,
            }),
            nonce: 1,
        };
        let now = Timestamp::UNIX_EPOCH;
        let said = |status: StatusCode, body: &str, reads: bool, is_signed: bool| {
            let (path, body) = (SNAPSHOT_PATH, body.as_bytes());
            let answer = signature::answer(status.as_str(), path, body, "asked");
            let header = signature::sign(&signer.keys, &signer.key, answer, 0, 2);
            let asked = Asked {
                signer: &signer,
                path,
                signature: "asked",
                reads,
            };
            match asked.answer(status, is_signed.then_some(header.as_str()), body, now) {
                Ok(answer) => format!("{answer:?}"),
                Err(words) => words,
            }
        };
        assert!(said(StatusCode::OK, "<html>", false, true).starts_with("answered what is not understood here"));
        assert_eq!(
            said(StatusCode::NOT_FOUND, "no such page", false, false),
            "answered 404 Not Found, which no gateway in a fleet does"
        );
        assert_eq!(said(StatusCode::NOT_FOUND, "none yet", true, true), "Held(None)");
        assert_eq!(
            said(StatusCode::NOT_FOUND, "none yet", true, false),
            "answered 404 Not Found, but not with the fleet key: the request carries no signature (route-switch-signature)"
        );
        let refusal = r#"{"message":"older","order":{"epoch":3,"sequence":4}}"#;
        let refused = said(StatusCode::CONFLICT, refusal, false, true);
        assert!(
            refused.contains("409") && refused.contains("older") && refused.contains("sequence: 4"),
            "{refused}"
        );
        assert!(said(StatusCode::CONFLICT, refusal, false, false).contains("not with the fleet key"));
        assert!(said(StatusCode::UNAUTHORIZED, refusal, false, false).starts_with("Refused(401"));
        assert_eq!(
            said(StatusCode::SERVICE_UNAVAILABLE, refusal, false, true),
            "answered 503 Service Unavailable: older"
        );
    }
}
