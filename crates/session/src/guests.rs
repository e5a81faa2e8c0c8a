//! Who may be in a session. Every way in asks here (tickets, tokens to come back by, keys, links, experts' links), and so
//! does whatever a participant wishes.
//!
//! A technician is in because the session is theirs, or because its owner asked them; an expert, because a technician let
//! them in; a supervisor and a customer, because they came and have not left. Whoever's reason is gone is gone: what was
//! given to them before lets nobody in.

use protocol::{
    Event, ExpertInvitation, Participant, ParticipantId, Phase, Presence, Queue, RefusalReason as Refusal, Right, Role,
    Timestamp, UserRef,
};

use crate::{Actor, Session};

/// An expert's invitation that is still open, and the account that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenInvitation {
    pub host: i32,
    pub invitation: ExpertInvitation,
}

impl Session {
    /// Whether this participant may come, or come back, by what they were given before.
    pub fn admits(&self, who: ParticipantId) -> Result<&Participant, Refusal> {
        let them = self.participant(who).ok_or(Refusal::Stranger)?;
        match them.role {
            Role::Technician => self.admits_technician(them.user)?,
            // They come anew: by a key, an invitation or their right to watch.
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

    /// Whether this account owns the session or was asked to join. What waits in a queue of several is nobody's.
    fn helps(&self, user: Option<i32>) -> bool {
        let asked = user == Some(self.owner.id) || self.shared_with.iter().any(|u| Some(u.id) == user);
        asked && self.queue == Queue::Own
    }

    /// The invitation by this number, while it lets an expert in.
    pub fn admits_expert(&self, now: Timestamp, number: u16) -> Result<&ExpertInvitation, Refusal> {
        self.running()?;
        self.invitation(number).filter(|i| now < i.until).ok_or(Refusal::KeyDead)
    }

    /// The invitation of an expert that is still open.
    pub fn invitation(&self, number: u16) -> Option<&ExpertInvitation> {
        self.invitations.iter().map(|open| &open.invitation).find(|i| i.number == number)
    }

    /// Whether key (`by_key`) or link still lets a customer in at `now`.
    pub fn open_for_customer(&self, now: Timestamp, by_key: bool) -> bool {
        let until = if by_key { self.key_until } else { self.link_until };
        until.is_some_and(|until| now < until)
    }

    /// The account that a participant is in by: their own, or an expert's host's. Customers are in by nobody's.
    pub fn account_of(&self, who: ParticipantId) -> Option<i32> {
        self.participant(who).and_then(|p| p.user).or_else(|| self.hosts.get(&who).copied())
    }

    /// The account that made an invitation.
    pub fn host_of(&self, number: u16) -> Option<i32> {
        self.invitations.iter().find(|open| open.invitation.number == number).map(|open| open.host)
    }

    /// Who acts, where they take part: whoever is gone wishes nothing.
    pub(crate) fn participating(&self, by: &Actor) -> Result<&Participant, Refusal> {
        self.known(by).and_then(|p| if p.presence == Presence::Gone { Err(Refusal::Stranger) } else { Ok(p) })
    }

    /// Who acts, where they take or took part.
    pub(crate) fn known(&self, by: &Actor) -> Result<&Participant, Refusal> {
        match by {
            Actor::Participant(id) => self.participant(*id).ok_or(Refusal::Stranger),
            Actor::Technician(_) | Actor::System(_) | Actor::Server => Err(Refusal::Stranger),
        }
    }

    /// Whether this participant is in: here, or away for a moment.
    pub fn is_in(&self, who: ParticipantId) -> bool {
        self.participating(&Actor::Participant(who)).is_ok()
    }

    /// What this participant may use at all, whatever policy and customer say; an expert, nothing that their host may not.
    pub(crate) fn held(&self, id: ParticipantId) -> Vec<Right> {
        let Some(who) = self.participant(id) else { return vec![] };
        let host = self.hosts.get(&id).and_then(|host| self.technician(*host));
        let gives = |r: &Right| who.rights.contains(r) && host.is_none_or(|host| host.rights.contains(r));
        crate::permission::of_role(who.role).iter().copied().filter(gives).collect()
    }

    /// Whether pictures may be sent to this participant, once there are any.
    pub fn may_watch(&self, id: ParticipantId) -> bool {
        let here = self.participant(id).is_some_and(|p| p.presence == Presence::Here);
        here && self.held(id).contains(&Right::View)
    }

    /// By these events everybody leaves who helps, except for this account: the session is another's.
    pub(crate) fn helpers_leave(&self, except: Option<i32>) -> Vec<Event> {
        let helps = |p: &&Participant| match p.role {
            Role::Technician => except.is_none() || p.user != except,
            Role::Expert => true,
            Role::Supervisor | Role::Customer => false,
        };
        let here = self.participants.iter().filter(|p| p.presence != Presence::Gone);
        here.filter(helps).map(|p| Event::Left { id: p.id }).collect()
    }

    /// By these events an account's own part in the session ends, wherever it stands: its owner leaves with the experts whom
    /// they let in, and the key and link that they made let nobody in. Open invitations end with what the session does next.
    pub(crate) fn account_leaves(&self, user: i32) -> Vec<Event> {
        let goes = |p: &&Participant| match p.role {
            // Who was asked to join and has lost the connection could come back.
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
