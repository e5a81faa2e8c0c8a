//! Who may be in a session. Every way in is checked here (tickets, resume tokens, keys, links, experts' links), and so
//! is every command of a participant.
//!
//! A technician is in because they own the session or its owner asked them; an expert, because a technician invited
//! them; a supervisor and a customer, because they joined and have not left. A participant whose reason has ended is
//! out: tickets and tokens that were issued before no longer admit them.

use protocol::{
    Event, ExpertInvitation, Participant, ParticipantId, Phase, Presence, Queue, RefusalReason as Refusal, Right, Role,
    Timestamp, UserRef,
};

use crate::{Actor, Session};

/// An expert's open invitation, and the account that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenInvitation {
    pub host: i32,
    pub invitation: ExpertInvitation,
}

impl Session {
    /// Whether a ticket or token that was issued earlier still admits this participant.
    pub fn admits(&self, who: ParticipantId) -> Result<&Participant, Refusal> {
        let them = self.participant(who).ok_or(Refusal::Stranger)?;
        match them.role {
            Role::Technician => self.admits_technician(them.user)?,
            // They join again: with a key, an invitation, or their right to watch.
            Role::Customer | Role::Expert | Role::Supervisor if them.presence == Presence::Gone => {
                return Err(Refusal::Stranger);
            }
            Role::Customer | Role::Expert | Role::Supervisor => {}
        }
        Ok(them)
    }

    /// Whether this account may help now.
    pub(crate) fn admits_technician(&self, user: Option<i32>) -> Result<(), Refusal> {
        match self.phase {
            Phase::Ended { .. } => Err(Refusal::Ended),
            Phase::Held => Err(Refusal::OnHold),
            Phase::Waiting | Phase::Active if self.helps(user) => Ok(()),
            Phase::Waiting | Phase::Active => Err(Refusal::NotOwner),
        }
    }

    /// Whether this account owns the session or was asked to join. A session in a team's queue or the general one has
    /// no owner.
    fn helps(&self, user: Option<i32>) -> bool {
        let asked = user == Some(self.owner.id) || self.shared_with.iter().any(|u| Some(u.id) == user);
        asked && self.queue == Queue::Own
    }

    /// The invitation of this number, if it still admits an expert.
    pub fn admits_expert(&self, now: Timestamp, number: u16) -> Result<&ExpertInvitation, Refusal> {
        self.running()?;
        self.invitation(number).filter(|i| now < i.until).ok_or(Refusal::KeyDead)
    }

    /// An expert's open invitation.
    pub fn invitation(&self, number: u16) -> Option<&ExpertInvitation> {
        self.invitations.iter().map(|open| &open.invitation).find(|i| i.number == number)
    }

    /// Whether the key (`by_key`) or the link still admits a customer at `now`.
    pub fn open_for_customer(&self, now: Timestamp, by_key: bool) -> bool {
        let until = if by_key { self.key_until } else { self.link_until };
        until.is_some_and(|until| now < until)
    }

    /// The account that a participant depends on: their own, or for an expert the host's. Customers depend on none.
    pub fn account_of(&self, who: ParticipantId) -> Option<i32> {
        self.participant(who).and_then(|p| p.user).or_else(|| self.hosts.get(&who).copied())
    }

    /// The account that made an invitation.
    pub fn host_of(&self, number: u16) -> Option<i32> {
        self.invitations.iter().find(|open| open.invitation.number == number).map(|open| open.host)
    }

    /// Who acts; they must be in the session. Participants who left cannot act.
    pub(crate) fn participating(&self, by: &Actor) -> Result<&Participant, Refusal> {
        self.known(by).and_then(|p| if p.presence == Presence::Gone { Err(Refusal::Stranger) } else { Ok(p) })
    }

    /// Who acts; they may have left.
    pub(crate) fn known(&self, by: &Actor) -> Result<&Participant, Refusal> {
        match by {
            Actor::Participant(id) => self.participant(*id).ok_or(Refusal::Stranger),
            Actor::Technician(_) | Actor::System(_) | Actor::Server => Err(Refusal::Stranger),
        }
    }

    /// Whether this participant is in: connected, or reconnecting.
    pub fn is_in(&self, who: ParticipantId) -> bool {
        self.participating(&Actor::Participant(who)).is_ok()
    }

    /// The rights that this participant may use at all, before policy and customer; an expert, none that their host may
    /// not.
    pub(crate) fn held(&self, id: ParticipantId) -> Vec<Right> {
        let Some(who) = self.participant(id) else { return vec![] };
        let host = self.hosts.get(&id).and_then(|host| self.technician(*host));
        let gives = |r: &Right| who.rights.contains(r) && host.is_none_or(|host| host.rights.contains(r));
        crate::permission::of_role(who.role).iter().copied().filter(gives).collect()
    }

    /// Whether this participant may receive pictures.
    pub fn may_watch(&self, id: ParticipantId) -> bool {
        let here = self.participant(id).is_some_and(|p| p.presence == Presence::Here);
        here && self.held(id).contains(&Right::View)
    }

    /// The events by which every helper except this account leaves, because the session has another owner.
    pub(crate) fn helpers_leave(&self, except: Option<i32>) -> Vec<Event> {
        let helps = |p: &&Participant| match p.role {
            Role::Technician => except.is_none() || p.user != except,
            Role::Expert => true,
            Role::Supervisor | Role::Customer => false,
        };
        let here = self.participants.iter().filter(|p| p.presence != Presence::Gone);
        here.filter(helps).map(|p| Event::Left { id: p.id }).collect()
    }

    /// The events by which an account's own part in the session ends, in any phase: the owner leaves with the experts
    /// whom they invited, and keys and links that they made expire. Open invitations end with the event that follows.
    pub(crate) fn account_leaves(&self, user: i32) -> Vec<Event> {
        let goes = |p: &&Participant| match p.role {
            // A technician who was asked to join and lost the connection could come back.
            Role::Technician => p.presence != Presence::Gone || self.shared_with.iter().any(|u| u.id == user),
            Role::Supervisor | Role::Expert | Role::Customer => p.presence != Presence::Gone,
        };
        let theirs = self.participants.iter().filter(|p| self.account_of(p.id) == Some(user));
        let left = theirs.filter(goes).map(|p| Event::Left { id: p.id });
        let made = self.issued_by == Some(user);
        let by: UserRef = self.owner.clone();
        let key = self.key_until.filter(|_| made).map(|_| Event::KeyRevoked { by: by.clone() });
        let link = self.link_until.filter(|_| made).map(|_| Event::LinkRevoked { by });
        left.chain(key).chain(link).collect()
    }
}
