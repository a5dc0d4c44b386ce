//! Bodies: as the pieces that one is made of, without putting them together; and apart from the buffer that one was read into.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Longest text that is worth copying out of the buffer that it was read into.
pub const COPIED_BYTES: usize = 16 * 1024;

/// The same text, in memory of its own where it is short: a slice of a connection's read buffer would keep all of that, and the connection
/// would need a fresh one.
pub fn detached(text: Bytes) -> Bytes {
    if text.len() <= COPIED_BYTES {
        Bytes::copy_from_slice(&text)
    } else {
        text
    }
}

/// Pieces, sent in order.
#[derive(Debug)]
pub struct Pieces {
    pieces: vec::IntoIter<Bytes>,
    remaining_bytes: u64,
}

impl From<Vec<Bytes>> for Pieces {
    fn from(pieces: Vec<Bytes>) -> Self {
        let remaining_bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            pieces: pieces.into_iter(),
            remaining_bytes,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.next().map(|piece| {
            self.remaining_bytes -= piece.len() as u64;
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining_bytes)
    }
}
