//! The events of a watch on their way to the operator.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::sleep;

use super::fault::{EventFault, Faults};
use super::{Body, status};

struct Watch {
    answer: reqwest::Response,
    buffer: BytesMut,
    faults: Arc<Faults>,
    over: bool,
}

/// The body of a watch, with faults between its lines.
pub(super) fn disturbed(answer: reqwest::Response, faults: Arc<Faults>) -> Body {
    let watch = Watch {
        answer,
        buffer: BytesMut::new(),
        faults,
        over: false,
    };
    let frames = stream::unfold(watch, async |mut watch| {
        let item = watch.next().await?;
        Some((item.map(Frame::data), watch))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Watch {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.over {
            return None;
        }
        let line = self.line().await?;
        match self.faults.of_event() {
            EventFault::None => Some(Ok(line)),
            EventFault::Delay(time) => {
                sleep(time).await;
                Some(Ok(line))
            }
            EventFault::Twice => Some(Ok([line.clone(), line].concat().into())),
            EventFault::Dropped(time) => {
                self.over = true;
                sleep(time).await;
                let expired = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(410));
                Some(Ok(expired.into()))
            }
            EventFault::Cut => {
                self.over = true;
                Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut")))
            }
        }
    }

    /// With its line feed; none at the end.
    async fn line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                return Some(self.buffer.split_to(end + 1).freeze());
            }
            let more = self.answer.chunk().await.ok()??;
            self.buffer.extend_from_slice(&more);
        }
    }
}
