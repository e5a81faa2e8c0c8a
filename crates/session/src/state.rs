//! Where a session stands: what its events add up to.

use std::collections::VecDeque;

use protocol::{
    Event, IncidentRef, Participant, ParticipantId, Phase, Presence, Right, Role, SessionId, SessionState, Timestamp,
    UserRef,
};

use crate::{Policy, permission};

/// How many messages back a repetition is recognised: far more than can be under way.
const MOST_SAID: usize = 256;

/// A session between two events.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) policy: Policy,
    pub(crate) created: Option<(IncidentRef, String)>,
    pub(crate) owner: UserRef,
    pub(crate) phase: Phase,
    pub(crate) participants: Vec<Participant>,
    pub(crate) grants: Vec<Right>,
    pub(crate) asked: Vec<Right>,
    pub(crate) paused: bool,
    pub(crate) screen: Option<(u16, u16)>,
    pub(crate) key_until: Option<Timestamp>,
    pub(crate) link_until: Option<Timestamp>,
    pub(crate) held_at: Option<Timestamp>,
    /// The newest messages by sender and nonce: what is said again after a cut is heard once.
    pub(crate) said: VecDeque<(ParticipantId, u32)>,
}

impl Session {
    /// A session to which nothing has happened yet.
    pub fn new(id: SessionId, policy: Policy) -> Self {
        Self {
            id,
            policy,
            created: None,
            owner: UserRef { id: 0, name: String::new() },
            phase: Phase::Waiting,
            participants: Vec::new(),
            grants: Vec::new(),
            asked: Vec::new(),
            paused: false,
            screen: None,
            key_until: None,
            link_until: None,
            held_at: None,
            said: VecDeque::new(),
        }
    }

