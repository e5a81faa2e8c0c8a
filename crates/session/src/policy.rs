//! What a server's administrator has decided for sessions.

use protocol::{Right, SessionRules, Unrecorded};
use serde::{Deserialize, Serialize};

/// The rules that a session is judged by. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What people call it.
    pub name: String,
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

/// Whether what is shown in a session is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingDuty {
    /// It is not: the policy says so, or it could not be, and the policy lets the session go on without.
    #[default]
    None,
    /// It is for as long as it can be; then the session goes on without.
    WherePossible,
    /// Nothing is shown that is not.
    Always,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60_000;
        Self {
            name: Self::DEFAULT.into(),
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

impl Policy {
    /// The name of the policy that rules where no other does.
    pub const DEFAULT: &str = "Default";

    /// What of it is written down with each session that it rules.
    pub fn rules(&self) -> SessionRules {
        let Self { name, rights, record, unrecorded, .. } = self;
        SessionRules { name: name.clone(), rights: rights.clone(), record: *record, unrecorded: *unrecorded }
    }

    /// Whether what is shown is recorded; `failed` where that did not work.
    pub(crate) fn recording(&self, failed: bool) -> RecordingDuty {
        match (self.record, self.unrecorded) {
            (false, _) => RecordingDuty::None,
            (true, Unrecorded::GoOn) if failed => RecordingDuty::None,
            (true, Unrecorded::GoOn) => RecordingDuty::WherePossible,
            (true, Unrecorded::StopSharing | Unrecorded::EndSession) => RecordingDuty::Always,
        }
    }

    /// The same, with the rules of a session that was made earlier.
    pub(crate) fn take(&mut self, rules: &SessionRules) {
        let SessionRules { name, rights, record, unrecorded } = rules.clone();
        *self = Self { name, rights, record, unrecorded, ..self.clone() };
    }
}
