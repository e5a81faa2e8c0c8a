//! The state of a session: the result of its events.

use std::collections::{BTreeMap, VecDeque};

use protocol::{
    Entry, Event, IncidentRef, Monitor, Participant, ParticipantId, Pause, Phase, Presence, Queue, Right, Role,
    SessionId, SessionState, Timestamp, UserRef, WhyInherited,
};

use crate::{Policy, guests::OpenInvitation, meter::Meters, permission};

/// How many messages are remembered to recognise repetitions: far more than can be in flight.
const MOST_RECENT_MESSAGES: usize = 256;

/// A session between two events.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) policy: Policy,
    pub(crate) created: Option<(IncidentRef, String)>,
    pub(crate) owner: UserRef,
    pub(crate) queue: Queue,
    /// The queue that the owner took it from. It goes back there when nobody is left to help.
    pub(crate) came_from: Queue,
    pub(crate) shared_with: Vec<UserRef>,
    pub(crate) invitations: Vec<OpenInvitation>,
    pub(crate) invited: u16,
    /// The account that invited each expert.
    pub(crate) hosts: BTreeMap<ParticipantId, i32>,
    pub(crate) phase: Phase,
    pub(crate) participants: Vec<Participant>,
    pub(crate) grants: Vec<Right>,
    pub(crate) asked: Vec<Right>,
    pub(crate) asked_by: Option<ParticipantId>,
    pub(crate) control: Option<ParticipantId>,
    pub(crate) control_wanted: Vec<ParticipantId>,
    /// What other systems store with it, by name.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) rated: bool,
    /// The evidence is complete.
    pub(crate) stored: bool,
    /// Since when recording has failed.
    pub(crate) unrecorded_since: Option<Timestamp>,
    pub(crate) paused: Option<Pause>,
    pub(crate) screen: Option<(u16, u16)>,
    pub(crate) monitors: Vec<Monitor>,
    /// Whether the customer's system keeps input from the active window.
    pub(crate) input_blocked: bool,
    pub(crate) key_until: Option<Timestamp>,
    pub(crate) link_until: Option<Timestamp>,
    /// The account that made the newest key and link.
    pub(crate) issued_by: Option<i32>,
    pub(crate) held_at: Option<Timestamp>,
    /// Until when a restarting computer of the customer is awaited.
    pub(crate) restarting: Option<Timestamp>,
    /// The newest messages by sender and nonce: a message that is sent again after a lost connection counts once.
    pub(crate) recent_messages: VecDeque<(ParticipantId, u32)>,
    /// The rate and size limits.
    pub(crate) meters: Meters,
}

impl Session {
    /// A session before its first event.
    pub fn new(id: SessionId, policy: Policy) -> Self {
        Self {
            id,
            policy,
            created: None,
            owner: UserRef { id: 0, name: String::new() },
            queue: Queue::Own,
            came_from: Queue::Own,
            shared_with: Vec::new(),
            invitations: Vec::new(),
            invited: 0,
            hosts: BTreeMap::new(),
            phase: Phase::Waiting,
            participants: Vec::new(),
            grants: Vec::new(),
            asked: Vec::new(),
            asked_by: None,
            control: None,
            control_wanted: Vec::new(),
            attributes: Vec::new(),
            rated: false,
            stored: false,
            unrecorded_since: None,
            paused: None,
            screen: None,
            monitors: Vec::new(),
            input_blocked: false,
            key_until: None,
            link_until: None,
            issued_by: None,
            held_at: None,
            restarting: None,
            recent_messages: VecDeque::new(),
            meters: Meters::default(),
        }
    }

    /// The session after these entries.
    pub fn after(id: SessionId, policy: Policy, entries: &[Entry]) -> Self {
        let mut session = Self::new(id, policy);
        entries.iter().for_each(|e| session.apply(e.at, &e.event));
        session
    }

