//! Sends an answer step by step, and notes when.

use std::convert::Infallible;
use std::future::pending;
use std::vec;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::Clock;
use super::behaviour::Break;
use super::journal::{Entry, Outcome};
use super::script::Step;
use super::server::Connection;

static FILL_BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// An answer being sent.
pub(crate) struct Delivery {
    pub entry: Entry,
    pub connection: Connection,
    pub clock: Clock,
}

struct Sending {
    delivery: Delivery,
    steps: vec::IntoIter<Step>,
    /// Bytes of filler still to be sent.
    filler: usize,
}

impl Delivery {
    /// The body that sends these steps.
    pub(crate) fn body(self, steps: Vec<Step>) -> Body {
        let sending = Sending {
            delivery: self,
            steps: steps.into_iter(),
            filler: 0,
        };
        Body::from_stream(stream::unfold(sending, async |mut sending| {
            let bytes = sending.next().await?;
            // A body of known length is not asked again after its last byte, so its end is noted here.
            if sending.steps.as_slice().is_empty() && sending.filler == 0 {
                sending.delivery.entry.ended(Outcome::Complete);
            }
            Some((Ok::<_, Infallible>(bytes), sending))
        }))
    }

    /// Stops as told; never returns, since the connection ends or hangs.
    pub(crate) async fn stop(&self, how: Break) {
        self.entry.ended(if how == Break::Hang {
            Outcome::Open
        } else {
            Outcome::Broken
        });
        // Lets hyper write out what it was given before.
        tokio::task::yield_now().await;
        if how != Break::Hang {
            self.connection.end(how);
        }
        pending::<()>().await;
    }
}

impl Sending {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.filler > 0 {
                let length = self.filler.min(FILL_BLOCK.len());
                self.filler -= length;
                return Some(Bytes::from_static(&FILL_BLOCK).slice(..length));
            }
            match self.steps.next()? {
                Step::Send(bytes) => return Some(bytes),
                Step::Note => self.delivery.entry.sent((self.delivery.clock)()),
                Step::Fill(length) => self.filler = length,
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Gate(id) => {
                    let gate = self.delivery.entry.journal().gate(id);
                    gate.acquire().await.ok()?.forget();
                }
                Step::Break(how) => self.delivery.stop(how).await,
            }
        }
    }
}
