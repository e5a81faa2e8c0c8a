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

    /// Whether it lets a session do anything that the other does not: a right, or less of a recording.
    pub fn allows_more_than(&self, other: &Self) -> bool {
        let strict = |p: &Self| match (p.record, p.unrecorded) {
            (false, _) => 0,
            (true, Unrecorded::GoOn) => 1,
            (true, Unrecorded::StopSharing) => 2,
            (true, Unrecorded::EndSession) => 3,
        };
        self.rights.iter().any(|r| !other.rights.contains(r)) || strict(self) < strict(other)
    }

    /// The same, with the rules of a session that was made earlier.
    pub(crate) fn take(&mut self, rules: &SessionRules) {
        let SessionRules { name, rights, record, unrecorded } = rules.clone();
        *self = Self { name, rights, record, unrecorded, ..self.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_compared_with_another() {
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
