//! Request and response bodies with a minimum speed: a peer may be slow, but must not stall.

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

/// The minimum speed of a request body. No working network is slower for long.
const BYTES_PER_SECOND: f64 = 1_024.0;
/// How many bytes of a response are handed over at a time. A peer that takes none of them for a while counts as
/// stalled.
const CHUNK: usize = 64 * 1024;

/// How long the server may still wait for a peer. Each byte that arrives extends it.
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

/// The request's body arrived too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body arrives too slowly")]
pub(super) struct TooSlow;

/// The body of a request. Only the time in which the handler waits for more counts: a slow disk or program on this side
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
        // The handler no longer waits for more.
        if self.wanted.is_some() {
            self.exchange.mark_progress(0);
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(since) = this.wanted.take() {
                this.budget.waited(since.elapsed());
            }
            let bytes = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref().map(Bytes::len)).unwrap_or_default();
            this.budget.received(bytes);
            this.exchange.mark_progress(bytes);
            return Poll::Ready(frame);
        }
        if this.exchange.is_evicted(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::Evicted))));
        }
        this.exchange.mark_waiting();
        let end = *this.wanted.get_or_insert_with(Instant::now) + this.budget.left;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
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

/// The body of a response, in chunks. Until the peer asks for one (over HTTP/2 it may never do so), it has to take what
/// it was given before: first of all the response's headers.
pub(super) struct ResponseBody {
    body: Body,
    rest: Bytes,
    exchange: Arc<Exchange>,
    given: usize,
}

impl ResponseBody {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        exchange.mark_waiting();
        Self { body, rest: Bytes::new(), exchange, given: 0 }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        this.exchange.mark_progress(std::mem::take(&mut this.given));
        if this.exchange.is_evicted(context.waker()) {
            return Poll::Ready(Some(Err(axum::Error::new(Overdue::Evicted))));
        }
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let chunk = this.rest.split_to(this.rest.len().min(CHUNK));
        this.given = chunk.len();
        this.exchange.mark_waiting();
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
    fn bytes_extend_the_time_budget_and_pauses_use_it_up() {
        let seconds = Duration::from_secs;
        let table = [
            // An hour at two kilobytes a second.
            (360, 20_480, seconds(10), true),
            // A pause, as in a tunnel, then more.
            (3, 65_536, seconds(59), true),
            (1, 1, seconds(61), false),
            // A byte now and then.
            (1_000, 1, seconds(1), false),
            (1_000, 512, seconds(1), false),
        ];
        for (chunks, bytes, pause, arrives) in table {
            let mut budget = TimeBudget::of(seconds(60));
            let in_time = (0..chunks).all(|_| {
                let in_time = pause < budget.left;
                budget.waited(pause);
                budget.received(bytes);
                in_time
            });
            assert_eq!(in_time, arrives, "{chunks} × {bytes} each {pause:?}");
        }
    }

    #[tokio::test]
    async fn a_stalled_body_ends_and_an_unread_one_does_not() {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(b"piece"));
        let activity = Arc::new(Activity::new(Timeouts::of(Duration::from_secs(15)), None));
        let body_of = |body| {
            Body::new(RequestBody::new(body, Duration::from_millis(50), Exchange::on(&activity))).into_data_stream()
        };
        let mut stalled = body_of(Body::from_stream(stream::iter([chunk()]).chain(stream::pending())));
        assert_eq!(stalled.next().await.unwrap().unwrap(), "piece");
        assert!(stalled.next().await.unwrap().unwrap_err().to_string().contains("too slowly"));
        let mut unread = body_of(Body::from_stream(stream::iter([chunk(), chunk()])));
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(unread.next().await.unwrap().unwrap(), "piece");
        assert!(unread.next().await.is_none());
    }
}
