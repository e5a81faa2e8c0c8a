//! Links to recordings: for one technician, for a while, gone with the process.

use std::{collections::HashMap, sync::Mutex};

use protocol::{SessionId, Timestamp};

use crate::secret;

/// How long a link works.
pub const LIFE_MS: u64 = 30 * 60_000;
/// More links than this are somebody's script; the oldest fall.
const MOST: usize = 10_000;

/// The links that work.
#[derive(Default)]
pub struct Playback(Mutex<HashMap<String, Watching>>);

/// Who watches what.
#[derive(Clone)]
struct Watching {
    session: SessionId,
    user: i32,
    until: Timestamp,
}

impl Playback {
    /// A new link's token.
    pub fn open(&self, session: SessionId, user: i32, now: Timestamp) -> String {
        let mut links = self.0.lock().expect("nobody panics while holding the links");
        links.retain(|_, w| w.until > now);
        while links.len() >= MOST {
            let oldest = links.iter().min_by_key(|(_, w)| w.until).map(|(k, _)| k.clone());
            oldest.map(|key| links.remove(&key));
        }
        let token = secret::token();
        links.insert(secret::hash(&token), Watching { session, user, until: now.plus(LIFE_MS) });
        token
    }

    /// What this technician watches by this link, while it works.
    pub fn session(&self, token: &str, user: i32, now: Timestamp) -> Option<SessionId> {
        let links = self.0.lock().expect("nobody panics while holding the links");
        links.get(&secret::hash(token)).filter(|w| w.user == user && w.until > now).map(|w| w.session.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_one_person_and_a_while() {
        let playback = Playback::default();
        let session = SessionId::from_random([1; 16]);
        let token = playback.open(session.clone(), 1, Timestamp(0));
        assert_eq!(playback.session(&token, 1, Timestamp(LIFE_MS - 1)), Some(session));
        assert_eq!(playback.session(&token, 2, Timestamp(1)), None);
        assert_eq!(playback.session(&token, 1, Timestamp(LIFE_MS)), None);
        assert_eq!(playback.session("another", 1, Timestamp(1)), None);
    }
}
