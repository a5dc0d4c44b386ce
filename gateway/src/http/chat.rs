//! `POST /chat/completions` and `POST /messages`.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use crds::route::SessionAffinity;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use tokio::time::{Instant, sleep};

use super::{
    authenticate::authenticate,
    body::read_body,
    chat_stream::{ChatStream, State},
    error::{ApiError, Contract},
    router::Worker,
    server::Connection,
};
use crate::{
    capture::record::{Answer, Outcome},
    config::resolved::{Caller, Config, Route, Target},
    prompts::{
        prompt::Prompt,
        selection::{self, Selection},
    },
    providers::{
        answer::Marks,
        body::Pieces,
        dialect::{
            anthropic::request::{MessagesRequest, Purpose},
            openai::{json_string, request::ChatRequest, stream::UsagePlace},
        },
        front::ClientRequest,
        stamp::Stamp,
    },
    routing::{
        affinity::Affinity,
        exchange::{Exchange, Opening},
        live::{Live, StreamRequest, Unopened, open},
        tries::Unanswered,
        whole,
    },
};

const SESSION: HeaderName = HeaderName::from_static("x-session-id");
const GENERATION_ID: HeaderName = HeaderName::from_static("x-generation-id");
const SNAPSHOT: HeaderName = HeaderName::from_static("x-route-switch-snapshot");
const ROUTE: HeaderName = HeaderName::from_static("x-route-switch-route");
const TARGET: HeaderName = HeaderName::from_static("x-route-switch-target");
const PROMPT_REVISION: HeaderName = HeaderName::from_static("x-route-switch-prompt-revision");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-route-switch-attempts");
/// Where `Anthropic`'s SDKs look for the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const OVERHEAD: HeaderName = HeaderName::from_static("x-route-switch-overhead-us");

pub(super) type Opened = Result<Live, Unopened>;
pub(super) type OpeningStream = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// What is known of a request when its answer's headers are written.
struct Head<'a> {
    id: &'a str,
    contract: Contract,
    config: &'a Config,
    route: Option<&'a Route>,
    target: Option<&'a Target>,
    prompt: Option<&'a Prompt>,
    attempts: usize,
    overhead_micros: Option<u64>,
}

/// A request in the handler.
struct Chat {
    worker: Arc<Worker>,
    contract: Contract,
    config: Arc<Config>,
    exchange: Box<Exchange>,
}

pub async fn chat<B>(worker: Arc<Worker>, contract: Contract, connection: Connection, request: Request<B>) -> Response
where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin,
{
    let begun = Instant::now();
    let config = worker.app.config.load_full();
    let (parts, body) = request.into_parts();
    let caller = match authenticate(&config, &parts.headers, connection.remote.ip()) {
        Ok(caller) => caller,
        Err(error) => {
            worker.app.metrics.unauthenticated.inc();
            return error.respond(contract);
        }
    };
    let opening = Opening {
        id: worker.app.ids.next(),
        key: caller.key_name().cloned(),
        snapshot_revision: Arc::clone(&config.revision),
        begun,
        trace: worker.ledger.trace(&parts.headers),
    };
    let exchange = Exchange::begin(Arc::clone(&worker.ledger), opening);
    let chat = Chat {
        worker,
        contract,
        config,
        exchange,
    };
    match read_body(body, &parts.headers).await {
        Ok(body) => chat.answer(&caller, &parts.headers, body).await,
        Err(error) => chat.refuse(error, None),
    }
}

/// Finds the Route that a request means, and notes in it what else it means.
pub(super) fn select(config: &Config, caller: &Caller, request: &mut ClientRequest) -> Result<Arc<Route>, ApiError> {
    let selection = selection::select(config, caller, request.model(), request.asked());
    let Selection { route, choice } = selection.map_err(|error| ApiError::from(&error))?;
    request.choose(choice);
    let gives_messages = |target| {
        request
            .choice()
            .prompt_at(target)
            .is_some_and(|prompt| prompt.has_messages())
    };
    if !request.has_messages() && !route.targets.iter().any(gives_messages) {
        request.check_messages().map_err(|error| ApiError::from(&error))?;
    }
    Ok(route)
}

