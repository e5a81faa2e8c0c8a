//! What happens when time passes, and when.

use protocol::{Phase, Presence, Timestamp};

use crate::{RecordingDuty, Session, Unrecorded};

/// A session that cannot be recorded ends after this time, where the policy says so.
const UNRECORDABLE_MS: u64 = 10_000;

impl Session {
    /// When the next event is due without a command: grace times, the hold limit, expiry of key and link.
    pub fn due(&self) -> Option<Timestamp> {
        if matches!(self.phase, Phase::Ended { .. }) {
            return None;
        }
        let grace = self.participants.iter().filter_map(|p| match p.presence {
            Presence::Reconnecting { until } => Some(until),
            Presence::Here | Presence::Gone => None,
        });
        let hold = self.held_at.map(|at| at.plus(self.policy.hold_limit));
        grace.chain(hold).chain(self.unanswered_until()).chain(self.unrecordable_until()).min()
    }

    /// When a session that cannot be recorded ends, if the policy ends it.
    pub(crate) fn unrecordable_until(&self) -> Option<Timestamp> {
        let ends = self.policy.unrecorded == Unrecorded::EndSession;
        self.unrecorded_since.filter(|_| ends).map(|since| since.plus(UNRECORDABLE_MS))
    }

    /// Whether the shared screen is recorded, by the policy of this session.
    pub fn recording(&self) -> RecordingDuty {
        self.policy.recording(self.unrecorded_since.is_some())
    }

    pub(crate) fn recorded(&self) -> bool {
        self.recording() != RecordingDuty::None
    }

    /// For a session that nobody has joined: until when somebody can.
    pub(crate) fn unanswered_until(&self) -> Option<Timestamp> {
        (self.phase == Phase::Waiting && self.customer().is_none())
            .then(|| self.key_until.max(self.link_until))
            .flatten()
    }
}
