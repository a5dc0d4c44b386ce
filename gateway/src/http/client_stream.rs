//! The socket of a client, which hyper reads and writes, and which is looked at beside it: has the client gone?
//!
//! Left to itself, hyper finds that out by reading on while a request is under way, for which it takes a fresh buffer with each request, as large
//! as the last one needed to be. A look takes none, and the next request is read into the memory of the one before.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A handle on the socket. The lock is held for one call of the kernel; both handles are in one task.
#[derive(Clone)]
pub(super) struct ClientStream(Arc<Mutex<TcpStream>>);

impl ClientStream {
    pub(super) fn of(stream: TcpStream) -> Self {
        // Failing is harmless: answers only come a little later.
        let _ = stream.set_nodelay(true);
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Whether the client has closed its side, or is gone; wakes the task when there is something new to look at.
    pub(super) fn is_gone(&self, context: &mut Context<'_>) -> bool {
        let mut byte = [0];
        match self.lock().poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(length)) => length == 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, TcpStream> {
        // Nobody panics while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (ClientStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ClientStream::of(listener.accept().await.unwrap().0), client)
    }

    /// Ends when the client is gone: each look leaves a waker for the next one.
    async fn gone(stream: &ClientStream) {
        poll_fn(|context| {
            if stream.is_gone(context) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_client_that_closes_its_side_or_breaks_off_is_gone_and_the_task_wakes() {
        let (stream, mut client) = pair().await;
        assert!(!poll_fn(|context| Poll::Ready(stream.is_gone(context))).await);
        client.shutdown().await.unwrap();
        gone(&stream).await;
        let (stream, client) = pair().await;
        client.set_zero_linger().unwrap();
        drop(client);
        gone(&stream).await;
    }

    #[tokio::test]
    async fn a_client_that_sends_more_is_not_gone_and_nothing_of_it_is_lost() {
        let (mut stream, mut client) = pair().await;
        client.write_all(b"next").await.unwrap();
        poll_fn(|context| stream.lock().poll_read_ready(context)).await.unwrap();
        assert!(!poll_fn(|context| Poll::Ready(stream.is_gone(context))).await);
        let mut read = [0; 4];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"next");
        drop(client);
        gone(&stream).await;
    }
}
