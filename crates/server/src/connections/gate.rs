//! What a connection or a request is doing, and when that has lasted too long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::time::Instant;

/// Whoever sends or takes more slowly than this while there is no room for others makes room.
const KEEPS_ITS_PLACE: f64 = 4_096.0;

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

    /// How often it is looked whether a time is over; whoever lags no longer than this keeps their place.
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
    /// The peer has to send a piece of its body, or to take one of the answer.
    Peer {
        since: Instant,
    },
}

/// How a request goes on: what its peer does counts, not what it asks for.
#[derive(Clone, Copy, Debug)]
struct Pace {
    turn: Turn,
    /// How long the peer has been waited for before this turn, less the time that their bytes were worth.
    lag: Duration,
}

impl Pace {
    const NEW: Self = Self { turn: Turn::Server, lag: Duration::ZERO };

    fn waits(&mut self, now: Instant) {
        if self.turn == Turn::Server {
            self.turn = Turn::Peer { since: now };
        }
    }

    fn moved(&mut self, now: Instant, bytes: usize) {
        if let Turn::Peer { since } = self.turn {
            self.lag += now.saturating_duration_since(since);
        }
        self.lag = self.lag.saturating_sub(Duration::from_secs_f64(bytes as f64 / KEEPS_ITS_PLACE));
        self.turn = Turn::Server;
    }

    /// Since when it is the peer's turn.
    fn stands_since(&self) -> Option<Instant> {
        match self.turn {
            Turn::Server => None,
            Turn::Peer { since } => Some(since),
        }
    }

    /// The same, as if the peer had always gone at the pace that keeps a place.
    fn lags_since(&self) -> Option<Instant> {
        self.stands_since().map(|since| since.checked_sub(self.lag).unwrap_or(since))
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// It has asked for something.
    Known,
    SentAway,
}

/// A connection or a request, as everything that belongs to it tells what it does.
pub struct Gate {
    times: Times,
    /// What ends with it: the connection that a request came by.
    carrier: Option<Arc<Gate>>,
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    stage: Stage,
    /// When it came, or when its last request ended.
    since: Instant,
    next: u64,
    requests: BTreeMap<u64, Pace>,
}

impl State {
    /// Since when each request is waiting for the peer; `None` while the server is to act in any, or there is none.
    fn waiting(&self, since: impl Fn(&Pace) -> Option<Instant>) -> Option<Vec<Instant>> {
        self.requests.values().map(since).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    }
}

impl Gate {
    pub(super) fn new(times: Times, carrier: Option<Arc<Gate>>) -> Self {
        let state = State { stage: Stage::New, since: Instant::now(), next: 0, requests: BTreeMap::new() };
        Self { times, carrier, state: Mutex::new(state), waker: AtomicWaker::new() }
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
        let idle = |since| now.saturating_duration_since(since);
        match (state.stage, state.requests.is_empty()) {
            (Stage::SentAway, _) => Some(Overdue::SentAway),
            (Stage::New, true) => (idle(state.since) >= self.times.first).then_some(Overdue::NoRequest),
            (Stage::Known, true) => (idle(state.since) >= self.times.later).then_some(Overdue::NoRequest),
            (Stage::New | Stage::Known, false) => {
                let last = state.waiting(Pace::stands_since)?.into_iter().fold(state.since, Instant::max);
                (idle(last) >= self.times.later).then_some(Overdue::NotTaken)
            }
        }
    }

    /// Since when it keeps a place for nothing: it has no request, or its peer does not go on with any. Whoever never
    /// asked for anything comes first. Of several requests the one counts that lags most: others do not renew it.
    pub(super) fn waits_since(&self, now: Instant) -> Option<(bool, Instant)> {
        let state = self.state();
        match (state.stage, state.requests.is_empty()) {
            (Stage::SentAway, _) => None,
            (Stage::New, true) => Some((false, state.since)),
            (Stage::Known, true) => Some((true, state.since)),
            (Stage::New | Stage::Known, false) => {
                let first = state.waiting(Pace::lags_since)?.into_iter().min()?;
                (now.saturating_duration_since(first) >= self.times.tick()).then_some((true, first))
            }
        }
    }

    /// Whether nothing was asked for yet.
    pub(super) fn is_new(&self) -> bool {
        self.state().stage == Stage::New
    }