    /// Applies an event that happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.meters.count(at, event);
        match event {
            Event::Created { incident, owner, organisation, rules } => {
                rules.iter().for_each(|rules| self.policy.take(rules));
                self.created = Some((incident.clone(), organisation.clone()));
                self.owner = owner.clone();
            }
            Event::KeyIssued { by, key_until, link_until } => {
                self.issued_by = Some(by.id);
                self.key_until = Some(*key_until);
                self.link_until = Some(*link_until);
            }
            Event::KeyRevoked { .. } => self.key_until = None,
            Event::LinkRevoked { .. } => self.link_until = None,
            Event::Joined { id, role, name, client, user, rights, by_role } => {
                if let Some(at) =
                    self.invitations.iter().position(|i| *role == Role::Expert && i.invitation.name == *name)
                {
                    self.hosts.insert(*id, self.invitations.remove(at).host);
                }
                let rights = match role {
                    Role::Technician => permission::by_role(by_role.as_ref()),
                    Role::Expert | Role::Supervisor | Role::Customer => rights.clone(),
                };
                self.participants.push(Participant {
                    rights,
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
                let mut until = at.plus(self.policy.grace);
                if self.role_of(*id) == Some(Role::Customer) {
                    self.screen = None;
                    until = until.max(self.restarting.unwrap_or(until));
                }
                self.set_presence(*id, Presence::Reconnecting { until });
            }
            Event::Returned { id, client } => {
                self.set_presence(*id, Presence::Here);
                if let Some(p) = self.participants.iter_mut().find(|p| p.id == *id) {
                    p.client = *client;
                    if p.role == Role::Customer {
                        (self.restarting, self.input_blocked) = (None, false);
                        if self.phase == Phase::Waiting {
                            self.phase = Phase::Active;
                        }
                    }
                }
            }
            Event::Left { id } => {
                let left = self.participants.iter().find(|p| p.id == *id && p.role == Role::Technician);
                // A participant whose connection was lost for too long may still come back; one who left or was removed
                // must be admitted again.
                let lost = |p: &&Participant| matches!(p.presence, Presence::Reconnecting { until } if until <= at);
                if let Some(user) = left.filter(|p| !lost(p)).and_then(|p| p.user) {
                    self.shared_with.retain(|u| u.id != user);
                }
                self.set_presence(*id, Presence::Gone);
                self.control_wanted.retain(|p| p != id);
                if self.control == Some(*id) {
                    self.control = self.owner_here();
                }
                self.drop_question(*id);
            }
            Event::RoleChanged { id, by_role } => {
                let rights = permission::by_role(by_role.as_ref());
                if !self.asked.iter().all(|right| rights.contains(right)) {
                    self.drop_question(*id);
                }
                self.participants.iter_mut().filter(|p| p.id == *id).for_each(|p| p.rights.clone_from(&rights));
                // Control stays with a participant who may have it: an expert's right ends with their host's.
                let holds = |who: &ParticipantId| self.held(*who).contains(&Right::Control);
                let wanted = self.control_wanted.iter().copied().filter(holds).collect();
                let control = self.control.filter(holds).or_else(|| self.owner_here().filter(holds));
                (self.control, self.control_wanted) = (self.control.and(control), wanted);
            }
            Event::Chat { from, nonce, .. } => {
                self.recent_messages.push_back((*from, *nonce));
                if self.recent_messages.len() > MOST_RECENT_MESSAGES {
                    self.recent_messages.pop_front();
                }
            }
            Event::Stored { .. } => self.stored = true,
            Event::RecordingFailed { .. } => self.unrecorded_since = Some(at),
            Event::Attributed { name, value, .. } => {
                self.attributes.retain(|(n, _)| n != name);
                if !value.is_empty() {
                    self.attributes.push((name.clone(), value.clone()));
                }
            }
            Event::Rated { .. } => self.rated = true,
            Event::Restarting { .. } => self.restart(at.plus(self.policy.restart)),
            Event::Asked { rights, by } => {
                self.asked.clone_from(rights);
                self.asked_by = Some(*by);
            }
            Event::Granted { rights, .. } => {
                if rights.contains(&Right::Control) && !self.grants.contains(&Right::Control) {
                    self.control = self.asked_by.or_else(|| self.owner_here());
                }
                if rights.contains(&Right::View) && !self.grants.contains(&Right::View) {
                    self.paused = None;
                }
                self.asked.clear();
                self.grants.clone_from(rights);
            }
            Event::Denied { .. } => self.asked.clear(),
            Event::Withdrawn { right, .. } => {
                self.grants.retain(|r| r != right);
                if *right == Right::Control {
                    self.control = None;
                    self.control_wanted.clear();
                }
                if *right == Right::View {
                    self.paused = None;
                }
            }
            Event::Paused { why, .. } => self.paused = Some(*why),
            Event::Resumed { .. } => self.paused = None,
            Event::SharingStarted { width, height, recorded } => {
                self.screen = Some((*width, *height));
                if *recorded {
                    self.unrecorded_since = None;
                }
            }
            Event::ScreenResized { width, height } => self.screen = Some((*width, *height)),
            Event::MonitorsChanged { monitors } => self.monitors.clone_from(monitors),
            Event::InputBlocked { blocked } => self.input_blocked = *blocked,
            Event::SharingStopped {} | Event::SharingFailed { .. } => (self.screen, self.input_blocked) = (None, false),
            Event::Held { .. } => {
                self.phase = Phase::Held;
                self.held_at = Some(at);
                self.asked.clear();
                self.uninvite();
                self.part_with(Role::Technician);
                self.part_with(Role::Expert);
                self.part_with(Role::Supervisor);
            }
            Event::Reopened { .. } => {
                self.held_at = None;
                let here = self.customer().is_some_and(|c| c.presence != Presence::Gone);
                self.phase = if here { Phase::Active } else { Phase::Waiting };
            }
            Event::Transferred { to, .. } | Event::Taken { by: to } => {
                self.uninvite();
                self.owner = to.clone();
                self.queue = Queue::Own;
            }
            Event::Inherited { to, why, .. } => {
                self.invitations.clear();
                if *why == WhyInherited::Removed {
                    // The previous owner's guests are not known to be the new owner's.
                    let here = |user: &UserRef| self.technician(user.id).is_some_and(|p| p.presence != Presence::Gone);
                    self.shared_with = self.shared_with.iter().filter(|u| here(u)).cloned().collect();
                }
                self.shared_with.retain(|u| u.id != to.id);
                self.owner = to.clone();
                self.queue = Queue::Own;
                // The technician who was lost may have had control.
                if self.control.is_none() && self.grants.contains(&Right::Control) {
                    self.control = self.owner_here();
                }
            }
            Event::Queued { queue, .. } => {
                self.uninvite();
                self.queue = queue.clone();
                self.came_from = queue.clone();
            }
            Event::QueueMoved { from, to } => {
                for queue in [&mut self.queue, &mut self.came_from] {
                    if *queue == *from {
                        queue.clone_from(to);
                    }
                }
            }
            Event::SharedWith { with, .. } => self.shared_with.push(with.clone()),
            Event::ExpertInvited { by, invitation } => {
                self.invited = self.invited.max(invitation.number);
                self.invitations.push(OpenInvitation { host: by.id, invitation: invitation.clone() });
            }
            Event::ControlWanted { by } => self.control_wanted.push(*by),
            Event::ControlPassed { to, .. } => {
                self.control = Some(*to);
                self.control_wanted.retain(|p| p != to);
            }
            Event::Ended { how, .. } => {
                self.phase = Phase::Ended { how: *how };
                self.held_at = None;
                self.key_until = None;
                self.link_until = None;
                self.asked.clear();
                self.uninvite();
                self.part_with(Role::Technician);
                self.part_with(Role::Expert);
                self.part_with(Role::Supervisor);
                self.part_with(Role::Customer);
            }
            // Events that do not change the state.
            Event::Noted { .. }
            | Event::FileCarried { .. }
            | Event::FileFailed { .. }
            | Event::FolderMade { .. }
            | Event::FileRenamed { .. }
            | Event::FileDeleted { .. }
            | Event::FilePosted { .. }
            | Event::ClipboardCarried { .. }
            | Event::ShellStarted { .. }
            | Event::ShellEnded { .. }
            | Event::SystemInfoRead { .. }
            | Event::ProcessEnded { .. }
            | Event::ScreenshotTaken { .. }
            | Event::Recorded { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => {}
        }
    }

    /// The owner's request to join is no longer open.
    fn uninvite(&mut self) {
        self.shared_with.clear();
        self.invitations.clear();
    }

    /// The owner's participant number, while they take part.
    pub(crate) fn owner_here(&self) -> Option<ParticipantId> {
        let helps = |p: &Participant| p.role == Role::Technician && p.presence != Presence::Gone;
        let owner = |p: &&Participant| p.user == Some(self.owner.id) && helps(p);
        self.participants.iter().find(owner).map(|p| p.id)
    }

    /// The customer's computer restarts and is awaited until then; its connection may have broken before.
    fn restart(&mut self, until: Timestamp) {
        self.restarting = Some(until);
        let away = |p: &&mut Participant| matches!(p.presence, Presence::Reconnecting { .. });
        let mut customers = self.participants.iter_mut().filter(|p| p.role == Role::Customer);
        if let Some(customer) = customers.find(away) {
            customer.presence = Presence::Reconnecting { until };
        }
    }

    fn set_presence(&mut self, id: ParticipantId, presence: Presence) {
        if let Some(p) = self.participants.iter_mut().find(|p| p.id == id) {
            p.presence = presence;
        }
    }

    /// The question of this participant is no longer open.
    fn drop_question(&mut self, id: ParticipantId) {
        if self.asked_by == Some(id) {
            self.asked.clear();
        }
    }

    fn part_with(&mut self, role: Role) {
        for p in self.participants.iter_mut().filter(|p| p.role == role) {
            p.presence = Presence::Gone;
        }
    }

    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Its phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The account whose queue it is in.
    pub fn owner(&self) -> &UserRef {
        &self.owner
    }

    /// Its incident; `None` before it was created.
    pub fn incident(&self) -> Option<&IncidentRef> {
        self.created.as_ref().map(|(incident, _)| incident)
    }

    /// The customer, once somebody has joined.
    pub fn customer(&self) -> Option<&Participant> {
        self.participants.iter().find(|p| p.role == Role::Customer)
    }

    /// Everybody who takes or took part.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The participant of this number.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == id)
    }

    /// The technician of this account, if they take or took part.
    pub fn technician(&self, user: i32) -> Option<&Participant> {
        self.participants.iter().find(|p| p.user == Some(user) && p.role == Role::Technician)
    }

    pub(crate) fn role_of(&self, id: ParticipantId) -> Option<Role> {
        self.participant(id).map(|p| p.role)
    }

    /// Whether pictures may be sent from the customer to the technicians now.
    pub fn may_view(&self) -> bool {
        let anybody = permission::of_role(Role::Technician);
        self.phase == Phase::Active && self.paused.is_none() && self.effective(Right::View, anybody)
    }

    /// Whether this participant's input may reach the customer's desktop now.
    pub fn may_control(&self, id: ParticipantId) -> bool {
        let Some(who) = self.participant(id) else { return false };
        let here = self.may_view() && who.presence == Presence::Here;
        here && self.control == Some(id) && self.effective(Right::Control, &self.held(id))
    }

    /// Whether this participant may use files, clipboard, shell or system information now.
    pub fn may(&self, id: ParticipantId, right: Right) -> bool {
        let Some(who) = self.participant(id) else { return false };
        match right {
            Right::View => self.may_view() && self.may_watch(id),
            Right::Control => self.may_control(id),
            Right::Files | Right::Clipboard | Right::Shell | Right::SystemInfo | Right::Restart | Right::Elevate => {
                let here = self.phase == Phase::Active && who.presence == Presence::Here;
                here && self.effective(right, &self.held(id))
            }
        }
    }

    /// What other systems store with it, by name.
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// The size of the shared screen, while there is a picture.
    pub fn screen(&self) -> Option<(u16, u16)> {
        self.screen
    }

    /// The queue that it waits in.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The teams whose queue it waits in, or was taken from.
    pub fn teams(&self) -> impl Iterator<Item = &str> {
        [&self.queue, &self.came_from].into_iter().filter_map(|queue| match queue {
            Queue::Team { team } => Some(team.as_str()),
            Queue::Own | Queue::General => None,
        })
    }

    /// The technicians who were asked to join.
    pub fn shared_with(&self) -> &[UserRef] {
        &self.shared_with
    }

    fn effective(&self, right: Right, held: &[Right]) -> bool {
        permission::effective(right, held, &self.policy.rights, &self.grants)
    }

    /// The state as participants see it.
    ///
    /// # Panics
    /// Before the first event: the state of a session is read only after its creation.
    pub fn state(&self) -> SessionState {
        let (incident, organisation) = self.created.clone().expect("a session is created before its state is read");
        SessionState {
            id: self.id.clone(),
            incident,
            organisation,
            owner: self.owner.clone(),
            queue: self.queue.clone(),
            shared_with: self.shared_with.clone(),
            invitations: self.invitations.iter().map(|open| open.invitation.clone()).collect(),
            asked_by: self.asked_by.filter(|_| !self.asked.is_empty()),
            control: self.control,
            control_wanted: self.control_wanted.clone(),
            phase: self.phase,
            participants: self
                .participants
                .iter()
                .map(|p| Participant { rights: self.held(p.id), ..p.clone() })
                .collect(),
            grants: self.grants.clone(),
            asked: self.asked.clone(),
            paused: self.paused,
            restarting: self.restarting,
            screen: self.screen,
            monitors: self.monitors.clone(),
            input_blocked: self.input_blocked,
            recorded: self.recorded(),
            key_until: self.key_until,
            link_until: self.link_until,
        }
    }
}
