//! Limits wrong guesses without locking anybody else out.
//!
//! A right guess costs nothing. Each network may make a number of wrong ones. When many come from everywhere (at one
//! name, or at session keys in total), each network may make only a few, unless somebody from there has signed in. So a
//! stranger who guesses delays only those in their own network, and a device that somebody signed in with before is not
//! delayed at all.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use protocol::Timestamp;

use crate::network::Network;

/// Too many tries: the person must wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

/// The capacity of a bucket, and the time to refill one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    at_once: u64,
    every_ms: u64,
}

const fn rate(at_once: u64, every_ms: u64) -> Rate {
    Rate { at_once, every_ms }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// Session keys that are read out on the phone: for one network, for its neighbourhood, and the total above which each
/// network has only a few. See docs/security.md for the odds that remain.
const KEYS: Rate = rate(10, 30 * SECOND);
const KEYS_WIDE: Rate = rate(60, 5 * SECOND);
const KEYS_FEW: Rate = rate(3, 60 * MINUTE);
const KEYS_FEW_WIDE: Rate = rate(15, 12 * MINUTE);
const KEYS_ALARM: Rate = rate(60, 12 * SECOND);
/// Passwords: everybody in an office behind one address signs in at the same time in the morning.
const PASSWORDS: Rate = rate(60, SECOND);
const PASSWORDS_WIDE: Rate = rate(300, SECOND / 5);
const PASSWORDS_FEW: Rate = rate(10, 5 * MINUTE);
const PASSWORDS_ALARM: Rate = rate(300, SECOND / 5);
/// At one name, from one network; and from everywhere, before each network has only a few at this name.
const NAME: Rate = rate(10, 6 * SECOND);
const NAME_FEW: Rate = rate(3, 15 * MINUTE);
const NAME_ALARM: Rate = rate(20, MINUTE);
/// On a device that this person has signed in with before.
const DEVICE: Rate = rate(10, 6 * SECOND);
/// Second factors of one person: only somebody who knows the password gets here.
const CODES: Rate = rate(10, 5 * MINUTE);
const CODES_ON_DEVICE: Rate = rate(10, MINUTE);
/// Long random secrets: nobody guesses them, but nobody needs to ask for wrong ones all the time either.
const LONG: Rate = rate(30, 2 * SECOND);
/// Actions that cost the server something and are not guesses.
const BEGUN: Rate = rate(60, SECOND);
const BEGUN_WIDE: Rate = rate(300, SECOND / 5);

/// The most buckets in memory; beyond that the fullest ones are dropped.
const MOST: usize = 200_000;
/// How long a network counts as known after somebody has signed in from there.
const KNOWN_MS: u64 = 30 * 24 * 60 * MINUTE;

/// What is tried.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Clone, Copy, Debug)]
pub enum Attempt<'a> {
    /// A session key.
    Key { from: IpAddr },
    /// A password for this name (in its canonical spelling), perhaps on a device that its owner has signed in with.
    Password { name: &'a str, from: IpAddr, device: Option<&'a str> },
    /// The second factor of a person whose password was right.
    Code { user: i32, device: Option<&'a str> },
    /// A second factor or a password of a person who is signed in already.
    Again { user: i32 },
    /// A link or token: counted only when it was wrong.
    Long { from: IpAddr },
    /// The start of an external sign-in, or a session without a key.
    Begin { from: IpAddr },
}

/// What an empty bucket means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Always,
    /// Refuses, while another bucket, for wrong guesses from everywhere, is empty, too.
    During(u64, Rate),
    /// Only raises an alarm.
    Never,
}

type Charge = (u64, Rate, Held);

/// A guess that was let through; a successful one is returned.
#[derive(Debug)]
#[must_use]
pub struct Guess(Vec<(u64, Rate)>);

/// All buckets.
pub struct Throttle {
    hasher: RandomState,
    begun: Instant,
    all: Mutex<All>,
}

struct All {
    most: usize,
    /// When each bucket is full again. Buckets are named by a keyed hash, so that long names take no memory and nobody
    /// can find two names that share one.
    full_at: HashMap<u64, Until>,
    known: HashMap<u64, Until>,
}

