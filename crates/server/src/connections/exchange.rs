//! A request and its answer, wherever they count.

use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use tokio::time::Instant;

use super::{Activity, Slot, activity::Request};

/// A request and its answer, in the connection that they came by and among all others. Everything that carries them says
/// whose turn it is.
pub struct Exchange {
    /// The last is the one that it is sent away by, when others need its place.
    requests: Vec<Request>,
    _slot: Option<Slot>,
}

impl Exchange {
    /// One that has no place but that of its connection.
    pub fn on(connection: &Arc<Activity>) -> Arc<Self> {
        Arc::new(Self { requests: vec![connection.begin_request()], _slot: None })
    }

    /// One on a connection that has a place of its own, too.
    pub(super) fn nested(connection: &Arc<Activity>, (activity, slot): (Arc<Activity>, Slot)) -> Arc<Self> {
        Arc::new(Self { requests: vec![connection.begin_request(), activity.begin_request()], _slot: Some(slot) })
    }

    /// A part of one that has a place of its own.
    pub(super) fn standalone((activity, slot): (Arc<Activity>, Slot)) -> Arc<Self> {
        Arc::new(Self { requests: vec![activity.begin_request()], _slot: Some(slot) })
    }

    /// The peer has to send or take something.
    pub fn wait_for_peer(&self) {
        let now = Instant::now();
        self.requests.iter().for_each(|turn| turn.wait_for_peer(now));
    }

    /// The peer has sent or taken so much: it is the server's turn.
    pub fn progress(&self, bytes: usize) {
        let now = Instant::now();
        self.requests.iter().for_each(|turn| turn.progress(now, bytes));
    }

    /// Whether others needed its place; else this is woken when they do.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        self.requests.last().is_some_and(|turn| turn.is_evicted(waker))
    }

    /// Returns when others need its place.
    pub async fn evicted(&self) {
        std::future::poll_fn(|context| match self.is_evicted(context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}
