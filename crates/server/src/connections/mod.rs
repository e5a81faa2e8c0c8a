//! How many connections and requests there may be at once, and how long each may stall.
//!
//! When there are too many, a newcomer evicts one that makes no progress: a connection without a request, or a request
//! whose peer stalls. So a client that opens connections and sends nothing, or asks and takes nothing, displaces only
//! itself. Part of the capacity is reserved for networks from which somebody was recently admitted, so that sessions
//! continue while strangers use up the rest.

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

/// The most connections at once, whatever the system allows.
const MAX_CONNECTIONS: usize = 4_096;
/// Open files that are reserved for the database, recordings and outgoing requests.
const RESERVED_FILES: usize = 192;

/// How many connections or requests there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In total.
    most: usize,
    /// From one network.
    of_one: usize,
    /// The part of `most` that is reserved for known networks.
    reserve: usize,
}

impl Limits {
    /// For a process that may open this many files, and the configured maximum.
    pub fn new(files: usize, configured: Option<usize>) -> Self {
        // Each connection in a session needs at most one more file, for its recording or the database.
        let possible = files.saturating_sub(RESERVED_FILES) * 2 / 3;
        Self::of(configured.unwrap_or(MAX_CONNECTIONS).min(possible).max(16))
    }

    /// This many in total; one network may use a quarter, and a quarter is reserved for known networks.
    pub fn of(most: usize) -> Self {
        Self { most, of_one: (most / 4).max(8), reserve: most / 4 }
    }

    /// The limits for requests, of which a connection may have several.
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

/// The class of a peer, with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerClass {
    Stranger(Network),
    /// Somebody was recently admitted from this network.
    Known(Network),
    /// A trusted proxy, which many clients use.
    Proxy(Network),
}

impl PeerClass {
    fn network(self) -> Network {
        match self {
            Self::Stranger(network) | Self::Known(network) | Self::Proxy(network) => network,
        }
    }

    /// The class of a trusted proxy.
    pub fn proxy(address: IpAddr) -> Self {
        Self::Proxy(Network::near(address))
    }

    /// The class of an address that is not a proxy's.
    pub fn from(address: IpAddr, known: bool) -> Self {
        let network = Network::near(address);
        if known { Self::Known(network) } else { Self::Stranger(network) }
    }
}

/// Whether there is room for a newcomer, and whom it may evict otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Capacity {
    Free,
    /// It may evict one from its own network.
    EvictOwn,
    /// It may evict one from the network with the most.
    EvictAny,
}

/// Everything of one kind that is counted: connections, requests or long bodies.
pub struct Connections {
    limits: Limits,
    timeouts: Timeouts,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    next: u64,
    all: HashMap<u64, Arc<Activity>>,
    /// The oldest first.
    of: HashMap<Network, BTreeSet<u64>>,
    /// When a refusal was last logged.
    logged_at: Option<Instant>,
}

impl OpenConnections {
    fn count(&self, network: Network) -> usize {
        self.of.get(&network).map_or(0, BTreeSet::len)
    }

    /// Evicts one that makes no progress: first one that never sent a request, then the one that has waited longest.
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

/// A slot among the connections, which is freed when this is dropped.
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

/// Everything that is counted: connections, their requests, and what needs more than its share of either.
pub struct Admissions {
    pub connections: Arc<Connections>,
    pub requests: Arc<Connections>,
    /// Long bodies that are read as a whole.
    pub long_bodies: Arc<Connections>,
    /// QUIC connections, which need no open file.
    pub quic: Arc<Connections>,
}

impl Admissions {
    /// Starts empty. `long_bodies` is how many of those are read at once.
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
    /// Starts empty.
    pub fn new(limits: Limits, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self { limits, timeouts, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().expect("the connections' lock is not poisoned")
    }

    /// Admits one, if there is room or another can be evicted.
    pub fn admit(self: &Arc<Self>, class: PeerClass) -> Option<(Arc<Activity>, Slot)> {
        self.admit_at(Instant::now(), class, None)
    }

    /// The same at a given time, for a request whose connection `parent` is evicted with it.
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
                tracing::warn!(connections = open.all.len(), "connection refused: too many");
            }
            return None;
        }
        let (id, activity) = (open.next, Arc::new(Activity::new(self.timeouts, parent)));
        open.next += 1;
        open.all.insert(id, activity.clone());
        open.of.entry(network).or_default().insert(id);
        Some((activity, Slot { of: self.clone(), network, id }))
    }

    /// A body with a slot among others of its kind, if there is room; it ends when it is evicted.
    pub fn admit_body(self: &Arc<Self>, class: PeerClass, body: Body) -> Option<Body> {
        let exchange = Exchange::standalone(self.admit(class)?);
        Some(Body::new(RequestBody::new(body, self.timeouts.later, exchange)))
    }

    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.open().all.len()
    }

    /// How many have not sent a request yet.
    pub fn without_request(&self) -> usize {
        self.open().all.values().filter(|activity| activity.is_new()).count()
    }
}

