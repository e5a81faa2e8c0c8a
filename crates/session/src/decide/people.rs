//! Several people: queues, transfer, sharing, experts, control, and who takes over when somebody is lost.

use protocol::{
    Client, Event, ExpertInvitation, MAX_NAME_CHARS, MAX_NOTE_CHARS, Participant, ParticipantId, Phase, Presence,
    Queue, RefusalReason as Refusal, Right, Role, RoleRights, Timestamp, UserRef, WhyInherited, WhyWithdrawn,
};

use super::Decision;
use crate::{Actor, Session};

/// How long an expert's link works.
const EXPERT_LIFE: u64 = 60 * 60_000;
/// Most bytes that another system may store with a session.
const MOST_ATTRIBUTES: usize = 32;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_ATTRIBUTE_CHARS: usize = 1_024;
/// Most experts who may be invited into one session.
const MOST_EXPERTS: usize = 16;
/// Most participants of a session over its whole life, and most technicians who may be asked to join.
const MOST_PARTICIPANTS: usize = 250;
const MOST_SHARERS: usize = 64;

/// Whether another system may store this with a session: a name of up to 64 letters, digits, dashes and underscores,
/// and a value of up to 1,024 characters.
pub fn attribute_fits(name: &str, value: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match () {
        () if !(1..=MAX_ATTRIBUTE_NAME).contains(&name.len()) || !name.chars().all(plain) => Err(Refusal::Empty),
        () if value.chars().count() > MAX_ATTRIBUTE_CHARS => Err(Refusal::TooLong),
        () => Ok(()),
    }
}

impl Session {
    pub(super) fn transfer(&self, by: &Actor, to: UserRef, note: String) -> Decision {
        let by = self.as_owner(by)?;
        if to.id == self.owner.id && self.queue == Queue::Own {
            return Err(Refusal::Already);
        }
        self.hand_over(by.clone(), note, Some(to.id), Event::Transferred { by, to })
    }

    pub(super) fn enqueue(&self, by: &Actor, queue: Queue, note: String) -> Decision {
        let by = self.as_owner(by)?;
        match &queue {
            Queue::Own => return Err(Refusal::Already),
            Queue::Team { team } if team.trim().is_empty() || team.chars().count() > MAX_NAME_CHARS => {
                return Err(Refusal::Empty);
            }
            Queue::Team { .. } | Queue::General => {}
        }
        self.hand_over(by.clone(), note, None, Event::Queued { by: Some(by), queue })
    }

    /// A queue to wait in, or to fall back to, must exist.
    pub(super) fn move_queue(&self, by: &Actor, from: Queue, to: Queue) -> Decision {
        if *by != Actor::Server || from == Queue::Own || to == Queue::Own {
            return Err(Refusal::Policy);
        }
        let concerned = from != to && [&self.queue, &self.came_from].contains(&&from);
        Ok(if concerned { vec![Event::QueueMoved { from, to }] } else { vec![] })
    }

    /// The change of owner, with its note. First a hold where a customer is present; otherwise everybody who helped
    /// leaves.
    fn hand_over(&self, by: UserRef, note: String, to: Option<i32>, change: Event) -> Decision {
        if note.chars().count() > MAX_NOTE_CHARS {
            return Err(Refusal::TooLong);
        }
        let note = (!note.trim().is_empty()).then(|| Event::Noted { by: by.clone(), text: note });
        let before = if self.phase == Phase::Active { self.hold(Some(by)) } else { self.helpers_leave(to) };
        Ok(note.into_iter().chain(before).chain([change]).collect())
    }

    pub(super) fn take(&self, by: &Actor, team: &str) -> Decision {
        let Actor::Technician(by) = by else { return Err(Refusal::TechnicianOnly) };
        match &self.queue {
            Queue::Own => Err(Refusal::NotOwner),
            Queue::Team { team: theirs } if theirs != team => Err(Refusal::NotOwner),
            Queue::Team { .. } | Queue::General => {
                let taken = Event::Taken { by: by.clone() };
                Ok(self.helpers_leave(Some(by.id)).into_iter().chain([taken]).collect())
            }
        }
    }

    pub(super) fn share_with(&self, by: &Actor, with: UserRef) -> Decision {
        let by = self.as_owner(by)?;
        self.running()?;
        if by.id == with.id || self.shared_with.iter().any(|u| u.id == with.id) {
            return Err(Refusal::Already);
        }
        if self.shared_with.len() >= MOST_SHARERS {
            return Err(Refusal::Full);
        }
        Ok(vec![Event::SharedWith { by, with }])
    }

