//! Who may be connected: how many at once, and how long without asking for anything or taking what was asked for.
//!
//! When there is no more room, whoever keeps a place for nothing makes some for a newcomer: a connection without a request,
//! and a request whose peer does not go on with it. So whoever opens connections and says nothing, or asks and takes
//! nothing, takes them from nobody but themselves. A part of the room is kept for networks that somebody who was let in
//! came from lately, so that a session goes on while strangers fill the rest.

mod activity;
mod body;
mod clients;
mod exchange;
mod service;
mod stream;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::body::Body;
use platform::network::Network;
use tokio::time::Instant;

pub use activity::{Activity, Timeouts};
use body::RequestBody;
pub use clients::Clients;
pub use exchange::Exchange;
pub use service::Acceptor;

/// More connections than this are never wanted at once.
const MAX_CONNECTIONS: usize = 4_096;
/// So many files stay for the database, recordings, and what the server itself asks of others.
const RESERVED_FILES: usize = 192;

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Over all.
    most: usize,
    /// Of one network.
    of_one: usize,
    /// Of `most`, for networks that are known.
    reserve: usize,
}

impl Limits {
    /// For a server that may open so many files, and has this wish.
    pub fn new(files: usize, configured: Option<usize>) -> Self {
        // Whoever is connected in a session has a recording or a database's file beside their connection at most.
        let possible = files.saturating_sub(RESERVED_FILES) * 2 / 3;
        Self::of(configured.unwrap_or(MAX_CONNECTIONS).min(possible).max(16))
    }

    /// So many, of which one network has a quarter, and known ones a quarter for themselves.
    pub fn of(most: usize) -> Self {
        Self { most, of_one: (most / 4).max(8), reserve: most / 4 }
    }

    /// The same for requests, of which one connection has several.
    pub fn for_requests(self) -> Self {
        Self { most: self.most * 2, of_one: self.of_one * 2, reserve: self.reserve * 2 }
    }

    fn capacity_for(self, all: usize, of_one: usize, class: PeerClass) -> Capacity {
        let room = match class {
            PeerClass::Stranger(_) => self.most - self.reserve,
            PeerClass::Known(_) | PeerClass::Proxy(_) => self.most,
        };
        let bounded = !matches!(class, PeerClass::Proxy(_));
        if bounded && of_one >= self.of_one {
            Capacity::EvictOwn
        } else if all >= room {
            Capacity::EvictAny
        } else {
            Capacity::Free
        }
    }
}

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerClass {
    Stranger(Network),
    /// Somebody who was let in came from there lately.
    Known(Network),
    /// Everybody comes through it.
    Proxy(Network),
}

impl PeerClass {
    fn network(self) -> Network {
        match self {
            Self::Stranger(network) | Self::Known(network) | Self::Proxy(network) => network,
        }
    }

    /// A proxy that is trusted.
    pub fn proxy(address: IpAddr) -> Self {
        Self::Proxy(Network::near(address))
    }

    /// From an address that is no proxy.
    pub fn from(address: IpAddr, known: bool) -> Self {
        let network = Network::near(address);
        if known { Self::Known(network) } else { Self::Stranger(network) }
    }
}

/// Whose place a newcomer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Capacity {
    Free,
    /// One of the same network's.
    EvictOwn,
    /// One of the network's that has the most.
    EvictAny,
}

/// All that are there.
pub struct Connections {
    limits: Limits,
    timeouts: Timeouts,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    next: u64,
    all: HashMap<u64, Arc<Activity>>,
    /// Oldest first.
    of: HashMap<Network, BTreeSet<u64>>,
    /// When it was last said that somebody was turned away.
    logged_at: Option<Instant>,
}

impl OpenConnections {
    fn count(&self, network: Network) -> usize {
        self.of.get(&network).map_or(0, BTreeSet::len)
    }

    /// Sends one away that waits: first one that never asked for anything, then the one that waits longest.
    fn make_room(&mut self, network: Network, now: Instant) -> bool {
        let ids = self.of.get(&network).into_iter().flatten();
        let waiting = ids.filter_map(|id| Some((self.all.get(id)?.evictable_since(now)?, *id)));
        let Some((_, id)) = waiting.min() else { return false };
        if let Some(activity) = self.all.get(&id) {
            activity.evict();
        }
        self.remove(network, id);
        true
    }