/// Raises the limit of open files as far as the system allows; returns the limit.
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
    fn capacity_depends_on_the_class_and_on_how_many_there_are() {
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
    fn idle_connections_are_evicted_and_busy_ones_stay() {
        let timeouts = Timeouts::of(Duration::from_secs(15));
        let all = Connections::new(twelve(), timeouts);
        let stranger = |a| PeerClass::Stranger(of(a));
        let mut idle: Vec<_> = (0..4).map(|_| all.admit(stranger(1)).unwrap()).collect();
        // The fifth evicts the first.
        idle.push(all.admit(stranger(1)).unwrap());
        let gone: Vec<bool> = idle.iter().map(is_over).collect();
        assert_eq!(gone, [true, false, false, false, false]);
        // Busy ones keep their slots, and idle ones are evicted.
        let busy: Vec<_> = (0..4).map(|_| all.admit(stranger(2)).unwrap()).collect();
        let requests: Vec<_> = busy.iter().map(|(activity, _)| activity.begin_request()).collect();
        let newcomer = all.admit(stranger(3)).unwrap();
        assert!(is_over(&idle[1]));
        assert!(!busy.iter().any(is_over));
        let newcomer_turn = newcomer.0.begin_request();
        assert!(all.admit(stranger(2)).is_none(), "all of its own are busy");
        // All are busy: there is no room for strangers, but there is for known networks.
        let rest: Vec<_> = idle[2..].iter().map(|(activity, _)| activity.begin_request()).collect();
        assert!(all.admit(stranger(4)).is_none());
        let known = all.admit(PeerClass::Known(of(4)));
        assert!(known.is_some());
        drop((requests, newcomer_turn, rest));
        drop((idle, busy, newcomer, known));
        assert_eq!((all.count(), all.open().of.len()), (0, 0));
    }

    /// Requests that stall keep newcomers out only briefly, and their connection is evicted with them.
    #[test]
    fn a_stalled_request_is_evicted_with_its_connection() {
        let (now, timeouts) = (Instant::now(), Timeouts::of(Duration::from_secs(16)));
        let (connections, requests) = (Connections::new(twelve(), timeouts), Connections::new(twelve(), timeouts));
        let lines: Vec<_> = (0..2).map(|n| connections.admit(PeerClass::Stranger(of(n))).unwrap()).collect();
        let stalled: Vec<_> = (0..8)
            .map(|n: u8| {
                let line = &lines[usize::from(n % 2)].0;
                let slot = requests.admit_at(now, PeerClass::Stranger(of(n % 2)), Some(line.clone()));
                Exchange::nested(line, slot.unwrap())
            })
            .collect();
        stalled.iter().for_each(|exchange| exchange.mark_waiting());
        let newcomer = |at| requests.admit_at(at, PeerClass::Stranger(of(3)), None);
        assert!(newcomer(now).is_none(), "they have just begun");
        assert!(newcomer(now + timeouts.tick() * 2).is_some());
        assert_eq!(lines.iter().filter(|line| is_over(line)).count(), 1);
    }
}