    pub(super) fn invite_expert(&self, now: Timestamp, by: &Actor, name: String, rights: &[Right]) -> Decision {
        let by = self.as_owner(by)?;
        self.running()?;
        let name = name.trim().to_owned();
        if name.is_empty() || self.invitations.len() >= MOST_EXPERTS {
            return Err(Refusal::Empty);
        }
        if name.chars().count() > MAX_NAME_CHARS {
            return Err(Refusal::TooLong);
        }
        let taken = self.participants.iter().any(|p| p.name == name)
            || self.invitations.iter().any(|i| i.invitation.name == name);
        if taken {
            return Err(Refusal::Already);
        }
        // Only the owner can transfer a session, and only while they are in it.
        let held = self.held(self.owner_here().ok_or(Refusal::Stranger)?);
        let given = crate::permission::of_role(Role::Expert).iter().copied();
        let rights: Vec<Right> = given.filter(|r| rights.contains(r) && held.contains(r)).collect();
        let number = self.invited + 1;
        let invitation = ExpertInvitation { number, name, rights, until: now.plus(EXPERT_LIFE) };
        Ok(vec![Event::ExpertInvited { by, invitation }])
    }

    pub(super) fn join_as_expert(&self, now: Timestamp, number: u16) -> Decision {
        let invitation = self.admits_expert(now, number)?;
        self.place()?;
        let id = ParticipantId(u16::try_from(self.participants.len() + 1).unwrap_or(u16::MAX));
        let ExpertInvitation { name, rights, .. } = invitation.clone();
        let (role, client) = (Role::Expert, Client::Console);
        Ok(vec![Event::Joined { id, role, name, client, user: None, rights, by_role: None }])
    }

    /// The server knows who may supervise: that is a right of the account, not of the session.
    pub(super) fn supervise(&self, by: &Actor, user: UserRef) -> Decision {
        if *by != Actor::Server {
            return Err(Refusal::Policy);
        }
        self.running()?;
        let (role, client) = (Role::Supervisor, Client::Console);
        let takes_part = |p: &&Participant| p.user == Some(user.id) && p.role == Role::Technician;
        if self.participants.iter().find(takes_part).is_some_and(|p| p.presence != Presence::Gone) {
            return Err(Refusal::Already);
        }
        if let Some(known) = self.participants.iter().find(|p| p.user == Some(user.id) && p.role == role) {
            return Ok(vec![Event::Returned { id: known.id, client }]);
        }
        self.place()?;
        let id = ParticipantId(u16::try_from(self.participants.len() + 1).unwrap_or(u16::MAX));
        let UserRef { id: user, name } = user;
        let rights = vec![Right::View];
        Ok(vec![Event::Joined { id, role, name, client, user: Some(user), rights, by_role: None }])
    }

    /// Whether one more participant may join.
    pub(super) fn place(&self) -> Result<(), Refusal> {
        if self.participants.len() < MOST_PARTICIPANTS { Ok(()) } else { Err(Refusal::Full) }
    }

    /// An account was disabled: its part in the session ends. Sessions that it owned go to others. Grants were given to
    /// the old owner, so the new one asks again.
    pub(super) fn expel(&self, now: Timestamp, by: &Actor, user: i32, queue: Queue) -> Decision {
        if *by != Actor::Server {
            return Err(Refusal::Policy);
        }
        let mut left = self.account_leaves(user);
        if self.owner.id != user || self.queue != Queue::Own {
            return Ok(left);
        }
        // Guests belong to the session's owner, whoever admitted them.
        let guests = self.participants.iter().filter(|p| p.role == Role::Expert && p.presence != Presence::Gone);
        let theirs = |p: &&Participant| self.account_of(p.id) != Some(user);
        left.extend(guests.filter(theirs).map(|p| Event::Left { id: p.id }));
        let (from, heir) = (self.owner.clone(), self.heir(now, user));
        let (falls, rest) = match heir {
            Some(to) => {
                let why = WhyInherited::Removed;
                (self.revoke_grants(None, WhyWithdrawn::Session), vec![Event::Inherited { from, to, why }])
            }
            None => {
                let held = if self.phase == Phase::Active { self.hold(None) } else { vec![] };
                let queue = if self.came_from == Queue::Own { queue } else { self.came_from.clone() };
                (held, vec![Event::Queued { by: None, queue }])
            }
        };
        Ok(falls.into_iter().chain(left).chain(rest).collect())
    }

    /// The technician who has shared the session for longest, other than this account.
    fn heir(&self, now: Timestamp, beside: i32) -> Option<UserRef> {
        let stays = |p: &Participant| match p.presence {
            Presence::Reconnecting { until } => now < until,
            Presence::Here => true,
            Presence::Gone => false,
        };
        // Numbers are given in the order of joining.
        let mut sharers = self.participants.iter().filter(|p| p.role == Role::Technician && stays(p));
        sharers.find_map(|p| p.user.filter(|id| *id != beside).map(|id| UserRef { id, name: p.name.clone() }))
    }

    /// A change of a technician's role takes effect at once, also in a session that they are in.
    pub(super) fn change_role(&self, by: &Actor, user: i32, by_role: Option<RoleRights>) -> Decision {
        if *by != Actor::Server {
            return Err(Refusal::Policy);
        }
        let Some(who) = self.technician(user) else { return Ok(vec![]) };
        let rights = crate::permission::by_role(by_role.as_ref());
        Ok(if who.rights == rights { vec![] } else { vec![Event::RoleChanged { id: who.id, by_role }] })
    }

