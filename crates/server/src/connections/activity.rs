//! What a connection or request is doing, and when it has lasted too long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::time::Instant;

/// A peer that is slower than this may be evicted when there are too many.
const MIN_BYTES_PER_SECOND: f64 = 4_096.0;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the first request has been read, including the TLS handshake.
    pub first: Duration,
    /// Between requests, and until the peer takes a chunk of a response or sends one of a body.
    pub later: Duration,
}

impl Timeouts {
    /// Derives both limits from the one for the first request.
    pub fn of(first: Duration) -> Self {
        Self { first, later: first * 4 }
    }

    /// How often the limits are checked. A peer that lags no longer than this is not evicted.
    pub fn tick(&self) -> Duration {
        (self.first / 8).clamp(Duration::from_millis(50), Duration::from_secs(2))
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    #[error("no request arrived in time")]
    NoRequest,
    #[error("the peer stalls")]
    Stalled,
    #[error("evicted for another connection")]
    Evicted,
}

/// Whose turn it is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Server,
    /// The server waits for the peer to send a chunk of its body or to take one of the response.
    Peer {
        since: Instant,
    },
}

/// The progress of a request. What counts is what the peer does, not what it asks for.
#[derive(Clone, Copy, Debug)]
struct Progress {
    turn: Turn,
    /// How long the server has waited for the peer before this turn, less the time that the bytes were worth.
    lag: Duration,
}

impl Progress {
    const NEW: Self = Self { turn: Turn::Server, lag: Duration::ZERO };

    fn mark_waiting(&mut self, now: Instant) {
        if self.turn == Turn::Server {
            self.turn = Turn::Peer { since: now };
        }
    }

    fn mark_progress(&mut self, now: Instant, bytes: usize) {
        if let Turn::Peer { since } = self.turn {
            self.lag += now.saturating_duration_since(since);
        }
        self.lag = self.lag.saturating_sub(Duration::from_secs_f64(bytes as f64 / MIN_BYTES_PER_SECOND));
        self.turn = Turn::Server;
    }

    /// Since when the server waits for the peer.
    fn waiting_since(&self) -> Option<Instant> {
        match self.turn {
            Turn::Server => None,
            Turn::Peer { since } => Some(since),
        }
    }

    /// The same, shifted by the lag behind the minimum speed.
    fn lagging_since(&self) -> Option<Instant> {
        self.waiting_since().map(|since| since.checked_sub(self.lag).unwrap_or(since))
    }
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// It has sent a request.
    Active,
    Evicted,
}

/// The activity of a connection or of a request, as its parts report it.
pub struct Activity {
    timeouts: Timeouts,
    /// The connection of a request, which is evicted with it.
    parent: Option<Arc<Activity>>,
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    stage: Stage,
    /// When it began, or when its last request ended.
    since: Instant,
    next: u64,
    requests: BTreeMap<u64, Progress>,
}

impl State {
    /// Since when each request waits for the peer; `None` while it is the server's turn in any of them, or when there
    /// is none.
    fn waiting(&self, since: impl Fn(&Progress) -> Option<Instant>) -> Option<Vec<Instant>> {
        self.requests.values().map(since).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    }
}

impl Activity {
    pub(super) fn new(timeouts: Timeouts, parent: Option<Arc<Activity>>) -> Self {
        let state = State { stage: Stage::New, since: Instant::now(), next: 0, requests: BTreeMap::new() };
        Self { timeouts, parent, state: Mutex::new(state), waker: AtomicWaker::new() }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the lock of a connection's activity is not poisoned")
    }

