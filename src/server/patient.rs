//! A connection that is patient with who reads slowly, and not with who reads nothing: an answer nobody takes would
//! hold its memory, its object and its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may take nothing of what is written to it. Clients on bad lines stall for seconds; what they
/// took counts as soon as the kernel has room again, so that one which is only slow never comes near this.
pub(crate) const TAKES_NOTHING_MAX: Duration = Duration::from_mins(1);

/// See above.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Over when the client has taken nothing for too long; looked at only while a write waits.
    over: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> Patient<S> {
    /// A connection that waits so long for a client to take something.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, over: Box::pin(sleep(patience)), is_waiting: false }
    }

    /// What a write has come to, unless it has waited for too long.
    fn wait<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            let over = Instant::now() + self.patience;
            self.over.as_mut().reset(over);
        }
        let over = self.over.as_mut().poll(context);
        over.map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, bytes)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wait(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wait(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.wait(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.wait(closed, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_let_go_and_whoever_does_is_not() {
        let (client, server) = duplex(16);
        let written = Patient::new(server, Duration::from_millis(1)).write_all(&[7; 100]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);

        let (mut client, server) = duplex(16);
        let reading = tokio::spawn(async move {
            for _ in 0..100 {
                client.read_u8().await.unwrap();
            }
        });
        Patient::new(server, TAKES_NOTHING_MAX).write_all(&[7; 100]).await.unwrap();
        reading.await.unwrap();
    }
}