impl Chat {
    async fn answer(mut self, caller: &Caller, headers: &HeaderMap, body: Bytes) -> Response {
        let scanned = match self.contract {
            Contract::OpenAi | Contract::OpenRouter => ChatRequest::scan(body).map(ClientRequest::OpenAi),
            Contract::Anthropic => MessagesRequest::scan(body, headers, Purpose::Answer).map(ClientRequest::Anthropic),
        };
        let mut request = match scanned {
            Ok(request) => request,
            Err(error) => return self.refuse((&error).into(), None),
        };
        self.exchange
            .asked(request.model(), request.stream(), request.user().map(Into::into));
        let route = match select(&self.config, caller, &mut request) {
            Ok(route) => route,
            Err(error) => return self.refuse(error, None),
        };
        if request.has_own_format() {
            self.exchange.with_own_format();
        }
        self.exchange.routed(&route, request.body());
        let affinity = affinity(&route, &request, headers, caller);
        if request.stream() {
            // In a box of its own, so that the future of a request that is not streamed stays small.
            Box::pin(self.stream(route, affinity, request)).await
        } else {
            self.whole(&route, affinity, &request).await
        }
    }

    /// Answers with a fault of the client's own.
    fn refuse(self, error: ApiError, route: Option<&Route>) -> Response {
        self.fail(Outcome::ClientError, error, route, None)
    }

    fn fail(self, outcome: Outcome, error: ApiError, route: Option<&Route>, target: Option<&Target>) -> Response {
        let Self {
            contract,
            config,
            exchange,
            ..
        } = self;
        let head = Head {
            id: exchange.id(),
            contract,
            config: &config,
            route,
            target,
            prompt: exchange.prompt(),
            attempts: exchange.attempts(),
            overhead_micros: Some(exchange.overhead_micros()),
        };
        let headers = head.headers();
        let status = error.status_for(contract).as_u16();
        let id: Box<str> = exchange.id().into();
        exchange.fail(outcome, status, &error.message);
        let mut response = error.respond_of(Some(&id), contract);
        response.headers_mut().extend(headers);
        response
    }

