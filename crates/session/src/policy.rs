//! What a server's administrator has decided for all sessions.

use protocol::Right;
use serde::{Deserialize, Serialize};

/// The rules that a session is judged by. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How long a spoken key lives.
    pub key_life: u64,
    /// How long a link lives.
    pub link_life: u64,
    /// How long somebody whose connection broke may take to come back.
    pub grace: u64,
    /// How long a session may stay on hold.
    pub hold_limit: u64,
    /// What may be asked for at all.
    pub rights: Vec<Right>,
    /// Whether a shared screen is recorded.
    pub record: bool,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60_000;
        Self {
            key_life: 15 * MINUTE,
            link_life: 24 * 60 * MINUTE,
            grace: 2 * MINUTE,
            hold_limit: 7 * 24 * 60 * MINUTE,
            rights: Right::ALL.to_vec(),
            record: true,
        }
    }
}