    fn remove(&mut self, network: Network, id: u64) {
        self.all.remove(&id);
        if let Some(ids) = self.of.get_mut(&network) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of.remove(&network);
            }
        }
    }
}

/// A place among the connections; it is free again when this is dropped.
pub struct Slot {
    of: Arc<Connections>,
    network: Network,
    id: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.open().remove(self.network, self.id);
    }
}

/// What is counted: connections, what is being answered on them, and what takes more than its share of either.
pub struct Admissions {
    pub connections: Arc<Connections>,
    pub requests: Arc<Connections>,
    /// Bodies that are read as a whole and are not short.
    pub long_bodies: Arc<Connections>,
    /// Connections by QUIC, which are no files.
    pub quic: Arc<Connections>,
}

impl Admissions {
    /// Nobody is there yet. `long_bodies` says how many of those are read at once.
    pub fn new(limits: Limits, timeouts: Timeouts, long_bodies: usize) -> Self {
        Self {
            connections: Connections::new(limits, timeouts),
            requests: Connections::new(limits.for_requests(), timeouts),
            long_bodies: Connections::new(Limits::of(long_bodies), timeouts),
            quic: Connections::new(limits, timeouts),
        }
    }
}

impl Connections {
    /// None yet.
    pub fn new(limits: Limits, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self { limits, timeouts, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().expect("nobody panics while holding the connections")
    }

    /// Lets one in, if there is room or can be made.
    pub fn admit(self: &Arc<Self>, class: PeerClass) -> Option<(Arc<Activity>, Slot)> {
        self.admit_at(Instant::now(), class, None)
    }

    /// The same at a time, for what comes by a connection that is sent away with it.
    fn admit_at(
        self: &Arc<Self>,
        now: Instant,
        class: PeerClass,
        parent: Option<Arc<Activity>>,
    ) -> Option<(Arc<Activity>, Slot)> {
        let mut open = self.open();
        let network = class.network();
        let room = match self.limits.capacity_for(open.all.len(), open.count(network), class) {
            Capacity::Free => true,
            Capacity::EvictOwn => open.make_room(network, now),
            Capacity::EvictAny => {
                let mut networks: Vec<(usize, Network)> = open.of.iter().map(|(n, ids)| (ids.len(), *n)).collect();
                networks.sort_unstable_by_key(|(count, _)| std::cmp::Reverse(*count));
                networks.into_iter().any(|(_, network)| open.make_room(network, now))
            }
        };
        if !room {
            if open.logged_at.is_none_or(|logged_at| now.duration_since(logged_at) > Duration::from_secs(60)) {
                open.logged_at = Some(now);
                tracing::warn!(connections = open.all.len(), "a connection was turned away: there are too many");
            }
            return None;
        }
        let (id, activity) = (open.next, Arc::new(Activity::new(self.timeouts, parent)));
        open.next += 1;
        open.all.insert(id, activity.clone());
        open.of.entry(network).or_default().insert(id);
        Some((activity, Slot { of: self.clone(), network, id }))
    }

    /// A body with a place among others of its kind, if there is one or can be made: it ends when another needs that.
    pub fn admit_body(self: &Arc<Self>, class: PeerClass, body: Body) -> Option<Body> {
        let exchange = Exchange::standalone(self.admit(class)?);
        Some(Body::new(RequestBody::new(body, self.timeouts.later, exchange)))
    }

    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.open().all.len()
    }

    /// How many have not asked for anything yet.
    pub fn without_request(&self) -> usize {
        self.open().all.values().filter(|activity| activity.is_new()).count()
    }
}