    /// Ends it: others need its place.
    pub(super) fn send_away(&self) {
        self.state().stage = Stage::SentAway;
        self.waker.wake();
        if let Some(carrier) = &self.carrier {
            carrier.send_away();
        }
    }

    /// Whom to wake when it is sent away.
    pub(super) fn wake(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Whether others needed its place; else this is woken when they do.
    fn is_sent_away(&self, waker: &Waker) -> bool {
        self.wake(waker);
        self.state().stage == Stage::SentAway
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

    /// A request came.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.requests.insert(id, Pace::NEW);
        if state.stage == Stage::New {
            state.stage = Stage::Known;
        }
        Request { gate: self.clone(), id }
    }
}

/// A request, from its head until its answer is given whole, or given up.
pub(super) struct Request {
    gate: Arc<Gate>,
    id: u64,
}

impl Request {
    /// The peer has to send or take something.
    pub(super) fn waits(&self, now: Instant) {
        let mut state = self.gate.state();
        if let Some(pace) = state.requests.get_mut(&self.id) {
            pace.waits(now);
        }
    }

    /// The peer has sent or taken so much.
    pub(super) fn moved(&self, now: Instant, bytes: usize) {
        let mut state = self.gate.state();
        if let Some(pace) = state.requests.get_mut(&self.id) {
            pace.moved(now, bytes);
        }
    }

    pub(super) fn is_sent_away(&self, waker: &Waker) -> bool {
        self.gate.is_sent_away(waker)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.requests.remove(&self.id);
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { first: Duration::from_secs(16), later: Duration::from_secs(60) };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn each_stage_has_its_time() {
        let gate = Arc::new(Gate::new(TIMES, None));
        let after = |n| gate.overdue(Instant::now() + seconds(n));
        assert_eq!([after(15), after(16)], [None, Some(Overdue::NoRequest)]);
        let request = gate.begin();
        assert_eq!(after(100_000), None, "the server takes its time");
        request.waits(Instant::now());
        assert_eq!([after(59), after(60)], [None, Some(Overdue::NotTaken)]);
        let other = gate.begin();
        assert_eq!(after(100_000), None, "the server's turn in another request");
        drop(other);
        request.moved(Instant::now(), 1);
        assert_eq!(after(100_000), None);
        request.waits(Instant::now());
        drop(request);
        assert_eq!([after(59), after(60)], [None, Some(Overdue::NoRequest)]);
        gate.send_away();
        assert_eq!(after(0), Some(Overdue::SentAway));
    }

    #[test]
    fn what_is_asked_for_renews_nothing_that_is_not_taken() {
        let gate = Arc::new(Gate::new(TIMES, None));
        let begun = Instant::now();
        let stuck = gate.begin();
        stuck.waits(begun);
        // Another request, which is answered and taken, and many that are not.
        drop(gate.begin());
        let more: Vec<Request> = (0..59).map(|_| gate.begin()).collect();
        more.iter().for_each(|request| request.waits(begun + seconds(50)));
        assert_eq!(gate.waits_since(begun + seconds(50)), Some((true, begun)), "it makes room as if it had asked once");
        let after = |n| gate.overdue(begun + seconds(n));
        assert_eq!([after(109), after(110)], [None, Some(Overdue::NotTaken)]);
    }

    #[test]
    fn a_peer_that_goes_on_keeps_its_place_and_one_that_trickles_does_not() {
        let begun = Instant::now();
        // Every second so many bytes, for a while; then whether it makes room for others.
        for (bytes, makes_room) in [(1, true), (2_000, true), (4_096, false), (1_000_000, false)] {
            let gate = Arc::new(Gate::new(TIMES, None));
            let request = gate.begin();
            for n in 0..10 {
                request.waits(begun + seconds(n));
                request.moved(begun + seconds(n + 1), bytes);
            }
            request.waits(begun + seconds(10));
            let waits = |n| gate.waits_since(begun + seconds(n)).is_some();
            assert_eq!(waits(10), makes_room, "{bytes} bytes a second");
            assert!(waits(12), "{bytes} bytes a second, and then none");
            request.moved(begun + seconds(12), 0);
            assert!(!waits(100), "the server's turn");
        }
    }
}
