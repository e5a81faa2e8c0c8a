//! What a server's administrator has decided for all sessions.

use protocol::Right;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What happens to a session whose screen is to be recorded and cannot be any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Unrecorded {
    /// The screen is no longer shared; the conversation goes on.
    #[default]
    StopSharing,
    /// The screen is no longer shared, and the session ends 10 seconds later.
    EndSession,
    /// The screen stays shared, and everybody is told that it is not recorded.
    GoOn,
}

/// The rules that a session is judged by. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How long a spoken key lives.
    pub key_life: u64,
    /// How long a link lives.
    pub link_life: u64,
    /// How long somebody whose connection broke may take to come back.
    pub grace: u64,
    /// How long a customer's computer that restarts may take until its program is back.
    pub restart: u64,
    /// How long a session may stay on hold.
    pub hold_limit: u64,
    /// What may be asked for at all.
    pub rights: Vec<Right>,
    /// Whether a shared screen is recorded.
    pub record: bool,
    /// What happens when that cannot be.
    pub unrecorded: Unrecorded,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60_000;
        Self {
            key_life: 15 * MINUTE,
            link_life: 24 * 60 * MINUTE,
            grace: 2 * MINUTE,
            restart: 20 * MINUTE,
            hold_limit: 7 * 24 * 60 * MINUTE,
            rights: Right::ALL.to_vec(),
            record: true,
            unrecorded: Unrecorded::default(),
        }
    }
}
