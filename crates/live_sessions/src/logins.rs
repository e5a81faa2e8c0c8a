//! Sign-ins in use. Everything that one has opened (a connection, a ticket, a download, a link to a recording) ends
//! with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, Weak},
    time::Duration,
};

use platform::clock;
use protocol::Timestamp;
use tokio::sync::watch;

/// The map is purged of unused sign-ins when it has grown to this size.
const MANY: usize = 1_024;

/// The sign-ins in use.
#[derive(Default)]
pub struct Logins(Mutex<All>);

#[derive(Default)]
struct All {
    /// By the hash of their cookie.
    by_hash: HashMap<String, Weak<Inner>>,
    /// How many were in use after the last purge.
    used: usize,
}

/// A sign-in in use.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    /// The account and the time of expiry, once they are known.
    known: OnceLock<(i32, Timestamp)>,
    over: watch::Sender<bool>,
}

impl Logins {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// The sign-in with this hash. Take it before looking it up in the database, so that an end in between is noticed.
    pub fn take(&self, hash: &str) -> Login {
        let mut all = self.all();
        if let Some(known) = all.by_hash.get(hash).and_then(Weak::upgrade) {
            return Login(known);
        }
        if all.by_hash.len() >= MANY.max(2 * all.used) {
            all.by_hash.retain(|_, login| login.strong_count() > 0);
            all.used = all.by_hash.len();
        }
        let login = Arc::new(Inner { known: OnceLock::new(), over: watch::Sender::new(false) });
        all.by_hash.insert(hash.to_owned(), Arc::downgrade(&login));
        Login(login)
    }

    /// Ends the sign-in with this hash.
    pub fn end(&self, hash: &str) {
        if let Some(login) = self.all().by_hash.remove(hash).as_ref().and_then(Weak::upgrade) {
            login.over.send_replace(true);
        }
    }

    /// Ends all sign-ins of an account. A sign-in that is being looked up has no known account: it ends too, and its
    /// request is tried again.
    pub fn end_all_of(&self, user: i32) {
        self.all().by_hash.retain(|_, login| {
            let Some(login) = login.upgrade() else { return false };
            let theirs = login.known.get().is_none_or(|(whose, _)| *whose == user);
            if theirs {
                login.over.send_replace(true);
            }
            !theirs
        });
    }
}

impl Login {
    /// Sets the account and the time of expiry.
    pub fn is_of(&self, user: i32, until: Timestamp) {
        let _ = self.0.known.set((user, until));
    }

    /// Whether the sign-in has ended or expired.
    pub fn has_ended(&self) -> bool {
        *self.0.over.borrow() || self.0.known.get().is_some_and(|(_, until)| *until <= clock::now())
    }

    /// Waits until the sign-in has ended or expired.
    pub async fn ended(&self) {
        let mut over = self.0.over.subscribe();
        let wait = self.0.known.get().map_or(u64::from(u32::MAX), |(_, until)| until.since(clock::now()));
        tokio::select! {
            _ = over.wait_for(|over| *over) => {}
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(logins: &Logins, hash: &str, user: i32) -> Login {
        let login = logins.take(hash);
        login.is_of(user, clock::now().plus(60_000));
        login
    }

    #[tokio::test]
    async fn a_sign_in_ends_by_itself_and_with_its_account() {
        let logins = Logins::default();
        let [here, there, other] = [("a", 1), ("b", 1), ("c", 2)].map(|(hash, user)| taken(&logins, hash, user));
        let again = logins.take("a");
        logins.end("a");
        here.ended().await;
        assert!(again.has_ended() && !there.has_ended() && !other.has_ended());
        assert!(!logins.take("a").has_ended(), "from now on the database decides");
        let nobody = logins.take("d");
        logins.end_all_of(1);
        assert!(there.has_ended() && !other.has_ended());
        assert!(nobody.has_ended(), "its account is unknown");
    }

    #[tokio::test]
    async fn a_sign_in_expires() {
        let login = Logins::default().take("a");
        login.is_of(1, clock::now());
        assert!(login.has_ended());
        login.ended().await;
    }

    #[test]
    fn unused_sign_ins_are_purged() {
        let logins = Logins::default();
        let kept = logins.take("kept");
        for n in 0..10 * MANY {
            logins.take(&n.to_string());
        }
        assert!(logins.all().by_hash.len() <= MANY);
        logins.end("kept");
        assert!(kept.has_ended());
    }
}