    async fn whole(mut self, route: &Route, affinity: Option<Affinity>, request: &ClientRequest) -> Response {
        let asked = {
            let mut ask = pin!(whole::ask(
                &self.worker.clients,
                route,
                affinity,
                request,
                &mut self.exchange
            ));
            let ending = &self.worker.ledger.ending;
            // The connection wakes when the gateway ends.
            poll_fn(|context| match ask.as_mut().poll(context) {
                Poll::Ready(asked) => Poll::Ready(Some(asked)),
                Poll::Pending if ending.is_cancelled() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let whole = match asked {
            Some(Ok(whole)) => whole,
            None => return self.fail(Outcome::Cut, ApiError::stopping(), Some(route), None),
            Some(Err(unanswered)) => return self.unanswered(route, &unanswered),
        };
        let stamp = Stamp {
            id: json_string(self.exchange.id()),
            model: whole.target.model_json.clone(),
            provider: whole.target.provider_json.clone(),
        };
        let pieces = whole.answer.written(&Marks {
            stamp: &stamp,
            created_unix_seconds: self.exchange.started_unix_seconds(),
            used: &whole.answered.usage,
            cost_pico_usd: whole.answered.cost_pico_usd,
        });
        let head = Head {
            id: self.exchange.id(),
            contract: self.contract,
            config: &self.config,
            route: Some(route),
            target: Some(whole.target),
            prompt: self.exchange.prompt(),
            attempts: self.exchange.attempts(),
            overhead_micros: Some(self.exchange.overhead_micros()),
        };
        let mut response = Response::new(Body::new(Pieces::from(pieces)));
        *response.headers_mut() = head.headers();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.exchange
            .finish(whole.answered, || Answer::Message(whole.answer.message()));
        response
    }

    async fn stream(self, route: Arc<Route>, affinity: Option<Affinity>, request: ClientRequest) -> Response {
        let Self {
            worker,
            contract,
            config,
            exchange,
        } = self;
        let place = match (contract, &request) {
            (Contract::OpenRouter, _) => UsagePlace::EmptyDelta,
            (_, ClientRequest::OpenAi(request)) if request.include_usage => UsagePlace::OwnChunk,
            _ => UsagePlace::FinishChunk,
        };
        let id: Box<str> = exchange.id().into();
        let model = json_string(request.model());
        let asked = StreamRequest {
            clients: Arc::clone(&worker.clients),
            route: Arc::clone(&route),
            affinity,
            request,
            place,
        };
        let mut opening: OpeningStream = Box::pin(open(asked, exchange));
        let opened = tokio::select! {
            biased;
            opened = &mut opening => opened,
            () = sleep(route.settings.commit_after) => {
                let head = Head { id: &id, contract, config: &config, route: Some(&route), target: None, prompt: None, attempts: 0, overhead_micros: None };
                return respond(head.headers(), ChatStream::new(State::Opening(opening, Arc::clone(&route)), contract, id, model, &worker.ledger.ending));
            }
        };
        match opened {
            Ok(mut live) => {
                let (attempts, overhead_micros, prompt) = live.exchange().map_or((0, None, None), |exchange| {
                    exchange.committed();
                    let prompt = exchange.shared_prompt();
                    (exchange.attempts(), Some(exchange.overhead_micros()), prompt)
                });
                let target = Some(live.target());
                let head = Head {
                    id: &id,
                    contract,
                    config: &config,
                    route: Some(&route),
                    target,
                    prompt: prompt.as_deref(),
                    attempts,
                    overhead_micros,
                };
                let headers = head.headers();
                respond(
                    headers,
                    ChatStream::new(State::Live(Box::new(live)), contract, id, model, &worker.ledger.ending),
                )
            }
            Err(Unopened { exchange, unanswered }) => {
                let chat = Self {
                    worker,
                    contract,
                    config,
                    exchange,
                };
                chat.unanswered(&route, &unanswered)
            }
        }
    }

    /// No target answered.
    fn unanswered(self, route: &Route, unanswered: &Unanswered) -> Response {
        let (outcome, error) = meaning(route, unanswered, self.exchange.attempts());
        let target = unanswered.last.as_ref().map(|(index, _)| &route.targets[*index]);
        self.fail(outcome, error, Some(route), target)
    }
}

/// What keeps the request at one target, where the Route has it so.
fn affinity(route: &Route, request: &ClientRequest, headers: &HeaderMap, caller: &Caller) -> Option<Affinity> {
    match route.settings.affinity {
        SessionAffinity::None => None,
        SessionAffinity::Key => Some(Affinity::of(caller.key_sha256()?)),
        SessionAffinity::Session => {
            let in_body = request.session().map(str::as_bytes);
            let in_headers = || Some(headers.get(SESSION)?.as_bytes());
            let user = || Some(request.user()?.as_bytes());
            Some(Affinity::of(in_body.or_else(in_headers).or_else(user)?))
        }
    }
}

/// What it means for the client that no target answered.
pub(super) fn meaning(route: &Route, unanswered: &Unanswered, attempts: usize) -> (Outcome, ApiError) {
    match &unanswered.last {
        None => (Outcome::NoTarget, ApiError::no_target(&route.name)),
        Some((index, failure)) => (
            failure.outcome(),
            ApiError::upstream(&route.targets[*index], failure, attempts),
        ),
    }
}

impl Head<'_> {
    fn headers(&self) -> HeaderMap {
        let Self {
            id,
            contract,
            config,
            route,
            target,
            prompt,
            attempts,
            overhead_micros,
        } = self;
        let mut headers = HeaderMap::with_capacity(12);
        if let Ok(id) = HeaderValue::from_str(id) {
            if *contract == Contract::Anthropic {
                headers.insert(REQUEST_ID, id.clone());
            }
            headers.insert(GENERATION_ID, id);
        }
        headers.insert(SNAPSHOT, config.revision_header.clone());
        if let Some(route) = route {
            headers.insert(ROUTE, route.header());
        }
        if let Some(target) = target {
            headers.insert(TARGET, target.header.clone());
        }
        if let Some(prompt) = prompt {
            headers.insert(PROMPT_REVISION, prompt.header.clone());
        }
        let mut decimal = itoa::Buffer::new();
        let attempts = match *attempts {
            0 => None,
            1 => Some(HeaderValue::from_static("1")),
            more => HeaderValue::from_str(decimal.format(more)).ok(),
        };
        if let Some(attempts) = attempts {
            headers.insert(ATTEMPTS, attempts);
        }
        let overhead = overhead_micros.map(|micros| HeaderValue::from_str(decimal.format(micros)));
        if let Some(Ok(overhead)) = overhead {
            headers.insert(OVERHEAD, overhead);
        }
        headers
    }
}

fn respond(headers: HeaderMap, stream: ChatStream) -> Response {
    let mut response = Response::new(Body::new(stream)).into_response();
    *response.headers_mut() = headers;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
