//! The account of one request, kept while it runs and handed over as one record at its end, whichever way it ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    capture::{
        Queue,
        record::{Answer, Attempt, Content, Outcome, Record, Usage},
        said,
    },
    config::resolved::{Route, Target},
    prompts::{prompt::Prompt, shape::Shape},
    providers::failure::Failure,
    telemetry::{
        access,
        metrics::{Metrics, ModelMetrics, RouteMetrics, TargetMetrics},
        traces::Trace,
    },
};

/// Where the records of one traffic thread go.
pub struct Ledger {
    pub queue: Arc<Queue>,
    pub metrics: Arc<Metrics>,
    /// Requests have spans.
    pub traced: bool,
    /// The thread ends now: what is dropped was cut by us, not left by its client.
    pub ending: CancellationToken,
}

/// A request under way. Dropping it records it as left by its client. It is large: whoever holds it holds it in a box.
pub struct Exchange {
    ledger: Arc<Ledger>,
    record: Option<Record>,
    /// The Route wants a record at all.
    is_recorded: bool,
    trace: Option<Box<Trace>>,
    route: Option<RouteMetrics>,
    begun: Instant,
    waited: Duration,
    current: Option<Current>,
    /// Of the attempt under way, or the last one.
    prompt: Option<Arc<Prompt>>,
    /// The client said itself which shape it wants: that of a prompt is not asked for.
    has_own_format: bool,
}

struct Current {
    attempt: Attempt,
    metrics: TargetMetrics,
    model_metrics: ModelMetrics,
    begun: Instant,
    /// Estimated tokens of an attempt that is broken off.
    usage: Option<Usage>,
}

/// What a request is from its start.
pub struct Opening {
    pub id: Box<str>,
    pub key: Option<Arc<str>>,
    pub snapshot_revision: Arc<str>,
    pub begun: Instant,
    pub trace: Option<Box<Trace>>,
}

/// How an attempt or a request came out well.
pub struct Answered {
    pub usage: Usage,
    pub cost_pico_usd: Option<i64>,
    pub finish_reason: Option<Box<str>>,
    pub upstream_id: Option<Box<str>>,
}

impl Ledger {
    /// The spans of a request with these headers, if requests have any.
    pub fn trace(&self, headers: &HeaderMap) -> Option<Box<Trace>> {
        self.traced.then(|| Box::new(Trace::begin(headers)))
    }
}

impl Exchange {
    pub fn begin(ledger: Arc<Ledger>, opening: Opening) -> Box<Self> {
        let Opening {
            id,
            key,
            snapshot_revision,
            begun,
            trace,
        } = opening;
        let record = Record {
            id,
            started_unix_micros: unix_micros(begun),
            route: None,
            requested_model: Box::default(),
            key,
            user: None,
            snapshot_revision,
            streamed: false,
            outcome: Outcome::Cancelled,
            status: 499,
            error: None,
            finish_reason: None,
            latency_micros: 0,
            first_token_micros: None,
            overhead_micros: 0,
            attempts: Vec::new(),
            usage: None,
            cost_pico_usd: None,
            content: None,
            is_thinned: false,
            redactions: None,
        };
        ledger.metrics.in_flight.inc();
        Box::new(Self {
            ledger,
            record: Some(record),
            is_recorded: true,
            trace,
            route: None,
            begun,
            waited: Duration::ZERO,
            current: None,
            prompt: None,
            has_own_format: false,
        })
    }

    /// The request was read.
    pub fn asked(&mut self, model: &str, streamed: bool, user: Option<Box<str>>) {
        let record = self.record();
        record.requested_model = model.into();
        record.streamed = streamed;
        record.user = user;
    }

    /// The Route was found; `request` is kept if it captures content.
    pub fn routed(&mut self, route: &Route, request: &Bytes) {
        self.route = Some(route.metrics.clone());
        self.is_recorded = route.capture.metadata;
        let (policy, now) = (&route.capture, self.begun.into_std());
        let keeps = self.ledger.queue.keeps_content(policy, self.id(), request.len(), now);
        let record = self.record();
        record.route = Some(Arc::clone(&route.name));
        record.redactions.clone_from(&route.capture.redactions);
        record.is_thinned = keeps == Some(false);
        if keeps == Some(true) {
            record.content = Some(Content {
                request: request.clone(),
                answer: Answer::None,
            });
        }
    }