    /// Why the connection must end, if it must.
    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        let state = self.state();
        let idle = |since| now.saturating_duration_since(since);
        match (state.stage, state.requests.is_empty()) {
            (Stage::Evicted, _) => Some(Overdue::Evicted),
            (Stage::New, true) => (idle(state.since) >= self.timeouts.first).then_some(Overdue::NoRequest),
            (Stage::Active, true) => (idle(state.since) >= self.timeouts.later).then_some(Overdue::NoRequest),
            (Stage::New | Stage::Active, false) => {
                let last = state.waiting(Progress::waiting_since)?.into_iter().fold(state.since, Instant::max);
                (idle(last) >= self.timeouts.later).then_some(Overdue::Stalled)
            }
        }
    }

    /// Since when it could be evicted: it has no request, or its peer stalls in each. Connections without any request
    /// so far sort first. Of several requests the one that lags most counts, so that others do not renew it.
    pub(super) fn evictable_since(&self, now: Instant) -> Option<(bool, Instant)> {
        let state = self.state();
        match (state.stage, state.requests.is_empty()) {
            (Stage::Evicted, _) => None,
            (Stage::New, true) => Some((false, state.since)),
            (Stage::Active, true) => Some((true, state.since)),
            (Stage::New | Stage::Active, false) => {
                let first = state.waiting(Progress::lagging_since)?.into_iter().min()?;
                (now.saturating_duration_since(first) >= self.timeouts.tick()).then_some((true, first))
            }
        }
    }

    /// Whether it has not sent a request yet.
    pub(super) fn is_new(&self) -> bool {
        self.state().stage == Stage::New
    }

    /// Evicts it in favour of another, together with its connection.
    pub(super) fn evict(&self) {
        self.state().stage = Stage::Evicted;
        self.waker.wake();
        if let Some(parent) = &self.parent {
            parent.evict();
        }
    }

    /// Registers the waker for its eviction.
    pub(super) fn wake(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Whether it was evicted. If not, the waker is woken when it is.
    fn is_evicted(&self, waker: &Waker) -> bool {
        self.wake(waker);
        self.state().stage == Stage::Evicted
    }

    /// Returns when it must end.
    pub async fn ended(&self) {
        let mut ticks = tokio::time::interval(self.timeouts.tick());
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

    /// Begins a request.
    pub(super) fn begin_request(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.requests.insert(id, Progress::NEW);
        if state.stage == Stage::New {
            state.stage = Stage::Active;
        }
        Request { activity: self.clone(), id }
    }
}

/// A request, from its headers until its response has been taken or given up.
pub(super) struct Request {
    activity: Arc<Activity>,
    id: u64,
}

impl Request {
    /// The server waits for the peer to send or take something.
    pub(super) fn mark_waiting(&self, now: Instant) {
        let mut state = self.activity.state();
        if let Some(progress) = state.requests.get_mut(&self.id) {
            progress.mark_waiting(now);
        }
    }

    /// The peer has sent or taken this many bytes.
    pub(super) fn mark_progress(&self, now: Instant, bytes: usize) {
        let mut state = self.activity.state();
        if let Some(progress) = state.requests.get_mut(&self.id) {
            progress.mark_progress(now, bytes);
        }
    }

    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        self.activity.is_evicted(waker)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests.remove(&self.id);
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Timeouts = Timeouts { first: Duration::from_secs(16), later: Duration::from_secs(60) };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn each_stage_has_a_time_limit() {
        let activity = Arc::new(Activity::new(TIMES, None));
        let after = |n| activity.overdue(Instant::now() + seconds(n));
        assert_eq!([after(15), after(16)], [None, Some(Overdue::NoRequest)]);
        let request = activity.begin_request();
        assert_eq!(after(100_000), None, "the server takes its time");
        request.mark_waiting(Instant::now());
        assert_eq!([after(59), after(60)], [None, Some(Overdue::Stalled)]);
        let other = activity.begin_request();
        assert_eq!(after(100_000), None, "the server's turn in another request");
        drop(other);
        request.mark_progress(Instant::now(), 1);
        assert_eq!(after(100_000), None);
        request.mark_waiting(Instant::now());
        drop(request);
        assert_eq!([after(59), after(60)], [None, Some(Overdue::NoRequest)]);
        activity.evict();
        assert_eq!(after(0), Some(Overdue::Evicted));
    }

    #[test]
    fn further_requests_do_not_renew_one_that_stalls() {
        let activity = Arc::new(Activity::new(TIMES, None));
        let begun = Instant::now();
        let stalled = activity.begin_request();
        stalled.mark_waiting(begun);
        // Another request, whose response is taken, and many whose responses are not.
        drop(activity.begin_request());
        let more: Vec<Request> = (0..59).map(|_| activity.begin_request()).collect();
        more.iter().for_each(|request| request.mark_waiting(begun + seconds(50)));
        assert_eq!(
            activity.evictable_since(begun + seconds(50)),
            Some((true, begun)),
            "it can be evicted as if it had sent one request"
        );
        let after = |n| activity.overdue(begun + seconds(n));
        assert_eq!([after(109), after(110)], [None, Some(Overdue::Stalled)]);
    }

    #[test]
    fn a_steady_peer_keeps_its_slot_and_a_trickling_one_does_not() {
        let begun = Instant::now();
        // A number of bytes every second for a while, and whether the request can then be evicted.
        for (bytes, evictable) in [(1, true), (2_000, true), (4_096, false), (1_000_000, false)] {
            let activity = Arc::new(Activity::new(TIMES, None));
            let request = activity.begin_request();
            for n in 0..10 {
                request.mark_waiting(begun + seconds(n));
                request.mark_progress(begun + seconds(n + 1), bytes);
            }
            request.mark_waiting(begun + seconds(10));
            let is_evictable = |n| activity.evictable_since(begun + seconds(n)).is_some();
            assert_eq!(is_evictable(10), evictable, "{bytes} bytes a second");
            assert!(is_evictable(12), "{bytes} bytes a second, and then none");
            request.mark_progress(begun + seconds(12), 0);
            assert!(!is_evictable(100), "the server's turn");
        }
    }
}