    /// Takes in what happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Created { incident, owner, organisation } => {
                self.created = Some((incident.clone(), organisation.clone()));
                self.owner = owner.clone();
            }
            Event::KeyIssued { key_until, link_until, .. } => {
                self.key_until = Some(*key_until);
                self.link_until = Some(*link_until);
            }
            Event::KeyRevoked { .. } => self.key_until = None,
            Event::LinkRevoked { .. } => self.link_until = None,
            Event::Joined { id, role, name, client, user } => {
                self.participants.push(Participant {
                    id: *id,
                    role: *role,
                    name: name.clone(),
                    client: *client,
                    user: *user,
                    presence: Presence::Here,
                });
                if *role == Role::Customer {
                    // Key and link work once.
                    self.key_until = None;
                    self.link_until = None;
                    self.phase = Phase::Active;
                }
            }
            Event::Dropped { id } => {
                let until = at.plus(self.policy.grace);
                self.set_presence(*id, Presence::Reconnecting { until });
                if self.role_of(*id) == Some(Role::Customer) {
                    self.screen = None;
                }
            }
            Event::Returned { id, client } => {
                self.set_presence(*id, Presence::Here);
                if let Some(p) = self.participants.iter_mut().find(|p| p.id == *id) {
                    p.client = *client;
                    if p.role == Role::Customer && self.phase == Phase::Waiting {
                        self.phase = Phase::Active;
                    }
                }
            }
            Event::Left { id } => self.set_presence(*id, Presence::Gone),
            Event::Chat { from, nonce, .. } => {
                self.said.push_back((*from, *nonce));
                if self.said.len() > MOST_SAID {
                    self.said.pop_front();
                }
            }
            Event::Stored { .. } | Event::RecordingFailed { .. } => {}
            Event::Asked { rights, .. } => self.asked.clone_from(rights),
            Event::Granted { rights, .. } => {
                self.asked.clear();
                self.grants.clone_from(rights);
                self.paused = false;
            }
            Event::Denied { .. } => self.asked.clear(),
            Event::Withdrawn { right, .. } => {
                self.grants.retain(|r| r != right);
                if *right == Right::View {
                    self.paused = false;
                }
            }
            Event::Paused { .. } => self.paused = true,
            Event::Resumed { .. } => self.paused = false,
            Event::SharingStarted { width, height, .. } | Event::ScreenResized { width, height } => {
                self.screen = Some((*width, *height));
            }
            Event::SharingStopped {} | Event::SharingFailed { .. } => self.screen = None,
            Event::Held { .. } => {
                self.phase = Phase::Held;
                self.held_at = Some(at);
                self.asked.clear();
                self.part_with(Role::Technician);
            }
            Event::Reopened { .. } => {
                self.held_at = None;
                let here = self.customer().is_some_and(|c| c.presence != Presence::Gone);
                self.phase = if here { Phase::Active } else { Phase::Waiting };
            }
            Event::Transferred { to, .. } => self.owner = to.clone(),
            Event::Ended { how, .. } => {
                self.phase = Phase::Ended { how: *how };
                self.held_at = None;
                self.key_until = None;
                self.link_until = None;
                self.asked.clear();
                self.part_with(Role::Technician);
                self.part_with(Role::Customer);
            }
        }
    }

    /// When something is due without anybody acting: grace times, the hold limit, the end of key and link.
    pub fn due(&self) -> Option<Timestamp> {
        if matches!(self.phase, Phase::Ended { .. }) {
            return None;
        }
        let grace = self.participants.iter().filter_map(|p| match p.presence {
            Presence::Reconnecting { until } => Some(until),
            Presence::Here | Presence::Gone => None,
        });
        let hold = self.held_at.map(|at| at.plus(self.policy.hold_limit));
        grace.chain(hold).chain(self.unanswered_until()).min()
    }

    /// For a session nobody has joined: until when somebody can.
    pub(crate) fn unanswered_until(&self) -> Option<Timestamp> {
        (self.phase == Phase::Waiting && self.customer().is_none())
            .then(|| self.key_until.max(self.link_until))
            .flatten()
    }

    fn set_presence(&mut self, id: ParticipantId, presence: Presence) {
        if let Some(p) = self.participants.iter_mut().find(|p| p.id == id) {
            p.presence = presence;
        }
    }

    fn part_with(&mut self, role: Role) {
        for p in self.participants.iter_mut().filter(|p| p.role == role) {
            p.presence = Presence::Gone;
        }
    }

    /// The session's name.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// In whose queue it is.
    pub fn owner(&self) -> &UserRef {
        &self.owner
    }

    /// Its incident; `None` before it was created.
    pub fn incident(&self) -> Option<&IncidentRef> {
        self.created.as_ref().map(|(incident, _)| incident)
    }

    /// The one customer, once somebody has joined.
    pub fn customer(&self) -> Option<&Participant> {
        self.participants.iter().find(|p| p.role == Role::Customer)
    }

    /// Everybody who is or was there.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The participant by that number.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == id)
    }

    pub(crate) fn role_of(&self, id: ParticipantId) -> Option<Role> {
        self.participant(id).map(|p| p.role)
    }

    /// Whether key (`by_key`) or link still lets a customer in at `now`.
    pub fn open_for_customer(&self, now: Timestamp, by_key: bool) -> bool {
        let until = if by_key { self.key_until } else { self.link_until };
        until.is_some_and(|until| now < until)
    }

    /// Whether pictures may flow from the customer to the technicians now.
    pub fn may_view(&self) -> bool {
        self.phase == Phase::Active && !self.paused && self.effective(Right::View, Role::Technician)
    }

    /// Whether this participant's input may reach the customer's desktop now.
    pub fn may_control(&self, id: ParticipantId) -> bool {
        let Some(who) = self.participant(id) else { return false };
        self.may_view() && who.presence == Presence::Here && self.effective(Right::Control, who.role)
    }

    fn effective(&self, right: Right, role: Role) -> bool {
        permission::effective(right, role, &self.policy.rights, &self.grants)
    }

    /// The state as participants see it.
    ///
    /// # Panics
    /// When nothing has happened yet: a session is shown only after it was created.
    pub fn state(&self) -> SessionState {
        let (incident, organisation) = self.created.clone().expect("a session is created before it is shown");
        SessionState {
            id: self.id.clone(),
            incident,
            organisation,
            owner: self.owner.clone(),
            phase: self.phase,
            participants: self.participants.clone(),
            grants: self.grants.clone(),
            asked: self.asked.clone(),
            paused: self.paused,
            screen: self.screen,
            recorded: self.policy.record,
            key_until: self.key_until,
            link_until: self.link_until,
        }
    }
}