    /// The client said itself which shape its answer is to have.
    pub fn with_own_format(&mut self) {
        self.has_own_format = true;
    }

    /// Whether the answer is looked at when it has ended: to keep it, or to check its shape.
    pub fn needs_answer(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.content.is_some()) || self.shape().is_some()
    }

    /// The shape that the prompt asked for.
    fn shape(&self) -> Option<&Shape> {
        self.prompt.as_ref().filter(|_| !self.has_own_format)?.shape.as_ref()
    }

    pub fn id(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.id)
    }

    pub fn started_unix_seconds(&self) -> i64 {
        self.record
            .as_ref()
            .map_or(0, |record| record.started_unix_micros / 1_000_000)
    }

    pub fn attempts(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.attempts.len()) + usize::from(self.current.is_some())
    }

    /// The prompt of the attempt under way, or of the last one.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_deref()
    }

    pub fn shared_prompt(&self) -> Option<Arc<Prompt>> {
        self.prompt.clone()
    }

    pub fn begin_attempt(&mut self, target: &Target, prompt: Option<&Arc<Prompt>>) {
        self.prompt = prompt.cloned();
        if let Some(trace) = &mut self.trace {
            trace.begin_attempt(target);
        }
        let attempt = Attempt {
            target: Arc::clone(&target.name),
            provider: Arc::clone(&target.provider),
            model: Arc::clone(&target.model),
            prompt: prompt.map(|prompt| Arc::clone(&prompt.name)),
            revision: prompt.map(|prompt| Arc::clone(&prompt.revision)),
            outcome: Outcome::Cancelled,
            status: None,
            error: None,
            latency_micros: 0,
            first_token_micros: None,
            usage: None,
            cost_pico_usd: None,
            upstream_id: None,
        };
        self.current = Some(Current {
            attempt,
            metrics: target.metrics.clone(),
            model_metrics: target.model_metrics.clone(),
            begun: Instant::now(),
            usage: None,
        });
    }

    /// Tells the provider in which trace the attempt under way calls it.
    pub fn propagate(&self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.propagate(headers);
        }
    }

    /// The first content of the attempt under way has come.
    pub fn first_content(&mut self) {
        let now = Instant::now();
        let since_begin = micros(now - self.begun);
        if let Some(current) = &mut self.current {
            current.attempt.first_token_micros = Some(micros(now - current.begun));
            current.attempt.status = Some(200);
        }
        self.record().first_token_micros = Some(since_begin);
    }

    /// What the attempt under way has used so far, should it be broken off.
    pub fn used_so_far(&mut self, usage: Usage, cost_pico_usd: Option<i64>) {
        if let Some(current) = &mut self.current {
            current.usage = Some(usage);
            current.attempt.cost_pico_usd = cost_pico_usd;
        }
    }

    pub fn fail_attempt(&mut self, outcome: Outcome, failure: &Failure) {
        let Some(mut current) = self.current.take() else { return };
        current.attempt.status = failure.status().or(current.attempt.status);
        current.attempt.error = Some(failure.to_string().into());
        self.close(current, outcome);
    }

    /// The provider's id of its answer goes with the attempt.
    pub fn answer_attempt(&mut self, answered: &mut Answered) {
        let Some(mut current) = self.current.take() else { return };
        current.attempt.status = Some(200);
        current.usage = Some(answered.usage);
        current.attempt.cost_pico_usd = answered.cost_pico_usd;
        current.attempt.upstream_id = answered.upstream_id.take();
        self.close(current, Outcome::Ok);
    }

    /// How long the request has been under way.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The request waited between attempts; that is no work of the gateway's own.
    pub fn waited(&mut self, duration: Duration) {
        self.waited += duration;
    }

    /// Time that was the gateway's own so far.
    pub fn overhead_micros(&self) -> u64 {
        let waiting = self
            .current
            .as_ref()
            .map_or(Duration::ZERO, |current| current.begun.elapsed());
        micros(self.begun.elapsed().saturating_sub(self.waited + waiting))
    }

    /// Ends well: at most, the answer is not of the shape that was asked for.
    pub fn finish(mut self: Box<Self>, answered: Answered, answer: impl FnOnce() -> Answer) {
        let answer = self.needs_answer().then(answer);
        let problem = self.shape().and_then(|shape| shape.problem(&said(answer.as_ref()?)?));
        let record = self.record();
        record.finish_reason = answered.finish_reason;
        if let (Some(content), Some(answer)) = (&mut record.content, answer) {
            content.answer = answer;
        }
        match problem {
            Some(problem) => {
                record.error = Some(problem.into());
                self.send(Outcome::SchemaInvalid, 200);
            }
            None => self.send(Outcome::Ok, 200),
        }
    }

    /// Ends badly; `status` is what the client was sent.
    pub fn fail(mut self: Box<Self>, outcome: Outcome, status: u16, error: &str) {
        self.record().error = Some(error.into());
        self.send(outcome, status);
    }

    /// Ends badly after the answer had begun.
    pub fn break_off(mut self: Box<Self>, outcome: Outcome, error: &str, answer: Answer) {
        self.note_partial(answer);
        self.record().error = Some(error.into());
        self.send(outcome, 200);
    }

    /// Keeps what had been answered when the client left.
    pub fn note_partial(&mut self, answer: Answer) {
        if let Some(content) = &mut self.record().content {
            content.answer = answer;
        }
    }

    /// The client has been sent a status line.
    pub fn committed(&mut self) {
        self.record().status = 200;
    }

    fn close(&mut self, mut current: Current, outcome: Outcome) {
        let latency = current.begun.elapsed();
        self.waited += latency;
        current.attempt.outcome = outcome;
        current.attempt.latency_micros = micros(latency);
        current.attempt.usage = current.usage;
        let streamed = self.record().streamed;
        current.metrics.observe(&current.attempt);
        current.model_metrics.observe(&current.attempt, streamed);
        access::attempt(self.id(), &current.attempt);
        if let Some(trace) = &mut self.trace {
            trace.end_attempt(&current.attempt, streamed);
        }
        let record = self.record();
        record.usage = current.usage.or(record.usage);
        // Most requests have one: the vector would make room for four.
        record.attempts.reserve_exact(1);
        record.attempts.push(current.attempt);
    }

    fn send(&mut self, outcome: Outcome, status: u16) {
        if let Some(current) = self.current.take() {
            let error = (outcome != Outcome::Ok).then(|| outcome.as_str().into());
            let current = Current {
                attempt: Attempt {
                    error,
                    ..current.attempt
                },
                ..current
            };
            self.close(current, outcome);
        }
        let Some(mut record) = self.record.take() else { return };
        let latency = self.begun.elapsed();
        record.outcome = outcome;
        record.status = status;
        record.latency_micros = micros(latency);
        record.overhead_micros = micros(latency.saturating_sub(self.waited));
        record.cost_pico_usd = total_cost(&record.attempts);
        if let Some(content) = &mut record.content {
            content.detach();
        }
        if let Some(trace) = self.trace.take() {
            trace.end(&record);
        }
        access::request(&record);
        self.ledger.metrics.in_flight.dec();
        self.ledger.metrics.observe(self.route.as_ref(), &record);
        if let Some(prompt) = &self.prompt {
            prompt.metrics.observe(&record);
        }
        if self.is_recorded {
            self.ledger.queue.record(record);
        }
    }

    fn record(&mut self) -> &mut Record {
        self.record
            .as_mut()
            .expect("the record is there until the exchange ends")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            let status = record.status;
            let outcome = if self.ledger.ending.is_cancelled() {
                Outcome::Cut
            } else {
                Outcome::Cancelled
            };
            self.send(outcome, status);
        }
    }
}

/// The sum over the attempts that used tokens; none when one of those has no known cost, or none used any.
fn total_cost(attempts: &[Attempt]) -> Option<i64> {
    let mut sum = None;
    for attempt in attempts.iter().filter(|attempt| attempt.usage.is_some()) {
        sum = Some(sum.unwrap_or(0_i64).checked_add(attempt.cost_pico_usd?)?);
    }
    sum
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn unix_micros(begun: Instant) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(begun.elapsed()).as_micros()).unwrap_or(i64::MAX)
}
