//! A connection's bytes, which end when a time limit is exceeded.

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

use super::{Activity, Slot};

/// A connection whose time limits are enforced.
pub struct MonitoredStream<IO> {
    io: IO,
    activity: Arc<Activity>,
    _slot: Slot,
    tick: Pin<Box<Sleep>>,
    /// Since when the system accepts no more bytes for the peer.
    stalled_since: Option<Instant>,
}

impl<IO> MonitoredStream<IO> {
    pub(super) fn new(io: IO, activity: Arc<Activity>, slot: Slot) -> Self {
        let tick = Box::pin(tokio::time::sleep(activity.timeouts().tick()));
        Self { io, activity, _slot: slot, tick, stalled_since: None }
    }

    /// Pending until the connection must end.
    fn overdue<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.activity.wake(context.waker());
        loop {
            let now = Instant::now();
            if let Some(why) = self.activity.overdue(now) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            if self
                .stalled_since
                .is_some_and(|since| now.saturating_duration_since(since) >= self.activity.timeouts().later)
            {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")));
            }
            if self.tick.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.tick.as_mut().reset(now + self.activity.timeouts().tick());
        }
    }

    fn written(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.stalled_since = None;
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.stalled_since.get_or_insert_with(Instant::now);
                self.overdue(context)
            }
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for MonitoredStream<IO> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.io).poll_read(context, into) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => this.overdue(context),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for MonitoredStream<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        chunks: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, chunks);
        this.written(written, context)
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
