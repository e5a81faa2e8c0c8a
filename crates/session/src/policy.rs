//! What an administrator has decided for sessions.

use protocol::{Right, SessionRules, Unrecorded};
use serde::{Deserialize, Serialize};

/// The rules of a session. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What people call it.
    pub name: String,
    /// The lifetime of a spoken key.
    pub key_life: u64,
    /// The lifetime of a link.
    pub link_life: u64,
    /// How long a participant whose connection broke may take to come back.
    pub grace: u64,
    /// How long a restarting computer of a customer may take until its program is back.
    pub restart: u64,
    /// How long a session may stay on hold.
    pub hold_limit: u64,
    /// The rights that may be asked for.
    pub rights: Vec<Right>,
    /// Whether a shared screen is recorded.
    pub record: bool,
    /// What happens when it cannot be recorded.
    pub unrecorded: Unrecorded,
}

/// Whether the shared screen of a session is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingDuty {
    /// It is not recorded: the policy says so, or recording failed and the policy lets the session continue without.
    #[default]
    None,
    /// It is recorded while that works; after a failure the session continues without.
    WherePossible,
    /// Nothing is shown unless it is recorded.
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
    /// The name of the policy that applies where no other does.
    pub const DEFAULT: &str = "Default";

    /// The rules that are stored with each session.
    pub fn rules(&self) -> SessionRules {
        let Self { name, rights, record, unrecorded, .. } = self;
        SessionRules { name: name.clone(), rights: rights.clone(), record: *record, unrecorded: *unrecorded }
    }

    /// Whether the screen is recorded; `failed` says that recording has failed.
    pub(crate) fn recording(&self, failed: bool) -> RecordingDuty {
        match (self.record, self.unrecorded) {
            (false, _) => RecordingDuty::None,
            (true, Unrecorded::GoOn) if failed => RecordingDuty::None,
            (true, Unrecorded::GoOn) => RecordingDuty::WherePossible,
            (true, Unrecorded::StopSharing | Unrecorded::EndSession) => RecordingDuty::Always,
        }
    }

    /// Whether it allows anything that the other does not: a right, or less recording.
    pub fn allows_more_than(&self, other: &Self) -> bool {
        let strict = |p: &Self| match (p.record, p.unrecorded) {
            (false, _) => 0,
            (true, Unrecorded::GoOn) => 1,
            (true, Unrecorded::StopSharing) => 2,
            (true, Unrecorded::EndSession) => 3,
        };
        self.rights.iter().any(|r| !other.rights.contains(r)) || strict(self) < strict(other)
    }

    /// The same policy with the rules of a session that was created earlier.
    pub(crate) fn take(&mut self, rules: &SessionRules) {
        let SessionRules { name, rights, record, unrecorded } = rules.clone();
        *self = Self { name, rights, record, unrecorded, ..self.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_allows_more_is_recognised() {
        let of = |rights: &[Right], record, unrecorded| Policy {
            rights: rights.to_vec(),
            record,
            unrecorded,
            ..Policy::default()
        };
        let base = of(&[Right::View, Right::Control], true, Unrecorded::StopSharing);
        for (other, more) in [
            (base.clone(), false),
            (of(&[Right::View], true, Unrecorded::EndSession), false),
            (of(&[Right::View, Right::Files], true, Unrecorded::StopSharing), true),
            (of(&[Right::View], true, Unrecorded::GoOn), true),
            (of(&[], false, Unrecorded::EndSession), true),
        ] {
            assert_eq!(other.allows_more_than(&base), more, "{other:?}");
        }
        let unrecorded = of(&[], false, Unrecorded::EndSession);
        assert!(!unrecorded.allows_more_than(&of(&[], false, Unrecorded::GoOn)), "nothing is recorded in either");
    }
}
