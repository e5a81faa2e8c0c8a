//! A connection's bytes, which end when its time is over.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{Gate, Place};

/// A connection from somewhere.
pub struct Watched<IO> {
    io: IO,
    gate: Arc<Gate>,
    _place: Place,
    tick: Pin<Box<Sleep>>,
    /// Since when the system takes no more bytes for the peer.
    stuck: Option<Instant>,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, gate: Arc<Gate>, place: Place) -> Self {
        let tick = Box::pin(tokio::time::sleep(gate.times().tick()));
        Self { io, gate, _place: place, tick, stuck: None }
    }

    /// Pending until the connection must end.
    fn overdue<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.gate.wake(context.waker());
        loop {
            let now = Instant::now();
            if let Some(why) = self.gate.overdue(now) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            if self.stuck.is_some_and(|since| now.saturating_duration_since(since) >= self.gate.times().later) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")));
            }
            if self.tick.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.tick.as_mut().reset(now + self.gate.times().tick());
        }
    }

    fn written(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.stuck = None;
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.stuck.get_or_insert_with(Instant::now);
                self.overdue(context)
            }
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        match Pin::new(&mut me.io).poll_read(context, into) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => me.overdue(context),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let written = Pin::new(&mut me.io).poll_write(context, bytes);
        me.written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let written = Pin::new(&mut me.io).poll_write_vectored(context, pieces);
        me.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
