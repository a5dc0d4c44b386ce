//! A streamed answer: target after target until the first content of one, then that one to its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    affinity::Affinity,
    alarm::Alarm,
    attempt::{Credential, Deadlines, check_content_type, send},
    exchange::{Answered, Exchange},
    hold::Hold,
    tries::{Ask, Entered, Unanswered, note_failure, note_success, until_answered},
    whole::estimated_tokens,
};
use crate::{
    capture::record::{Answer, Outcome},
    config::resolved::{Route, Target},
    prompts::selection::Choice,
    providers::{
        client::Clients,
        dialect::openai::{
            json_string,
            stream::{Event, Setting, Stamp, Trailer, UsagePlace},
        },
        failure::Failure,
        front::ClientRequest,
        sse::Parser,
        stream::StreamWriter,
    },
};

/// Longest event of a stream, in bytes.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// How long a provider may take to end its response after it said `[DONE]`, so that the connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// All that a stream needs to be opened, also after its handler has returned.
pub struct StreamRequest {
    pub clients: Arc<Clients>,
    pub route: Arc<Route>,
    pub affinity: Option<Affinity>,
    pub request: ClientRequest,
    pub place: UsagePlace,
}

/// An answer that has begun. Dropping it before its end cancels the provider's work and records what was used.
pub struct Live {
    route: Arc<Route>,
    target: usize,
    /// None once the target is judged.
    hold: Option<Hold>,
    source: Source,
    exchange: Option<Box<Exchange>>,
    attempts: usize,
    /// What the client gets and has not got yet.
    ready: BytesMut,
}

/// Why no target began to answer.
pub struct Unopened {
    pub exchange: Box<Exchange>,
    pub unanswered: Unanswered,
}

/// What comes of polling.
pub enum Step {
    More(Bytes),
    /// The last bytes; the request is recorded.
    End(Bytes),
}

/// A provider's stream under way.
struct Source {
    /// None once the provider's stream is done.
    body: Option<Incoming>,
    parser: Parser,
    writer: StreamWriter,
    deadlines: Deadlines,
    last_read: Instant,
    alarm: Option<Alarm>,
}

/// Tries the Route's targets in order, until the first content of one.
pub async fn open(asked: StreamRequest, mut exchange: Box<Exchange>) -> Result<Live, Unopened> {
    let StreamRequest {
        clients,
        route,
        affinity,
        request,
        place,
    } = asked;
    let ask = AskStream {
        clients: &clients,
        request: &request,
        place,
    };
    match until_answered(&route, affinity, &mut exchange, ask).await {
        Ok(Entered {
            index,
            answer: (source, ready),
            hold,
        }) => Ok(Live {
            target: index,
            hold: Some(hold),
            source,
            attempts: exchange.attempts(),
            exchange: Some(exchange),
            ready,
            route,
        }),
        Err(unanswered) => Err(Unopened { exchange, unanswered }),
    }
}

struct AskStream<'a> {
    clients: &'a Clients,
    request: &'a ClientRequest,
    place: UsagePlace,
}

impl Ask for AskStream<'_> {
    /// The stream, and what of it is ready for the client.
    type Answer = (Source, BytesMut);

    fn choice(&self) -> &Choice {
        self.request.choice()
    }

    async fn at(
        &mut self,
        target: &Target,
        credential: Option<&Credential>,
        exchange: &Exchange,
    ) -> Result<(Source, BytesMut), Failure> {
        let mut ready = BytesMut::new();
        let source = open_target(self, target, credential, exchange, &mut ready).await?;
        Ok((source, ready))
    }
}

async fn open_target(
    ask: &AskStream<'_>,
    target: &Target,
    credential: Option<&Credential>,
    exchange: &Exchange,
    ready: &mut BytesMut,
) -> Result<Source, Failure> {
    let AskStream {
        clients,
        request,
        place,
    } = *ask;
    let deadlines = Deadlines::from_now(target);
    let answer = send(clients, target, credential, request, exchange, &deadlines).await?;
    check_content_type(answer.headers(), "text/event-stream")?;
    let setting = Setting {
        stamp: Stamp {
            id: json_string(exchange.id()),
            model: target.model_json.clone(),
            provider: target.provider_json.clone(),
        },
        place,
        price: target.price,
        created_unix_seconds: exchange.started_unix_seconds(),
        estimated_prompt_tokens: estimated_tokens(request.prompt_bytes()),
        capture: exchange.needs_answer(),
    };
    let writer = StreamWriter::new(target.dialect, request.dialect(), setting);
    let mut source = Source {
        body: Some(answer.into_body()),
        parser: Parser::new(MAX_EVENT_BYTES),
        writer,
        deadlines,
        last_read: Instant::now(),
        alarm: None,
    };
    timeout_at(deadlines.first_token, source.until_content(ready))
        .await
        .map_err(|_| Failure::FirstTokenTimeout(target.timeouts.first_token))??;
    Ok(source)
}