/// When an entry expires, and its longest lifetime.
#[derive(Clone, Copy, Debug)]
struct Until {
    end: u64,
    whole: u64,
}

impl Until {
    /// The remaining lifetime, in thousandths.
    fn left(self, now: u64) -> u64 {
        self.end.saturating_sub(now) * 1_000 / self.whole.max(1)
    }
}

impl All {
    fn level(&self, now: u64, key: u64, rate: Rate) -> u64 {
        self.full_at.get(&key).map_or(0, |until| until.end).clamp(now, now + rate.at_once * rate.every_ms)
    }

    fn has(&self, now: u64, key: u64, rate: Rate) -> bool {
        self.level(now, key, rate) + rate.every_ms <= now + rate.at_once * rate.every_ms
    }

    fn take(&mut self, now: u64, key: u64, rate: Rate) {
        let (level, whole) = (self.level(now, key, rate), rate.at_once * rate.every_ms);
        forget(&mut self.full_at, self.most, now);
        self.full_at.insert(key, Until { end: (level + rate.every_ms).min(now + whole), whole });
    }
}

/// Frees space if there is none left: expired entries go first, then the half with the least remaining lifetime. So
/// nobody who has used all their guesses gets new ones by filling the memory with single guesses from elsewhere.
fn forget(all: &mut HashMap<u64, Until>, most: usize, now: u64) {
    if all.len() < most {
        return;
    }
    all.retain(|_, until| until.end > now);
    if all.len() >= most - most / 10 {
        let mut left: Vec<u64> = all.values().map(|until| until.left(now)).collect();
        let middle = left.len() / 2;
        let middle = *left.select_nth_unstable(middle).1;
        all.retain(|_, until| until.left(now) > middle);
    }
}

impl Default for Throttle {
    fn default() -> Self {
        let all = All { most: MOST, full_at: HashMap::new(), known: HashMap::new() };
        Self { hasher: RandomState::new(), begun: Instant::now(), all: Mutex::new(all) }
    }
}

