//! A request and its answer, wherever they count.

use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use tokio::time::Instant;

use super::{Gate, Place, gate::Request};

/// A request and its answer, in the connection that they came by and among all others. Everything that carries them says
/// whose turn it is.
pub struct Exchange {
    /// The last is the one that it is sent away by, when others need its place.
    turns: Vec<Request>,
    _place: Option<Place>,
}

impl Exchange {
    /// One that has no place but that of its connection.
    pub fn on(connection: &Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { turns: vec![connection.begin()], _place: None })
    }

    /// One on a connection that has a place of its own, too.
    pub(super) fn among(connection: &Arc<Gate>, (gate, place): (Arc<Gate>, Place)) -> Arc<Self> {
        Arc::new(Self { turns: vec![connection.begin(), gate.begin()], _place: Some(place) })
    }

    /// A part of one that has a place of its own.
    pub(super) fn part((gate, place): (Arc<Gate>, Place)) -> Arc<Self> {
        Arc::new(Self { turns: vec![gate.begin()], _place: Some(place) })
    }

    /// The peer has to send or take something.
    pub fn waits(&self) {
        let now = Instant::now();
        self.turns.iter().for_each(|turn| turn.waits(now));
    }

    /// The peer has sent or taken so much: it is the server's turn.
    pub fn moved(&self, bytes: usize) {
        let now = Instant::now();
        self.turns.iter().for_each(|turn| turn.moved(now, bytes));
    }

    /// Whether others needed its place; else this is woken when they do.
    pub(super) fn is_sent_away(&self, waker: &Waker) -> bool {
        self.turns.last().is_some_and(|turn| turn.is_sent_away(waker))
    }

    /// Returns when others need its place.
    pub async fn sent_away(&self) {
        std::future::poll_fn(|context| match self.is_sent_away(context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}
