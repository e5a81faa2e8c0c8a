//! What a connection is doing, and when that has lasted too long.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::time::Instant;

use super::Place;

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until its first request is read whole, with everything before it (TLS).
    pub first: Duration,
    /// From one request to the next; until somebody takes a piece of what they asked for; until a piece of a body comes.
    pub later: Duration,
}

impl Times {
    /// By the time for the first request.
    pub fn of(first: Duration) -> Self {
        Self { first, later: first * 4 }
    }

    /// How often it is looked whether a time is over.
    pub fn tick(&self) -> Duration {
        (self.first / 8).clamp(Duration::from_millis(50), Duration::from_secs(2))
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    #[error("no request came")]
    NoRequest,
    #[error("what was asked for is not taken")]
    NotTaken,
    #[error("others needed its place")]
    SentAway,
}

/// Whose turn it is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Server,
    Peer,
}

/// A connection, as everything that belongs to it tells what it does.
pub struct Gate {
    times: Times,
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    /// When it last did anything.
    since: Instant,
    /// Requests that are being answered, and of these the ones whose answer waits for the peer to take it.
    requests: usize,
    for_the_peer: usize,
    stage: Stage,
    /// What whoever asked for the upgrade is counted as.
    upgrade: Option<Counted>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// It has asked for something.
    Known,
    /// It carries no requests any more: whoever took it over has rules of their own.
    Upgraded,
    SentAway,
}

impl Gate {
    pub(super) fn new(times: Times) -> Self {
        let state = State { since: Instant::now(), requests: 0, for_the_peer: 0, stage: Stage::New, upgrade: None };
        Self { times, state: Mutex::new(state), waker: AtomicWaker::new() }
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding what a connection does")
    }

    /// Why this connection must end, if it must.
    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        let state = self.state();
        let idle = now.saturating_duration_since(state.since);
        let waits = state.requests == 0;
        match state.stage {
            Stage::SentAway => Some(Overdue::SentAway),
            Stage::Upgraded => None,
            Stage::New if waits => (idle >= self.times.first).then_some(Overdue::NoRequest),
            Stage::Known if waits => (idle >= self.times.later).then_some(Overdue::NoRequest),
            Stage::New | Stage::Known => {
                let all_wait = state.for_the_peer == state.requests;
                (all_wait && idle >= self.times.later).then_some(Overdue::NotTaken)
            }
        }
    }

    /// Since when it has no request; whoever never had one comes first.
    pub(super) fn waits_since(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        match state.stage {
            Stage::New if state.requests == 0 => Some((false, state.since)),
            Stage::Known if state.requests == 0 => Some((true, state.since)),
            Stage::New | Stage::Known | Stage::Upgraded | Stage::SentAway => None,
        }
    }

    /// Ends it: others need its place.
    pub(super) fn send_away(&self) {
        self.state().stage = Stage::SentAway;
        self.waker.wake();
    }

    /// Whom to wake when it is sent away.
    pub(super) fn wake(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Returns when it must end.
    pub async fn ended(&self) {
        let mut ticks = tokio::time::interval(self.times.tick());
        std::future::poll_fn(|context| {
            self.wake(context.waker());
            while ticks.poll_tick(context).is_ready() {}
            match self.overdue(Instant::now()) {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// From now on it carries no requests, and counts as this one as long as it is there.
    pub(super) fn upgraded(&self, as_what: Counted) {
        let mut state = self.state();
        state.upgrade = Some(as_what);
        if state.stage != Stage::SentAway {
            state.stage = Stage::Upgraded;
        }
    }

    /// A request came.
    pub fn begin(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        state.requests += 1;
        state.since = Instant::now();
        if state.stage == Stage::New {
            state.stage = Stage::Known;
        }
        Request { gate: self.clone(), turn: Turn::Server }
    }
}

/// A request among all requests, and its place there.
pub(super) struct Counted {
    pub(super) _busy: Request,
    pub(super) _place: Place,
}

/// A request, from its head until its answer is given whole, or given up.
pub struct Request {
    gate: Arc<Gate>,
    turn: Turn,
}

impl Request {
    /// The peer has to take a piece of the answer.
    pub(super) fn given(&mut self) {
        self.set(Turn::Peer);
    }

    /// The peer has taken what was given.
    pub(super) fn taken(&mut self) {
        self.set(Turn::Server);
    }

    fn set(&mut self, turn: Turn) {
        let mut state = self.gate.state();
        state.since = Instant::now();
        match (self.turn, turn) {
            (Turn::Server, Turn::Peer) => state.for_the_peer += 1,
            (Turn::Peer, Turn::Server) => state.for_the_peer -= 1,
            (Turn::Server, Turn::Server) | (Turn::Peer, Turn::Peer) => {}
        }
        drop(state);
        self.turn = turn;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.set(Turn::Server);
        self.gate.state().requests -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { first: Duration::from_secs(15), later: Duration::from_secs(60) };

    #[test]
    fn each_stage_has_its_time() {
        let gate = Arc::new(Gate::new(TIMES));
        let after = |seconds| gate.overdue(Instant::now() + Duration::from_secs(seconds));
        assert_eq!([after(14), after(15)], [None, Some(Overdue::NoRequest)]);
        let mut request = gate.begin();
        assert_eq!(after(100_000), None, "the server takes its time");
        request.given();
        assert_eq!([after(59), after(60)], [None, Some(Overdue::NotTaken)]);
        let other = gate.begin();
        assert_eq!(after(100_000), None, "the server's turn in another request");
        drop(other);
        request.taken();
        assert_eq!(after(100_000), None);
        request.given();
        drop(request);
        assert_eq!([after(59), after(60)], [None, Some(Overdue::NoRequest)]);
        let others = super::super::Connections::new(super::super::Limits::new(1_024, None), TIMES);
        let (busy, place) = others.admit(super::super::Visitor::from([192, 0, 2, 1].into(), false)).unwrap();
        gate.upgraded(Counted { _busy: busy.begin(), _place: place });
        assert_eq!(after(100_000), None);
        assert_eq!(others.count(), 1);
        gate.send_away();
        assert_eq!(after(0), Some(Overdue::SentAway));
        drop(gate);
        assert_eq!(others.count(), 0, "an upgraded connection counts until it ends");
    }
}
