//! Sessions that are over and whose evidence could not be stored: why, and when it is tried again.

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

/// How long the first wait is; each one after it is twice as long, up to the longest.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How long the wait is while the disk has no room: such a try reads and writes nothing, and is made as long as it takes.
const FULL: Duration = Duration::from_secs(30);
/// What has failed for so long is tried no more by itself: every try reads and writes the whole recording.
const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the evidence of a session is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Unstored {
    pub why: String,
    /// It is tried again only when an administrator says so, or when the server starts.
    pub given_up: bool,
}

/// All such sessions.
#[derive(Default)]
pub struct Unfinished {
    all: Mutex<HashMap<SessionId, (Unstored, Arc<Notify>)>>,
    turn: Mutex<()>,
}

impl Unfinished {
    fn all(&self) -> MutexGuard<'_, HashMap<SessionId, (Unstored, Arc<Notify>)>> {
        self.all.lock().expect("nobody panics while holding what is not stored")
    }

    /// A video is made by one at a time: each gives back more room than it takes, but not before it is done.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It failed; says when somebody wants it to be tried again at once.
    pub fn note(&self, session: &SessionId, unstored: Unstored) -> Arc<Notify> {
        let mut all = self.all();
        let known = all.entry(session.clone()).or_insert_with(|| (unstored.clone(), Arc::default()));
        known.0 = unstored;
        known.1.clone()
    }

    /// It is stored.
    pub fn remove(&self, session: &SessionId) {
        self.all().remove(session);
    }

    /// Why it is not stored, where that was tried and failed.
    pub fn get(&self, session: &SessionId) -> Option<Unstored> {
        self.all().get(session).map(|(unstored, _)| unstored.clone())
    }

    /// Lets it be tried again at once; whether there is anything to try.
    pub fn try_again(&self, session: &SessionId) -> bool {
        self.all().get(session).map(|(_, again)| again.notify_one()).is_some()
    }
}

/// The waits after failures, until it is given up.
pub fn waits() -> impl Iterator<Item = Duration> {
    let doubled = iter::successors(Some(FIRST), |wait| Some((*wait * 2).min(LONGEST)));
    doubled.scan(Duration::ZERO, |waited, wait| {
        *waited += wait;
        (*waited <= TRIED_FOR).then_some(wait)
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
    fn a_full_disk_is_waited_for_as_long_as_it_takes() {
        let mut waits = waits();
        assert!((0..10_000).all(|_| wait_after(&Full.into(), &mut waits) == Some(FULL)));
        let broken = anyhow::anyhow!("broken");
        assert_eq!(wait_after(&broken, &mut waits), Some(FIRST), "nothing of the day was used");
        let tries = (0..100).take_while(|_| wait_after(&broken, &mut waits).is_some()).count();
        assert!(tries < 40, "{tries}");
    }

    #[test]
    fn it_is_tried_less_and_less_often_and_given_up_after_a_day() {
        let waits: Vec<_> = waits().map(|wait| wait.as_secs()).collect();
        assert_eq!(waits[..4], [10, 20, 40, 80]);
        assert!(waits.is_sorted() && waits.iter().all(|wait| *wait <= 3_600), "{waits:?}");
        let (count, all) = (waits.len(), waits.iter().sum::<u64>());
        assert!(count < 40 && (22 * 3_600..=24 * 3_600).contains(&all), "{count} tries in {all} s");
    }
}
