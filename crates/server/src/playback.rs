//! Links to recordings: each is for one technician, expires, and does not survive a restart.

use live_sessions::logins::Login;
use platform::{expiring::Expiring, secret};
use protocol::{SessionId, Timestamp};

/// How long a link is valid, in milliseconds.
pub const LIFE_MS: u64 = 30 * 60_000;
/// Most valid links.
const MOST: usize = 10_000;

/// The valid links.
pub struct Playback(Expiring<String, Watching, i32>);

/// What a link opens, and for whom.
#[derive(Clone)]
struct Watching {
    session: SessionId,
    user: i32,
    /// The sign-in that created it, and with which it ends.
    login: Login,
}

impl Default for Playback {
    fn default() -> Self {
        Self(Expiring::new(LIFE_MS, MOST))
    }
}

impl Playback {
    /// Creates a link, and returns its token.
    pub fn open(&self, session: SessionId, user: i32, login: Login, now: Timestamp) -> String {
        let token = secret::token();
        self.0.put(now, user, secret::hash(&token), Watching { session, user, login });
        token
    }

    /// The session that a link opens for this technician, while it is valid.
    pub fn session(&self, token: &str, user: i32, now: Timestamp) -> Option<SessionId> {
        self.0.get(now, &secret::hash(token)).filter(|w| w.user == user && !w.login.has_ended()).map(|w| w.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use live_sessions::logins::Logins;

    #[test]
    fn a_link_is_for_one_person_and_expires() {
        let playback = Playback::default();
        let session = SessionId::from_random([1; 16]);
        let logins = Logins::default();
        let token = playback.open(session.clone(), 1, logins.take("here"), Timestamp(0));
        assert_eq!(playback.session(&token, 1, Timestamp(LIFE_MS - 1)), Some(session));
        assert_eq!(playback.session(&token, 2, Timestamp(1)), None);
        assert_eq!(playback.session(&token, 1, Timestamp(LIFE_MS)), None);
        assert_eq!(playback.session("another", 1, Timestamp(1)), None);
        logins.end("here");
        assert_eq!(playback.session(&token, 1, Timestamp(1)), None, "the sign-in that created it has ended");
    }
}
