//! A request with its response, in every limit that counts it.

use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use tokio::time::Instant;

use super::{Activity, Slot, activity::Request};

/// A request with its response, counted in its connection and among all requests. Whatever reads or writes them reports
/// whose turn it is.
pub struct Exchange {
    /// The last one decides whether it is evicted.
    requests: Vec<Request>,
    _slot: Option<Slot>,
}

impl Exchange {
    /// One without a slot of its own: it uses its connection's.
    pub fn on(connection: &Arc<Activity>) -> Arc<Self> {
        Arc::new(Self { requests: vec![connection.begin_request()], _slot: None })
    }

    /// One on a connection, with a slot of its own as well.
    pub(super) fn nested(connection: &Arc<Activity>, (activity, slot): (Arc<Activity>, Slot)) -> Arc<Self> {
        Arc::new(Self { requests: vec![connection.begin_request(), activity.begin_request()], _slot: Some(slot) })
    }

    /// A part of an exchange with a slot of its own, such as a long body.
    pub(super) fn standalone((activity, slot): (Arc<Activity>, Slot)) -> Arc<Self> {
        Arc::new(Self { requests: vec![activity.begin_request()], _slot: Some(slot) })
    }

    /// The server waits for the peer to send or take something.
    pub fn mark_waiting(&self) {
        let now = Instant::now();
        self.requests.iter().for_each(|request| request.mark_waiting(now));
    }

    /// The peer has sent or taken this many bytes: it is the server's turn.
    pub fn mark_progress(&self, bytes: usize) {
        let now = Instant::now();
        self.requests.iter().for_each(|request| request.mark_progress(now, bytes));
    }

    /// Whether it was evicted. If not, the waker is woken when it is.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        self.requests.last().is_some_and(|request| request.is_evicted(waker))
    }

    /// Returns when it is evicted.
    pub async fn evicted(&self) {
        std::future::poll_fn(|context| match self.is_evicted(context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}
