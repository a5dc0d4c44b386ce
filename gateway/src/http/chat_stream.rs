//! The body of a streamed answer: what the provider sends, as it arrives; comments while nothing does; a typed error at worst.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    chat::{OpeningStream, meaning},
    error::{ApiError, Contract},
};
use crate::{
    config::resolved::Route,
    providers::dialect::{
        anthropic::translate::write_stream::put_event,
        openai::{json_string, stream},
    },
    routing::{
        alarm::Alarm,
        live::{Live, Step, Unopened},
    },
};

/// How long a client hears nothing before it gets a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b": waiting for the provider\n\n";

pub(super) struct ChatStream {
    state: State,
    contract: Contract,
    id: Box<str>,
    /// `model` as the client sent it, as a JSON string: for chunks of a stream that no target answered.
    model: Bytes,
    last_sent: Instant,
    alarm: Option<Alarm>,
    /// The gateway ends, and cannot wait for the rest of this stream.
    token: CancellationToken,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
}

pub(super) enum State {
    /// Committed before any target began to answer.
    Opening(OpeningStream, Arc<Route>),
    Live(Box<Live>),
    Ended,
}

impl ChatStream {
    pub(super) fn new(
        state: State,
        contract: Contract,
        id: Box<str>,
        model: Bytes,
        ending: &CancellationToken,
    ) -> Self {
        Self {
            state,
            contract,
            id,
            model,
            last_sent: Instant::now(),
            alarm: None,
            token: ending.clone(),
            ending: Box::pin(ending.clone().cancelled_owned()),
        }
    }

    /// Ends the stream, with a word to the client. What it has had so far is recorded as cut when the state is dropped.
    fn cut(&mut self) -> Bytes {
        self.state = State::Ended;
        let mut out = BytesMut::new();
        self.write_failure(&ApiError::stopping(), &mut out);
        out.freeze()
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Live(live) => {
                    let bytes = match live.poll_step(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(Step::More(bytes))) => return Poll::Ready(Some(bytes)),
                        Poll::Ready(Ok(Step::End(bytes))) => bytes,
                        Poll::Ready(Err(failure)) => {
                            let mut out = BytesMut::from(live.take_ready());
                            let error = ApiError::upstream(live.target(), &failure, live.attempts());
                            self.write_failure(&error, &mut out);
                            out.freeze()
                        }
                    };
                    self.state = State::Ended;
                    return Poll::Ready(Some(bytes));
                }
                State::Opening(opening, route) => match opening.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(mut live)) => {
                        if let Some(exchange) = live.exchange() {
                            exchange.committed();
                        }
                        self.state = State::Live(Box::new(live));
                    }
                    Poll::Ready(Err(Unopened { exchange, unanswered })) => {
                        let (outcome, error) = meaning(route, &unanswered, exchange.attempts());
                        exchange.fail(outcome, 200, &error.message);
                        let mut out = BytesMut::new();
                        self.write_failure(&error, &mut out);
                        self.state = State::Ended;
                        return Poll::Ready(Some(out.freeze()));
                    }
                },
            }
        }
    }

    fn write_failure(&self, error: &ApiError, out: &mut BytesMut) {
        if self.contract == Contract::Anthropic {
            let error = error.body(self.contract, Some(&self.id)).to_string();
            return put_event("error", error.as_bytes(), out);
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let error = error.object(self.contract).to_string();
        stream::failure(
            &json_string(&self.id),
            now.cast_signed(),
            &self.model,
            error.as_bytes(),
            out,
        );
    }

    /// Whether the gateway ends. Once this task waits for that, which it does as long as it waits for the alarm, only a look is needed.
    fn poll_ending(&mut self, context: &mut Context<'_>) -> bool {
        if self.alarm.as_ref().is_some_and(|alarm| alarm.will_wake(context)) {
            return self.token.is_cancelled();
        }
        self.ending.as_mut().poll(context).is_ready()
    }

    /// Ready when the client has heard nothing for too long.
    fn poll_keep_alive(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.last_sent + KEEP_ALIVE;
        let alarm = self.alarm.get_or_insert_with(|| Alarm::at(deadline));
        loop {
            if alarm.poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.reset(deadline);
        }
    }
}

impl Body for ChatStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.poll_bytes(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(bytes)) => bytes,
            Poll::Pending if self.poll_ending(context) => self.cut(),
            Poll::Pending => match self.poll_keep_alive(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => Bytes::from_static(COMMENT),
            },
        };
        self.last_sent = Instant::now();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}
