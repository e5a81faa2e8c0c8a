//! Bodies at the pace of a peer, which may be slow and must not stand still.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{Exchange, gate::Overdue};

/// Slower than this over a longer time is nobody's network.
const BYTES_PER_SECOND: f64 = 1_024.0;
/// So much of an answer is given at once: whoever takes none of it for a while takes nothing.
const PIECE: usize = 64 * 1024;

/// How long somebody may still be waited for: bytes give time back.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Patience {
    left: Duration,
    most: Duration,
}

impl Patience {
    fn of(most: Duration) -> Self {
        Self { left: most, most }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn came(&mut self, bytes: usize) {
        let gained = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND);
        self.left = self.left.saturating_add(gained).min(self.most);
    }
}

/// A request's body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
pub(super) struct TooSlow;

/// The body of a request. Only the time in which somebody here wants more of it counts: a disk or a program that is slow
/// is not the peer's fault.
pub(super) struct Coming {
    body: Body,
    exchange: Arc<Exchange>,
    patience: Patience,
    wanted: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Coming {
    pub(super) fn new(body: Body, most: Duration, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange, patience: Patience::of(most), wanted: None, alarm: None }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // Whoever wanted more of it does not any longer.
        if self.wanted.is_some() {
            self.exchange.moved(0);
        }
    }
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut me.body).poll_frame(context) {
            if let Some(since) = me.wanted.take() {
                me.patience.waited(since.elapsed());
            }
            let bytes = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref().map(Bytes::len)).unwrap_or_default();
            me.patience.came(bytes);
            me.exchange.moved(bytes);
            return Poll::Ready(frame);
        }
        if me.exchange.is_sent_away(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::SentAway))));
        }
        me.exchange.waits();
        let end = *me.wanted.get_or_insert_with(Instant::now) + me.patience.left;
        let alarm = me.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        loop {
            ready!(alarm.as_mut().poll(context));
            if Instant::now() >= end {
                return Poll::Ready(Some(Err(axum::Error::new(TooSlow))));
            }
            alarm.as_mut().reset(end);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, in pieces. Until the peer asks for one (over HTTP/2 it may never do so) it has to take what it was
/// given before, which is the answer's head at first.
pub(super) struct Going {
    body: Body,
    rest: Bytes,
    exchange: Arc<Exchange>,
    given: usize,
}

impl Going {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        exchange.waits();
        Self { body, rest: Bytes::new(), exchange, given: 0 }
    }
}

impl HttpBody for Going {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = self.get_mut();
        me.exchange.moved(std::mem::take(&mut me.given));
        if me.exchange.is_sent_away(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::SentAway))));
        }
        if me.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut me.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => me.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let piece = me.rest.split_to(me.rest.len().min(PIECE));
        me.given = piece.len();
        me.exchange.waits();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::{
        super::gate::{Gate, Times},
        *,
    };

    #[test]
    fn bytes_give_time_back_and_standing_still_takes_it() {
        let seconds = Duration::from_secs;
        let table = [
            // An hour at two kilobytes a second.
            (360, 20_480, seconds(10), true),
            // A tunnel, then more.
            (3, 65_536, seconds(59), true),
            (1, 1, seconds(61), false),
            // A byte now and then.
            (1_000, 1, seconds(1), false),
            (1_000, 512, seconds(1), false),
        ];
        for (pieces, bytes, pause, comes) in table {
            let mut patience = Patience::of(seconds(60));
            let in_time = (0..pieces).all(|_| {
                let in_time = pause < patience.left;
                patience.waited(pause);
                patience.came(bytes);
                in_time
            });
            assert_eq!(in_time, comes, "{pieces} × {bytes} each {pause:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_stands_still_ends_and_one_that_nobody_reads_does_not() {
        let piece = || Ok::<_, std::io::Error>(Bytes::from_static(b"piece"));
        let gate = Arc::new(Gate::new(Times::of(Duration::from_secs(15)), None));
        let coming =
            |body| Body::new(Coming::new(body, Duration::from_millis(50), Exchange::on(&gate))).into_data_stream();
        let mut still = coming(Body::from_stream(stream::iter([piece()]).chain(stream::pending())));
        assert_eq!(still.next().await.unwrap().unwrap(), "piece");
        assert!(still.next().await.unwrap().unwrap_err().to_string().contains("too slowly"));
        let mut unread = coming(Body::from_stream(stream::iter([piece(), piece()])));
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        assert!(unread.next().await.is_none());
    }
}