impl Source {
    /// Reads on until the answer begins.
    async fn until_content(&mut self, ready: &mut BytesMut) -> Result<(), Failure> {
        loop {
            while let Some(data) = self.next_event()? {
                match self.writer.event(data, ready)? {
                    Event::Content => return Ok(()),
                    Event::Preamble => {}
                    Event::Done => return Err(Failure::EarlyEnd),
                }
            }
            let frame = match &mut self.body {
                Some(body) => body.frame().await,
                None => None,
            };
            let Some(frame) = frame else {
                let event = self
                    .parser
                    .finish()
                    .map(|data| self.writer.event(data, ready))
                    .transpose()?;
                return if event == Some(Event::Content) {
                    Ok(())
                } else {
                    Err(Failure::EarlyEnd)
                };
            };
            let frame = frame.map_err(|error| Failure::Broken(error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                self.parser.push(data);
            }
        }
    }

    fn next_event(&mut self) -> Result<Option<Bytes>, Failure> {
        self.parser.next_event().map_err(|_| Failure::TooLong(MAX_EVENT_BYTES))
    }

    /// Takes the whole events that have arrived; says whether the provider's stream is done.
    fn take_events(&mut self, ready: &mut BytesMut) -> Result<bool, Failure> {
        while let Some(data) = self.next_event()? {
            if self.writer.event(data, ready)? == Event::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads until something is there for the client; true at the end of the provider's stream.
    fn poll_ready(&mut self, context: &mut Context<'_>, ready: &mut BytesMut) -> Poll<Result<bool, Failure>> {
        loop {
            if self.take_events(ready)? {
                return Poll::Ready(Ok(true));
            }
            if !ready.is_empty() {
                return Poll::Ready(Ok(false));
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(Ok(true));
            };
            match Pin::new(body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.last_read = Instant::now();
                    if let Ok(data) = frame.into_data() {
                        self.parser.push(data);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Failure::Broken(error.to_string()))),
                Poll::Ready(None) => {
                    if let Some(data) = self.parser.finish() {
                        self.writer.event(data, ready)?;
                    }
                    return Poll::Ready(Ok(true));
                }
                Poll::Pending => {
                    ready!(self.poll_deadline(context))?;
                }
            }
        }
    }

    /// Ready only when it is too late for the next read.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.alarm.as_ref().is_some_and(|alarm| alarm.will_wake(context)) {
            return Poll::Pending;
        }
        let mut deadline = self.deadlines.next_read(self.last_read);
        let alarm = self.alarm.get_or_insert_with(|| Alarm::at(deadline));
        loop {
            ready!(alarm.poll(context));
            let now = Instant::now();
            deadline = self.deadlines.next_read(self.last_read).max(deadline);
            if now >= self.deadlines.total {
                return Poll::Ready(Err(Failure::TotalTimeout(self.deadlines.total - self.deadlines.begun)));
            }
            if now >= deadline {
                return Poll::Ready(Err(Failure::IdleTimeout(self.deadlines.idle)));
            }
            alarm.reset(deadline);
        }
    }
}

impl Live {
    pub fn target(&self) -> &Target {
        &self.route.targets[self.target]
    }

    /// How many targets were tried, this one included.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    pub fn exchange(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_deref_mut()
    }

    /// The next bytes for the client. After `End` or a failure it must not be polled again; a failure is recorded.
    pub fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<Step, Failure>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Ok(Step::More(self.ready.split().freeze())));
        }
        let is_end = match ready!(self.source.poll_ready(context, &mut self.ready)) {
            Ok(true) if !self.source.writer.is_finished() => Err(Failure::EarlyEnd),
            other => other,
        };
        Poll::Ready(match is_end {
            Ok(false) => Ok(Step::More(self.ready.split().freeze())),
            Ok(true) => Ok(Step::End(self.end(context))),
            Err(failure) => Err(self.break_off(failure)),
        })
    }

    fn end(&mut self, context: &mut Context<'_>) -> Bytes {
        self.release_connection(context);
        let writer = &mut self.source.writer;
        let mut answered = Answered {
            usage: writer.usage(),
            cost_pico_usd: writer.cost_pico_usd(),
            finish_reason: writer.finish_reason(),
            upstream_id: writer.take_upstream_id(),
        };
        if let Some(mut exchange) = self.exchange.take() {
            if let Some(hold) = self.hold.take() {
                note_success(&self.route, &self.route.targets[self.target], hold);
            }
            exchange.answer_attempt(&mut answered);
            let trailer = Trailer {
                target: &self.route.targets[self.target].name_json,
                attempts: exchange.attempts(),
                overhead_micros: exchange.overhead_micros(),
            };
            writer.end(trailer, &mut self.ready);
            exchange.finish(answered, || deltas(writer));
        }
        self.ready.split().freeze()
    }

    /// Records the failure. What had come before it still goes to the client.
    fn break_off(&mut self, failure: Failure) -> Failure {
        let writer = &mut self.source.writer;
        if let Some(mut exchange) = self.exchange.take() {
            if let Some(hold) = self.hold.take() {
                note_failure(&self.route, &self.route.targets[self.target], hold, &failure);
            }
            let outcome = match failure.outcome() {
                Outcome::Timeout => Outcome::Timeout,
                _ => Outcome::Cut,
            };
            exchange.used_so_far(writer.usage(), writer.cost_pico_usd());
            exchange.fail_attempt(outcome, &failure);
            exchange.break_off(outcome, &failure.to_string(), deltas(writer));
        }
        failure
    }

    /// What came before a failure and was not handed out yet.
    pub fn take_ready(&mut self) -> Bytes {
        self.ready.split().freeze()
    }

    /// Reads the provider's response to its end, so that the connection goes back to the pool.
    fn release_connection(&mut self, context: &mut Context<'_>) {
        let Some(mut body) = self.source.body.take() else {
            return;
        };
        if body.is_end_stream() || matches!(Pin::new(&mut body).poll_frame(context), Poll::Ready(None)) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(DRAIN, body.collect()));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            let writer = &mut self.source.writer;
            exchange.used_so_far(writer.usage(), writer.cost_pico_usd());
            exchange.note_partial(deltas(writer));
        }
    }
}

fn deltas(writer: &mut StreamWriter) -> Answer {
    writer.take_deltas().map_or(Answer::None, Answer::Deltas)
}
