//! The shared screen on the customer's side: pictures, their sizes, and failures of sharing and recording.

use protocol::{
    Event, MAX_MONITORS, MAX_SIDE, Monitor, RefusalReason as Refusal, Right, Role, ShareTrouble, WhyWithdrawn,
};

use super::Decision;
use crate::{Actor, Session, Unrecorded};

impl Session {
    pub(super) fn monitors(&self, by: &Actor, mut monitors: Vec<Monitor>) -> Decision {
        self.as_customer(by)?;
        // A monitor without area is dropped: pages would zoom into it without end.
        monitors.retain(|m| m.width > 0 && m.height > 0);
        match () {
            () if !self.may_view() => Err(Refusal::NotGranted),
            () if monitors.len() > MAX_MONITORS || !monitors.iter().all(Monitor::fits) => Err(Refusal::TooLong),
            () if monitors == self.monitors => Ok(vec![]),
            () => Ok(vec![Event::MonitorsChanged { monitors }]),
        }
    }

    pub(super) fn input_blocked(&self, by: &Actor, blocked: bool) -> Decision {
        self.as_customer(by)?;
        match () {
            () if blocked == self.input_blocked => Ok(vec![]),
            () if blocked && !self.grants.contains(&Right::Control) => Err(Refusal::NotGranted),
            () => Ok(vec![Event::InputBlocked { blocked }]),
        }
    }

    /// A new connection of the customer begins a new screen share, whether or not the end of the old one was noticed.
    pub(super) fn picture_ends(&self, role: Role) -> Vec<Event> {
        if role == Role::Customer && self.screen.is_some() { vec![Event::SharingStopped {}] } else { vec![] }
    }

    /// The events that withdraw `right`, or every right; control never outlives view.
    pub(crate) fn revoke_grants(&self, right: Option<Right>, why: WhyWithdrawn) -> Vec<Event> {
        let falls = |r: &Right| right.is_none_or(|w| w == *r || crate::permission::needs(*r).contains(&w));
        let mut events: Vec<Event> =
            self.grants.iter().rev().filter(|r| falls(r)).map(|r| Event::Withdrawn { right: *r, why }).collect();
        let view_falls = events.iter().any(|e| matches!(e, Event::Withdrawn { right: Right::View, .. }));
        if view_falls && self.screen.is_some() {
            events.push(Event::SharingStopped {});
        }
        events
    }

    pub(super) fn picture(&self, by: &Actor, width: u16, height: u16) -> Decision {
        self.as_customer(by)?;
        if !self.may_view() {
            return Err(Refusal::NotGranted);
        }
        Ok(match self.screen {
            None => vec![Event::SharingStarted { width, height, recorded: self.recorded() }],
            Some(size) if size != (width, height) => vec![Event::ScreenResized { width, height }],
            Some(_) => vec![],
        })
    }

    pub(super) fn share_failed(&self, by: &Actor, trouble: ShareTrouble) -> Decision {
        self.as_customer(by)?;
        if !self.grants.contains(&Right::View) {
            return Ok(vec![]);
        }
        let reason = match trouble {
            ShareTrouble::NoPermission => "the customer's system does not let the program see the screen".into(),
            ShareTrouble::NoScreen => "the customer's program found no screen to share".into(),
            ShareTrouble::Encoder => "the customer's program could not encode the screen".into(),
            ShareTrouble::TooLarge => format!(
                "all monitors together are more than {MAX_SIDE} pixels wide or high; the customer can switch one off, or \
                 choose a lower resolution"
            ),
        };
        let failed = Event::SharingFailed { reason };
        Ok([failed].into_iter().chain(self.revoke_grants(None, WhyWithdrawn::Customer)).collect())
    }

    pub(super) fn recording_failed(&self, by: &Actor, reason: String) -> Decision {
        if *by != Actor::Server {
            return Err(Refusal::Policy);
        }
        let failed = Event::RecordingFailed { reason };
        if self.policy.unrecorded == Unrecorded::GoOn {
            return if self.recorded() { Ok(vec![failed]) } else { Err(Refusal::Already) };
        }
        Ok([failed].into_iter().chain(self.revoke_grants(None, WhyWithdrawn::Recording)).collect())
    }
}
