//! The hash chain: each stored event carries the hash of the one before it.
//!
//! `hash(n) = SHA-256(hash(n-1) ‖ seq ‖ at ‖ body)`, with `seq` as four and `at` as eight bytes big endian and `body` the
//! event's JSON exactly as it was stored. The chain starts from 32 zero bytes followed by the session's name.

use protocol::{Event, SessionId, Timestamp};
use sha2::{Digest, Sha256};

/// The hash of an entry.
pub type Link = [u8; 32];

/// The hash before the first entry.
pub const GENESIS: Link = [0; 32];

/// One event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number, counted from 1.
    pub seq: u32,
    /// When it happened.
    pub at: Timestamp,
    /// The event's JSON.
    pub body: String,
    /// The entry's hash.
    pub hash: Link,
}

/// Why a timeline is not the one that was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A number is missing, repeated or out of order.
    #[error("entry {expected} is missing: entry {got} follows instead")]
    Order {
        /// The number that should be there.
        expected: u32,
        /// The number that is there.
        got: u32,
    },
    /// An entry, or one before it, was changed.
    #[error("entry {seq} was changed after it was stored")]
    Changed {
        /// The entry's number.
        seq: u32,
    },
    /// The chain is intact, but the entry cannot be read.
    #[error("entry {seq} cannot be read: {why}")]
    Unreadable {
        /// The entry's number.
        seq: u32,
        /// The parser's error.
        why: String,
    },
}

/// The event as it is stored after `before`.
///
/// # Panics
/// Never: every event has a JSON form.
pub fn link(id: &SessionId, before: &Link, seq: u32, at: Timestamp, event: &Event) -> Stored {
    let body = serde_json::to_string(event).expect("events have a JSON form");
    let hash = hash(id, before, seq, at, &body);
    Stored { seq, at, body, hash }
}

fn hash(id: &SessionId, before: &Link, seq: u32, at: Timestamp, body: &str) -> Link {
    let mut sha = Sha256::new();
    sha.update(before);
    if seq == 1 {
        sha.update(id.as_str());
    }
    sha.update(seq.to_be_bytes());
    sha.update(at.0.to_be_bytes());
    sha.update(body);
    sha.finalize().into()
}

/// Reads a stored timeline back, checking every link.
pub fn verify(id: &SessionId, stored: &[Stored]) -> Result<Vec<(Timestamp, Event)>, Broken> {
    let mut before = GENESIS;
    let mut events = Vec::with_capacity(stored.len());
    for (expected, entry) in (1..).zip(stored) {
        let seq = entry.seq;
        if seq != expected {
            return Err(Broken::Order { expected, got: seq });
        }
        if hash(id, &before, seq, entry.at, &entry.body) != entry.hash {
            return Err(Broken::Changed { seq });
        }
        let event = serde_json::from_str(&entry.body)
            .map_err(|e: serde_json::Error| Broken::Unreadable { seq, why: e.to_string() })?;
        events.push((entry.at, event));
        before = entry.hash;
    }
    Ok(events)
}