    /// Removes an expert or a sharing technician; the owner holds, transfers or ends the session instead.
    pub(super) fn leave_helping(&self, by: &Actor) -> Decision {
        let who = self.participating(by)?;
        if who.user == Some(self.owner.id) && who.role == Role::Technician {
            return Err(Refusal::Owner);
        }
        Ok(vec![Event::Left { id: who.id }])
    }

    pub(super) fn dismiss(&self, by: &Actor, who: ParticipantId) -> Decision {
        self.as_owner(by)?;
        let them = self.participant(who).ok_or(Refusal::Stranger)?;
        // A technician cannot remove their supervisor.
        let stays = matches!(them.role, Role::Customer | Role::Supervisor);
        if stays || them.user == Some(self.owner.id) {
            return Err(Refusal::Owner);
        }
        // A technician who was asked to join and lost the connection could come back.
        let could = them.presence != Presence::Gone || (them.role == Role::Technician && self.admits(who).is_ok());
        if could { Ok(vec![Event::Left { id: who }]) } else { Err(Refusal::Already) }
    }

    /// Whether this participant may have control at all.
    fn may_hold(&self, who: &Participant) -> Result<(), Refusal> {
        let given = self.held(who.id).contains(&Right::Control);
        self.granted(Right::Control)?;
        if given && who.presence == Presence::Here { Ok(()) } else { Err(Refusal::TechnicianOnly) }
    }

    pub(super) fn want_control(&self, by: &Actor) -> Decision {
        let who = self.participating(by)?;
        self.may_hold(who)?;
        if self.control == Some(who.id) || self.control_wanted.contains(&who.id) {
            return Err(Refusal::Already);
        }
        Ok(vec![Event::ControlWanted { by: who.id }])
    }

    /// The holder gives control away; the owner gives and takes it; anybody takes it when nobody has it.
    pub(super) fn pass_control(&self, by: &Actor, to: ParticipantId) -> Decision {
        let by = self.participating(by)?;
        let heir = self.participant(to).ok_or(Refusal::Stranger)?;
        self.may_hold(heir)?;
        if self.control == Some(to) {
            return Err(Refusal::Already);
        }
        let owns = by.role == Role::Technician && by.user == Some(self.owner.id);
        let free = self.control.and_then(|id| self.participant(id)).is_none_or(|p| p.presence != Presence::Here);
        let may = owns || self.control == Some(by.id) || (free && to == by.id);
        if may { Ok(vec![Event::ControlPassed { by: by.id, to }]) } else { Err(Refusal::NotInControl) }
    }

    pub(super) fn note(&self, by: &Actor, text: String) -> Decision {
        let by = match by {
            Actor::Technician(user) | Actor::System(user) => user.clone(),
            Actor::Server => return Err(Refusal::TechnicianOnly),
            Actor::Participant(_) => {
                let who = self.participating(by)?;
                let id = who.user.filter(|_| who.role == Role::Technician).ok_or(Refusal::TechnicianOnly)?;
                UserRef { id, name: who.name.clone() }
            }
        };
        match text.chars().count() {
            _ if text.trim().is_empty() => Err(Refusal::Empty),
            n if n > MAX_NOTE_CHARS => Err(Refusal::TooLong),
            _ => Ok(vec![Event::Noted { by, text }]),
        }
    }

    pub(super) fn attribute(&self, by: &Actor, name: String, value: String) -> Decision {
        let by = self.as_owner(by)?;
        attribute_fits(&name, &value)?;
        match self.attributes.iter().find(|(n, _)| *n == name) {
            Some((_, old)) if *old == value => Ok(vec![]),
            None if value.is_empty() => Ok(vec![]),
            None if self.attributes.len() >= MOST_ATTRIBUTES => Err(Refusal::TooLong),
            _ => Ok(vec![Event::Attributed { by, name, value }]),
        }
    }

    /// When technicians have not come back in time: whoever shared for longest takes over the session; otherwise it
    /// goes on hold in the queue that it came from.
    pub(super) fn owner_lost(&self, now: Timestamp) -> Vec<Event> {
        let lost = |p: &&Participant| matches!(p.presence, Presence::Reconnecting { until } if until <= now);
        let technician_lost = self.participants.iter().filter(lost).any(|p| p.role == Role::Technician);
        let owner = self.owner_here().and_then(|id| self.participant(id));
        let owner_stays = owner.is_some_and(|p| !lost(&p));
        if !technician_lost || owner_stays || self.phase != Phase::Active {
            return vec![];
        }
        if let Some(to) = self.heir(now, self.owner.id) {
            return vec![Event::Inherited { from: self.owner.clone(), to, why: WhyInherited::Lost }];
        }
        let mut events = self.hold(None);
        if self.came_from != Queue::Own {
            events.push(Event::Queued { by: None, queue: self.came_from.clone() });
        }
        events
    }
}
