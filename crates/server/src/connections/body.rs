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

use super::{Exchange, activity::Overdue};

/// Slower than this over a longer time is nobody's network.
const BYTES_PER_SECOND: f64 = 1_024.0;
/// So much of an answer is given at once: whoever takes none of it for a while takes nothing.
const CHUNK: usize = 64 * 1024;

/// How long somebody may still be waited for: bytes give time back.
#[derive(Clone, Copy, Debug, PartialEq)]
struct TimeBudget {
    left: Duration,
    most: Duration,
}

impl TimeBudget {
    fn of(most: Duration) -> Self {
        Self { left: most, most }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn received(&mut self, bytes: usize) {
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
pub(super) struct RequestBody {
    body: Body,
    exchange: Arc<Exchange>,
    budget: TimeBudget,
    wanted: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(body: Body, most: Duration, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange, budget: TimeBudget::of(most), wanted: None, alarm: None }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Whoever wanted more of it does not any longer.
        if self.wanted.is_some() {
            self.exchange.progress(0);
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut me.body).poll_frame(context) {
            if let Some(since) = me.wanted.take() {
                me.budget.waited(since.elapsed());
            }
            let bytes = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref().map(Bytes::len)).unwrap_or_default();
            me.budget.received(bytes);
            me.exchange.progress(bytes);
            return Poll::Ready(frame);
        }
        if me.exchange.is_evicted(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::Evicted))));
        }
        me.exchange.wait_for_peer();
        let end = *me.wanted.get_or_insert_with(Instant::now) + me.budget.left;
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
pub(super) struct ResponseBody {
    body: Body,
    rest: Bytes,
    exchange: Arc<Exchange>,
    given: usize,
}

impl ResponseBody {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        exchange.wait_for_peer();
        Self { body, rest: Bytes::new(), exchange, given: 0 }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = self.get_mut();
        me.exchange.progress(std::mem::take(&mut me.given));
        if me.exchange.is_evicted(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::Evicted))));
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
        let chunk = me.rest.split_to(me.rest.len().min(CHUNK));
        me.given = chunk.len();
        me.exchange.wait_for_peer();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
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
        super::activity::{Activity, Timeouts},
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
        for (chunks, bytes, pause, comes) in table {
            let mut budget = TimeBudget::of(seconds(60));
            let in_time = (0..chunks).all(|_| {
                let in_time = pause < budget.left;
                budget.waited(pause);
                budget.received(bytes);
                in_time
            });
            assert_eq!(in_time, comes, "{chunks} × {bytes} each {pause:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_stands_still_ends_and_one_that_nobody_reads_does_not() {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(b"piece"));
        let activity = Arc::new(Activity::new(Timeouts::of(Duration::from_secs(15)), None));
        let coming = |body| {
            Body::new(RequestBody::new(body, Duration::from_millis(50), Exchange::on(&activity))).into_data_stream()
        };
        let mut still = coming(Body::from_stream(stream::iter([chunk()]).chain(stream::pending())));
        assert_eq!(still.next().await.unwrap().unwrap(), "piece");
        assert!(still.next().await.unwrap().unwrap_err().to_string().contains("too slowly"));
        let mut unread = coming(Body::from_stream(stream::iter([chunk(), chunk()])));
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        assert!(unread.next().await.is_none());
    }
}