/// Lets this process open as many files as the system allows it; says how many these are.
pub fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    let now = if raised.is_ok() { most } else { limit.current.unwrap_or(1_024) };
    usize::try_from(now).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: u8) -> Network {
        Network::near(IpAddr::from([192, 0, 2, a]))
    }

    fn twelve() -> Limits {
        Limits { most: 12, of_one: 4, reserve: 4 }
    }

    #[test]
    fn a_place_is_judged_by_who_comes_and_how_many_there_are() {
        let (stranger, known, proxy) = (PeerClass::Stranger(of(1)), PeerClass::Known(of(1)), PeerClass::Proxy(of(1)));
        let table = [
            (0, 0, stranger, Capacity::Free),
            (7, 3, stranger, Capacity::Free),
            (7, 4, stranger, Capacity::EvictOwn),
            (8, 0, stranger, Capacity::EvictAny),
            (8, 3, known, Capacity::Free),
            (8, 4, known, Capacity::EvictOwn),
            (12, 0, known, Capacity::EvictAny),
            (11, 11, proxy, Capacity::Free),
            (12, 12, proxy, Capacity::EvictAny),
        ];
        for (all, of_one, class, room) in table {
            assert_eq!(twelve().capacity_for(all, of_one, class), room, "{all} {of_one} {class:?}");
        }
        for (files, configured, most) in
            [(1_024, None, 554), (1_000_000, None, 4_096), (1_000_000, Some(40), 40), (0, None, 16)]
        {
            assert_eq!(Limits::new(files, configured).most, most, "{files} {configured:?}");
        }
    }

    fn is_over(one: &(Arc<Activity>, Slot)) -> bool {
        one.0.overdue(Instant::now()).is_some()
    }

    #[test]
    fn whoever_waits_makes_room_and_whoever_is_busy_stays() {
        let timeouts = Timeouts::of(Duration::from_secs(15));
        let all = Connections::new(twelve(), timeouts);
        let stranger = |a| PeerClass::Stranger(of(a));
        let mut idle: Vec<_> = (0..4).map(|_| all.admit(stranger(1)).unwrap()).collect();
        // The fifth takes the place of the first, which is told so.
        idle.push(all.admit(stranger(1)).unwrap());
        let gone: Vec<bool> = idle.iter().map(is_over).collect();
        assert_eq!(gone, [true, false, false, false, false]);
        // Others are busy: they keep their places, and whoever waits loses theirs.
        let busy: Vec<_> = (0..4).map(|_| all.admit(stranger(2)).unwrap()).collect();
        let requests: Vec<_> = busy.iter().map(|(activity, _)| activity.begin_request()).collect();
        let newcomer = all.admit(stranger(3)).unwrap();
        assert!(is_over(&idle[1]));
        assert!(!busy.iter().any(is_over));
        let newcomer_turn = newcomer.0.begin_request();
        assert!(all.admit(stranger(2)).is_none(), "all of its own are busy");
        // Everybody is busy: strangers find no room, whoever is known does.
        let rest: Vec<_> = idle[2..].iter().map(|(activity, _)| activity.begin_request()).collect();
        assert!(all.admit(stranger(4)).is_none());
        let known = all.admit(PeerClass::Known(of(4)));
        assert!(known.is_some());
        drop((requests, newcomer_turn, rest));
        drop((idle, busy, newcomer, known));
        assert_eq!((all.count(), all.open().of.len()), (0, 0));
    }

    /// Requests that are not taken keep newcomers out for a moment only, and take along the connection that they came by.
    #[test]
    fn what_is_asked_for_and_not_taken_makes_room() {
        let (now, timeouts) = (Instant::now(), Timeouts::of(Duration::from_secs(16)));
        let (connections, requests) = (Connections::new(twelve(), timeouts), Connections::new(twelve(), timeouts));
        let lines: Vec<_> = (0..2).map(|n| connections.admit(PeerClass::Stranger(of(n))).unwrap()).collect();
        let stalled_since: Vec<_> = (0..8)
            .map(|n: u8| {
                let line = &lines[usize::from(n % 2)].0;
                let slot = requests.admit_at(now, PeerClass::Stranger(of(n % 2)), Some(line.clone()));
                Exchange::nested(line, slot.unwrap())
            })
            .collect();
        stalled_since.iter().for_each(|exchange| exchange.wait_for_peer());
        let newcomer = |at| requests.admit_at(at, PeerClass::Stranger(of(3)), None);
        assert!(newcomer(now).is_none(), "they have just begun");
        assert!(newcomer(now + timeouts.tick() * 2).is_some());
        assert_eq!(lines.iter().filter(|line| is_over(line)).count(), 1);
    }
}
