//! Ended sessions whose evidence could not be stored: why, and when to try again.

use std::{
    collections::HashMap,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use platform::disk::Full;
use protocol::SessionId;
use serde::Serialize;
use tokio::sync::Notify;
use ts_rs::TS;

/// The wait after the first failure. Each further one is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The wait while the disk is full. Such an attempt reads and writes nothing, so there is no limit to them.
const FULL: Duration = Duration::from_secs(30);
/// After waiting this long in total, the server gives up: every attempt reads and writes the whole recording.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the evidence of a session is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Unstored {
    pub why: String,
    /// The server tries again only when an administrator requests it, or when it restarts.
    pub given_up: bool,
}

/// The sessions whose evidence could not be stored.
#[derive(Default)]
pub struct Unfinished {
    all: Mutex<HashMap<SessionId, (Unstored, Arc<Notify>)>>,
    making_video: Mutex<()>,
}

impl Unfinished {
    fn all(&self) -> MutexGuard<'_, HashMap<SessionId, (Unstored, Arc<Notify>)>> {
        self.all.lock().expect("lock is not poisoned")
    }

    /// Locked while a video is made. One at a time, because each frees more disk space than it takes, but only when it
    /// is done.
    pub fn lock_video(&self) -> MutexGuard<'_, ()> {
        self.making_video.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a failure. Returns what is notified when somebody requests another attempt.
    pub fn note(&self, session: &SessionId, unstored: Unstored) -> Arc<Notify> {
        let mut all = self.all();
        let known = all.entry(session.clone()).or_insert_with(|| (unstored.clone(), Arc::default()));
        known.0 = unstored;
        known.1.clone()
    }

    /// Forgets a session whose evidence is stored.
    pub fn remove(&self, session: &SessionId) {
        self.all().remove(session);
    }

    /// Why a session's evidence is not stored, if that has failed.
    pub fn get(&self, session: &SessionId) -> Option<Unstored> {
        self.all().get(session).map(|(unstored, _)| unstored.clone())
    }

    /// Requests another attempt now. Returns whether there is a failed one.
    pub fn try_again(&self, session: &SessionId) -> bool {
        self.all().get(session).map(|(_, again)| again.notify_one()).is_some()
    }
}

/// The waits after successive failures, until the server gives up.
pub fn waits() -> impl Iterator<Item = Duration> {
    let doubled = iter::successors(Some(FIRST), |wait| Some((*wait * 2).min(LONGEST)));
    doubled.scan(Duration::ZERO, |waited, wait| {
        *waited += wait;
        (*waited <= GIVE_UP_AFTER).then_some(wait)
    })
}

/// How long to wait after this failure; `None` to give up.
pub fn wait_after(error: &anyhow::Error, waits: &mut impl Iterator<Item = Duration>) -> Option<Duration> {
    if error.is::<Full>() { Some(FULL) } else { waits.next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_retried_without_limit() {
        let mut waits = waits();
        assert!((0..10_000).all(|_| wait_after(&Full.into(), &mut waits) == Some(FULL)));
        let broken = anyhow::anyhow!("broken");
        assert_eq!(wait_after(&broken, &mut waits), Some(FIRST), "waiting for a full disk does not count");
        let tries = (0..100).take_while(|_| wait_after(&broken, &mut waits).is_some()).count();
        assert!(tries < 40, "{tries}");
    }

    #[test]
    fn waits_grow_and_end_after_a_day() {
        let waits: Vec<_> = waits().map(|wait| wait.as_secs()).collect();
        assert_eq!(waits[..4], [10, 20, 40, 80]);
        assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= 3_600), "{waits:?}");
        let (count, all) = (waits.len(), waits.iter().sum::<u64>());
        assert!(count < 40 && (22 * 3_600..=24 * 3_600).contains(&all), "{count} tries in {all} s");
    }
}
