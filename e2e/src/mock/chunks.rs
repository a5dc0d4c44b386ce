//! The body of a streamed answer: role, content chunks at a steady gap, finish, usage if asked for, `[DONE]`.

use std::convert::Infallible;
use std::pin::Pin;
use std::str;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use super::Streams;
use super::answer::{Mark, event};

/// Emits one event a frame, so that each leaves in a write of its own.
pub(super) struct Chunks {
    mark: Mark,
    include_usage: bool,
    streams: Streams,
    next: Next,
    timer: Pin<Box<Sleep>>,
}

enum Next {
    Role,
    Content(usize),
    Finish,
    Usage,
    Done,
    End,
}

impl Chunks {
    pub(super) fn new(mark: Mark, include_usage: bool, streams: Streams) -> Self {
        let timer = Box::pin(sleep(streams.gap));
        Self {
            mark,
            include_usage,
            streams,
            next: Next::Role,
            timer,
        }
    }

    fn content(&self, index: usize) -> Bytes {
        let mark = str::from_utf8(&self.mark).expect("a mark is made of digits");
        event(
            self.mark,
            &format!(
                r#""choices":[{{"index":0,"delta":{{"content":"{index}@{mark} "}},"logprobs":null,"finish_reason":null}}]"#
            ),
        )
    }

    /// The wait counts from the chunk before, so that a late mock does not send several at once.
    fn rearm(&mut self) {
        let deadline = Instant::now() + self.streams.gap;
        self.timer.as_mut().reset(deadline);
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let (event, next) = match this.next {
            Next::Role => {
                const ROLE: &str = r#""choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]"#;
                (
                    event(this.mark, ROLE),
                    if this.streams.chunks == 0 {
                        Next::Finish
                    } else {
                        Next::Content(0)
                    },
                )
            }
            Next::Content(index) => {
                // The first content comes at once, so that the time to it is the gateway's own.
                if index > 0 && !this.streams.gap.is_zero() {
                    ready!(this.timer.as_mut().poll(cx));
                }
                this.rearm();
                let last = index + 1 == this.streams.chunks;
                (
                    this.content(index),
                    if last { Next::Finish } else { Next::Content(index + 1) },
                )
            }
            Next::Finish => {
                const FINISH: &str = r#""choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]"#;
                (
                    event(this.mark, FINISH),
                    if this.include_usage { Next::Usage } else { Next::Done },
                )
            }
            Next::Usage => {
                let tokens = this.streams.chunks;
                let total = tokens + 58;
                let usage = format!(
                    r#""choices":[],"usage":{{"prompt_tokens":58,"completion_tokens":{tokens},"total_tokens":{total}}}"#
                );
                (event(this.mark, &usage), Next::Done)
            }
            Next::Done => (Bytes::from_static(b"data: [DONE]\n\n"), Next::End),
            Next::End => return Poll::Ready(None),
        };
        this.next = next;
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}