impl Throttle {
    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().expect("no holder of the lock panics")
    }

    /// The time for everything here: a monotonic clock.
    pub fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn key(&self, what: impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    fn charges(&self, all: &All, now: u64, attempt: Attempt<'_>) -> Vec<Charge> {
        let near = |what, from, rate, held| (self.key((what, Network::near(from))), rate, held);
        let wide = |what, from, rate, held| (self.key((what, Network::wide(from))), rate, held);
        let known = |key: u64| all.known.get(&key).is_some_and(|until| until.end > now);
        match attempt {
            Attempt::Key { from } => {
                let alarm = self.key("keys");
                let during = match known(self.network(from)) {
                    true => Held::Never,
                    false => Held::During(alarm, KEYS_ALARM),
                };
                vec![
                    near("key", from, KEYS, Held::Always),
                    wide("key wide", from, KEYS_WIDE, Held::Always),
                    near("key few", from, KEYS_FEW, during),
                    wide("key few wide", from, KEYS_FEW_WIDE, during),
                    (alarm, KEYS_ALARM, Held::Never),
                ]
            }
            Attempt::Password { name, from: _, device: Some(device) } => {
                vec![(self.key(("device", name, device)), DEVICE, Held::Always)]
            }
            Attempt::Password { name, from, device: None } => {
                let (alarm, name_alarm) = (self.key("passwords"), self.key(("name", name)));
                let during = |known: bool, alarm, rate| if known { Held::Never } else { Held::During(alarm, rate) };
                let here = Network::near(from);
                let of_network = during(known(self.network(from)), alarm, PASSWORDS_ALARM);
                let of_name = during(known(self.owner(name, from)), name_alarm, NAME_ALARM);
                vec![
                    near("password", from, PASSWORDS, Held::Always),
                    wide("password wide", from, PASSWORDS_WIDE, Held::Always),
                    near("password few", from, PASSWORDS_FEW, of_network),
                    (self.key(("name here", name, here)), NAME, Held::Always),
                    (self.key(("name few", name, here)), NAME_FEW, of_name),
                    (name_alarm, NAME_ALARM, Held::Never),
                    (alarm, PASSWORDS_ALARM, Held::Never),
                ]
            }
            Attempt::Code { user, device: None } => vec![(self.key(("code", user)), CODES, Held::Always)],
            Attempt::Code { user, device: Some(device) } => {
                vec![(self.key(("code", user, device)), CODES_ON_DEVICE, Held::Always)]
            }
            Attempt::Again { user } => vec![(self.key(("again", user)), DEVICE, Held::Always)],
            Attempt::Long { from } => vec![near("long", from, LONG, Held::Always)],
            Attempt::Begin { from } => {
                vec![near("begin", from, BEGUN, Held::Always), wide("begin wide", from, BEGUN_WIDE, Held::Always)]
            }
        }
    }

    /// Counts a guess before it is checked, so that parallel guesses count, too.
    pub fn guess(&self, now: Timestamp, attempt: Attempt<'_>) -> Result<Guess, TooMany> {
        let mut all = self.all();
        let charges = self.charges(&all, now.0, attempt);
        let through = charges.iter().all(|(key, rate, held)| match held {
            Held::Always => all.has(now.0, *key, *rate),
            Held::During(alarm, of) => all.has(now.0, *alarm, *of) || all.has(now.0, *key, *rate),
            Held::Never => true,
        });
        if !through {
            return Err(TooMany);
        }
        for (key, rate, _) in &charges {
            all.take(now.0, *key, *rate);
        }
        Ok(Guess(charges.into_iter().map(|(key, rate, _)| (key, rate)).collect()))
    }

    /// The guess was right: it is returned.
    pub fn right(&self, guess: Guess) {
        let mut all = self.all();
        for (key, rate) in guess.0 {
            if let Some(until) = all.full_at.get_mut(&key) {
                until.end = until.end.saturating_sub(rate.every_ms);
            }
        }
    }

    fn network(&self, from: IpAddr) -> u64 {
        self.key(("network", Network::near(from)))
    }

    fn owner(&self, name: &str, from: IpAddr) -> u64 {
        self.key(("owner", name, Network::near(from)))
    }

    /// Somebody has signed in from there; with a name, under this name.
    pub fn came_in(&self, now: Timestamp, from: IpAddr, name: Option<&str>) {
        let keys = [Some(self.network(from)), name.map(|name| self.owner(name, from))];
        let mut all = self.all();
        let most = all.most;
        forget(&mut all.known, most, now.0);
        all.known.extend(keys.into_iter().flatten().map(|key| (key, Until { end: now.0 + KNOWN_MS, whole: KNOWN_MS })));
    }

    /// Whether somebody has signed in from there recently.
    pub fn is_known(&self, now: Timestamp, from: IpAddr) -> bool {
        self.all().known.get(&self.network(from)).is_some_and(|until| until.end > now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of this many tries are let through.
    fn through(throttle: &Throttle, now: u64, tries: usize, attempt: impl Fn(usize) -> (String, IpAddr)) -> usize {
        let one = |n| {
            let (name, from) = attempt(n);
            throttle.guess(Timestamp(now), Attempt::Password { name: &name, from, device: None }).is_ok()
        };
        (0..tries).filter(|n| one(*n)).count()
    }

    fn keys(throttle: &Throttle, now: u64, tries: usize, from: impl Fn(usize) -> IpAddr) -> usize {
        (0..tries).filter(|n| throttle.guess(Timestamp(now), Attempt::Key { from: from(*n) }).is_ok()).count()
    }

    fn v4(n: usize) -> IpAddr {
        let [.., a, b, c] = n.to_be_bytes();
        IpAddr::from([10, c, b, a])
    }

    fn v6(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_a_limited_number_of_wrong_keys_that_refills() {
        let throttle = Throttle::default();
        let here = v4(1);
        assert_eq!(keys(&throttle, 0, 50, |_| here), 10);
        assert_eq!(keys(&throttle, 60 * SECOND, 50, |_| here), 2);
        assert_eq!(keys(&throttle, 60 * MINUTE, 50, |_| here), 10);
    }

    #[test]
    fn addresses_of_one_network_share_a_limit() {
        type From = fn(usize) -> IpAddr;
        let table: [(From, usize); 4] = [
            (|n| format!("2001:db8:0:1::{n:x}").parse().unwrap(), 10),
            (|n| format!("2001:db8:0:{n:x}::1").parse().unwrap(), 60),
            (|n| IpAddr::from([192, 0, 2, n as u8]), 60),
            (|n| format!("::ffff:192.0.2.{}", n % 2).parse().unwrap(), 20),
        ];
        for (from, most) in table {
            assert_eq!(keys(&Throttle::default(), 0, 250, from), most, "{}", from(1));
        }
    }

    #[test]
    fn guesses_from_everywhere_leave_few_tries_and_known_networks_more() {
        let throttle = Throttle::default();
        let customer = v4(1_000_000);
        throttle.came_in(Timestamp(0), customer, None);
        let let_through = keys(&throttle, 0, 100_000, |n| v4(n % 1_000));
        assert!((3_000..=3_100).contains(&let_through), "three each, and what came before the alarm: {let_through}");
        assert_eq!(keys(&throttle, 0, 50, |_| v4(2_000_000)), 3, "a fresh network");
        assert_eq!(keys(&throttle, 0, 50, |_| customer), 10);
        assert!(throttle.is_known(Timestamp(KNOWN_MS - 1), customer));
        assert!(!throttle.is_known(Timestamp(KNOWN_MS), customer));
    }

    #[test]
    fn a_right_guess_costs_nothing() {
        let throttle = Throttle::default();
        let attempts = [
            Attempt::Key { from: v4(1) },
            Attempt::Password { name: "tom", from: v4(1), device: None },
            Attempt::Password { name: "tom", from: v4(1), device: Some("d") },
            Attempt::Code { user: 1, device: None },
            Attempt::Again { user: 1 },
        ];
        for attempt in attempts {
            for _ in 0..5_000 {
                throttle.right(throttle.guess(Timestamp(0), attempt).unwrap());
            }
        }
    }

    #[test]
    fn strangers_do_not_lock_anybody_out_of_a_name() {
        let throttle = Throttle::default();
        let office = v4(5_000_000);
        throttle.came_in(Timestamp(0), office, Some("tom"));
        let stranger = |n: usize| ("tom".to_owned(), v4(n % 500));
        assert_eq!(through(&throttle, 0, 200, |_| stranger(1)), 10, "one network");
        let many = through(&throttle, 0, 10_000, stranger);
        assert!((1_400..1_600).contains(&many), "three of each: {many}");
        // From a network where its owner signed in before, from a fresh one, and on their own device in the attacker's
        // network.
        assert_eq!(through(&throttle, 0, 20, |_| ("tom".into(), office)), 10);
        assert_eq!(through(&throttle, 0, 20, |_| ("tom".into(), v4(9_000_000))), 3);
        let own = Attempt::Password { name: "tom", from: v4(1), device: Some("own") };
        assert_eq!((0..20).filter(|_| throttle.guess(Timestamp(0), own).is_ok()).count(), 10);
        assert_eq!(through(&throttle, 0, 20, |_| ("eva".into(), v4(9_000_001))), 10, "other names are not affected");
    }

    #[test]
    fn names_of_any_length_take_bounded_memory() {
        let throttle = Throttle::default();
        throttle.all().most = 2_000;
        for n in 0..3_000usize {
            let from = IpAddr::from(u128::to_be_bytes((n as u128) << 80));
            let _ = throttle.guess(Timestamp(n as u64), Attempt::Password { name: &n.to_string(), from, device: None });
        }
        assert!(throttle.all().full_at.len() <= 2_000);
        let exhausted = v6("2001:db8::1");
        assert_eq!(keys(&throttle, 300_000, 50, |_| exhausted), 10);
        for n in 0..3_000usize {
            let _ = throttle.guess(Timestamp(300_000), Attempt::Again { user: n as i32 });
        }
        assert_eq!(
            keys(&throttle, 300_000, 50, |_| exhausted),
            0,
            "what is empty is not forgotten for what is nearly full"
        );
    }
}
