//! Judges commands: the events that a command leads to, or why it is refused.

pub(crate) mod people;
mod screen;

use protocol::{
    Act, Client, ClientMessage, Ending, Event, MAX_CHAT_CHARS, MAX_NAME_CHARS, MAX_NOTE_CHARS, Participant,
    ParticipantId, Pause, Permit, Phase, Presence, Queue, RefusalReason as Refusal, Right, Role, Timestamp, UserRef,
    WhyWithdrawn,
};

use crate::{
    Actor, Command, Session,
    meter::{self, LimitCheck},
};

type Decision = Result<Vec<Event>, Refusal>;

impl Session {
    /// Judges a command against the state and the rate limits, and returns the events that it leads to. Changes
    /// nothing.
    pub fn decide(&self, now: Timestamp, by: &Actor, command: Command) -> Decision {
        let mut events = Vec::new();
        for event in self.judge(now, by, command)? {
            let event = meter::fitting(event);
            match self.meters.judge(now, &event) {
                LimitCheck::Within => events.push(event),
                LimitCheck::Skip => {}
                LimitCheck::TooOften => return Err(Refusal::TooOften),
                LimitCheck::Full => return Err(Refusal::Full),
            }
        }
        Ok(events)
    }

    /// Whether this participant may use a right once more. Asked before it is done, because every use is stored.
    pub fn has_room(&self, now: Timestamp, who: ParticipantId) -> Result<(), Refusal> {
        match self.meters.has_room(now, who) {
            LimitCheck::Within | LimitCheck::Skip => Ok(()),
            LimitCheck::TooOften => Err(Refusal::TooOften),
            LimitCheck::Full => Err(Refusal::Full),
        }
    }

    fn judge(&self, now: Timestamp, by: &Actor, command: Command) -> Decision {
        if let Command::Evidence { event } = command {
            return self.evidence(by, event);
        }
        if let Command::Rate { stars, comment } = command {
            return self.rate(by, stars, comment);
        }
        if matches!(self.phase, Phase::Ended { .. }) {
            return Err(Refusal::Ended);
        }
        if let Actor::Participant(who) = by
            && self.role_of(*who) == Some(Role::Supervisor)
            && !matches!(command, Command::Leave)
        {
            return Err(Refusal::OnlyWatching);
        }
        match command {
            Command::Create { incident, owner, organisation } => match self.created {
                None => Ok(vec![Event::Created { incident, owner, organisation, rules: Some(self.policy.rules()) }]),
                Some(_) => Err(Refusal::Already),
            },
            Command::IssueKey { life } => self.issue_key(now, by, life),
            Command::RevokeKey => {
                let by = self.as_owner(by)?;
                self.key_until.map(|_| vec![Event::KeyRevoked { by }]).ok_or(Refusal::Already)
            }
            Command::RevokeLink => {
                let by = self.as_owner(by)?;
                self.link_until.map(|_| vec![Event::LinkRevoked { by }]).ok_or(Refusal::Already)
            }
            Command::Join { role, name, client, user, by_role, by_key } => {
                let id = ParticipantId(u16::try_from(self.participants.len() + 1).unwrap_or(u16::MAX));
                let name = name.chars().take(MAX_NAME_CHARS).collect();
                self.join(now, by_key, Event::Joined { id, role, name, client, user, rights: vec![], by_role })
            }
            Command::Drop { id } => self.drop_connection(id),
            Command::Return { id, client } => match self.admits(id)? {
                p if p.presence == Presence::Here && p.client == client => Ok(self.picture_ends(p.role)),
                // Rights granted to the page do not extend to the program, nor the other way round: it asks again.
                p if p.role == Role::Customer && !same_customer(p.client, client) => {
                    let mut events = self.revoke_grants(None, WhyWithdrawn::Session);
                    events.push(Event::Returned { id, client });
                    Ok(events)
                }
                p => {
                    let mut events = self.picture_ends(p.role);
                    events.push(Event::Returned { id, client });
                    Ok(events)
                }
            },
            Command::Chat { text, nonce } => {
                let from = self.participating(by)?.id;
                self.running()?;
                if text.trim().is_empty() {
                    Err(Refusal::Empty)
                } else if !ClientMessage::chat_fits(&text) {
                    debug_assert!(text.chars().count() > MAX_CHAT_CHARS);
                    Err(Refusal::TooLong)
                } else if nonce != 0 && self.recent_messages.contains(&(from, nonce)) {
                    Ok(vec![])
                } else {
                    Ok(vec![Event::Chat { from, text, nonce }])
                }
            }
            Command::Ask { rights } => self.ask(by, rights),
            Command::Answer { rights } => self.answer(by, &rights),
            Command::Withdraw { right } => self.withdraw(by, right),
            Command::Pause(why) => match (self.as_customer(by)?, self.paused) {
                (_, Some(_)) => Err(Refusal::Already),
                (by, None) => self.granted(Right::View).map(|()| vec![Event::Paused { by, why }]),
            },
            Command::Resume => match (self.as_customer(by)?, self.paused) {
                (_, None) => Err(Refusal::Already),
                (by, Some(_)) => Ok(vec![Event::Resumed { by }]),
            },
            Command::Picture { width, height } => self.picture(by, width, height),
            Command::Monitors { monitors } => self.monitors(by, monitors),
            Command::InputBlocked { blocked } => self.input_blocked(by, blocked),
            Command::ShareFailed { trouble } => self.share_failed(by, trouble),
            Command::RecordingFailed { reason } => self.recording_failed(by, reason),
            Command::Leave if self.participating(by)?.role != Role::Customer => self.leave_helping(by),
            Command::Leave => {
                let id = self.as_customer(by)?;
                let mut events = vec![Event::Left { id }];
                // A held session stays in the queue: the customer was told that it has ended for now.
                if self.phase != Phase::Held {
                    events.extend(self.end(Ending::CustomerLeft, None));
                }
                Ok(events)
            }
            Command::Hold => {
                let by = self.as_owner(by)?;
                if self.phase == Phase::Held { Err(Refusal::OnHold) } else { Ok(self.hold(Some(by))) }
            }
            Command::Reopen => {
                let by = self.as_owner(by)?;
                if self.phase == Phase::Held { Ok(vec![Event::Reopened { by }]) } else { Err(Refusal::NotOnHold) }
            }
            Command::Transfer { to, note } => self.transfer(by, to, note),
            Command::Enqueue { queue, note } => self.enqueue(by, queue, note),
            Command::MoveQueue { from, to } => self.move_queue(by, from, to),
            Command::Take { team } => self.take(by, &team),
            Command::Expel { user, queue } => self.expel(now, by, user, queue),
            Command::ChangeRole { user, by_role } => self.change_role(by, user, by_role),
            Command::Supervise { user } => self.supervise(by, user),
            Command::ShareWith { with } => self.share_with(by, with),
            Command::InviteExpert { name, rights } => self.invite_expert(now, by, name, &rights),
            Command::JoinAsExpert { number } => self.join_as_expert(now, number),
            Command::Dismiss { who } => self.dismiss(by, who),
            Command::WantControl => self.want_control(by),
            Command::PassControl { to } => self.pass_control(by, to),
            Command::Note { text } => self.note(by, text),
            Command::Attribute { name, value } => self.attribute(by, name, value),
            Command::Record { event } if *by == Actor::Server && event.is_use_of_right() => Ok(vec![event]),
            Command::Record { .. } => Err(Refusal::Policy),
            Command::Restart { by: who } => self.restarting(by, who),
            Command::Close => {
                let by = self.as_owner(by)?;
                Ok(self.end(Ending::Closed, Some(by)))
            }
            Command::Tick => Ok(self.tick(now)),
            Command::Evidence { .. } | Command::Rate { .. } => unreachable!("judged above"),
        }
    }

    /// What this participant may do now, and if not, why not: the buttons of a page.
    pub fn permits(&self, now: Timestamp, who: ParticipantId) -> Vec<Permit> {
        let by = Actor::Participant(who);
        let chat = (Act::Chat, Command::Chat { text: "…".into(), nonce: 0 });
        let control_back = (Act::WithdrawControl, Command::Withdraw { right: Right::Control });
        let (want, pass) =
            ((Act::WantControl, Command::WantControl), (Act::PassControl, Command::PassControl { to: who }));
        let leave = (Act::Leave, Command::Leave);
        let commands = match self.role_of(who) {
            Some(Role::Technician) => {
                let nobody = UserRef { id: -1, name: String::new() };
                let asks = Right::ALL.map(|right| (Act::ask(right), Command::Ask { rights: vec![right] }));
                let own = [
                    chat,
                    (Act::WithdrawView, Command::Withdraw { right: Right::View }),
                    control_back,
                    want,
                    pass,
                    (Act::Note, Command::Note { text: "…".into() }),
                    (Act::ShareWith, Command::ShareWith { with: nobody }),
                    (Act::Hold, Command::Hold),
                    (Act::Close, Command::Close),
                    leave,
                ];
                own.into_iter().chain(asks).collect()
            }
            Some(Role::Expert) => vec![chat, want, pass, leave],
            // Chat is refused; the page says why in its place.
            Some(Role::Supervisor) => vec![chat, leave],
            Some(Role::Customer) => vec![
                chat,
                (Act::Answer, Command::Answer { rights: vec![Right::View] }),
                (Act::Pause, Command::Pause(Pause::Customer)),
                (Act::Resume, Command::Resume),
                control_back,
                leave,
            ],
            None => vec![],
        };
        let judge = |(act, command)| Permit { act, why_not: self.judge(now, &by, command).err() };
        commands.into_iter().map(judge).collect()
    }

    fn issue_key(&self, now: Timestamp, by: &Actor, life: Option<u64>) -> Decision {
        let by = self.as_owner(by)?;
        if self.phase == Phase::Active {
            return Err(Refusal::Taken);
        }
        let link_life = life.unwrap_or(self.policy.link_life);
        let (key_until, link_until) = (now.plus(self.policy.key_life.min(link_life)), now.plus(link_life));
        Ok(vec![Event::KeyIssued { by, key_until, link_until }])
    }

    fn join(&self, now: Timestamp, by_key: bool, joined: Event) -> Decision {
        let Event::Joined { role, client, user, .. } = joined else { return Err(Refusal::Policy) };
        match role {
            Role::Expert | Role::Supervisor => Err(Refusal::NotOwner),
            Role::Technician => {
                self.admits_technician(user)?;
                match self.participants.iter().find(|p| p.user == user && p.role == role) {
                    Some(p) => Ok(vec![Event::Returned { id: p.id, client }]),
                    None => self.place().map(|()| vec![joined]),
                }
            }
            Role::Customer if !self.open_for_customer(now, by_key) => Err(Refusal::KeyDead),
            Role::Customer => match self.customer() {
                // A customer who left while the session was on hold comes back with a new key.
                Some(p) if p.presence == Presence::Gone => {
                    let mut events = vec![Event::Returned { id: p.id, client }];
                    events.extend(self.key_until.map(|_| Event::KeyRevoked { by: self.owner.clone() }));
                    events.extend(self.link_until.map(|_| Event::LinkRevoked { by: self.owner.clone() }));
                    Ok(events)
                }
                Some(_) => Err(Refusal::Taken),
                None => Ok(vec![joined]),
            },
        }
    }

    fn drop_connection(&self, id: ParticipantId) -> Decision {
        let who = self.participant(id).ok_or(Refusal::Stranger)?;
        if who.presence != Presence::Here {
            return Ok(vec![]);
        }
        let mut events = self.picture_ends(who.role);
        events.push(Event::Dropped { id });
        Ok(events)
    }

    fn ask(&self, by: &Actor, rights: Vec<Right>) -> Decision {
        let by = self.as_technician(by)?;
        let held = self.held(by);
        self.running()?;
        let customer = self.customer().filter(|c| c.presence == Presence::Here).ok_or(Refusal::NoCustomer)?;
        if rights.is_empty() {
            return Err(Refusal::Empty);
        }
        // Asking for a right includes the rights that it needs.
        let wanted = |r: &Right| rights.iter().any(|w| w == r || crate::permission::needs(*w).contains(r));
        let rights: Vec<Right> = Right::ALL.into_iter().filter(wanted).collect();
        if !rights.iter().all(|r| self.policy.rights.contains(r)) {
            return Err(Refusal::Policy);
        }
        if !rights.iter().all(|r| held.contains(r)) {
            return Err(Refusal::Role);
        }
        if rights.iter().all(|r| self.grants.contains(r)) {
            return Err(Refusal::Already);
        }
        if !self.asked.is_empty() {
            return Err(Refusal::AskedAlready);
        }
        // A page can share the screen if its customer wants that; every other right needs the program.
        if customer.client == Client::Browser && rights != [Right::View] {
            return Err(Refusal::NeedsProgram);
        }
        match customer.client {
            Client::WindowsAdministrator if rights.contains(&Right::Elevate) => return Err(Refusal::Already),
            Client::Console | Client::Browser | Client::Program if rights.contains(&Right::Elevate) => {
                return Err(Refusal::NeedsWindows);
            }
            Client::Console
            | Client::Browser
            | Client::Program
            | Client::WindowsProgram
            | Client::WindowsAdministrator => {}
        }
        Ok(vec![Event::Asked { by, rights }])
    }

    fn answer(&self, by: &Actor, answer: &[Right]) -> Decision {
        let by = self.as_customer(by)?;
        self.running()?;
        if self.asked.is_empty() {
            return Err(Refusal::NothingAsked);
        }
        // Rights that were not asked for are never granted, even if the customer's answer names them.
        Ok(match crate::permission::answered(&self.grants, &self.asked, answer) {
            None => vec![Event::Denied { by }],
            Some(rights) => vec![Event::Granted { by, rights }],
        })
    }

    fn withdraw(&self, by: &Actor, right: Right) -> Decision {
        let who = self.participating(by)?;
        self.granted(right)?;
        let why = match who.role {
            Role::Customer => WhyWithdrawn::Customer,
            Role::Technician => WhyWithdrawn::Technician,
            Role::Expert | Role::Supervisor => return Err(Refusal::TechnicianOnly),
        };
        Ok(self.revoke_grants(Some(right), why))
    }

    /// Rights were granted to the program that ends now: the program that comes back asks again.
    fn restarting(&self, by: &Actor, who: ParticipantId) -> Decision {
        if *by != Actor::Server {
            return Err(Refusal::Policy);
        }
        let revoked = self.revoke_grants(None, WhyWithdrawn::Session);
        Ok([Event::Restarting { by: who }].into_iter().chain(revoked).collect())
    }

    pub(crate) fn hold(&self, by: Option<UserRef>) -> Vec<Event> {
        let mut events = self.revoke_grants(None, WhyWithdrawn::Session);
        events.push(Event::Held { by });
        events
    }

    fn end(&self, how: Ending, by: Option<UserRef>) -> Vec<Event> {
        let mut events = self.revoke_grants(None, WhyWithdrawn::Session);
        events.push(Event::Ended { how, by });
        events
    }

    fn tick(&self, now: Timestamp) -> Vec<Event> {
        if self.due().is_none_or(|due| now < due) {
            return vec![];
        }
        if self.unanswered_until().is_some_and(|until| until <= now) {
            return self.end(Ending::NeverJoined, None);
        }
        if self.phase == Phase::Held && self.held_at.is_some_and(|at| at.plus(self.policy.hold_limit) <= now) {
            return self.end(Ending::HoldExpired, None);
        }
        if self.unrecordable_until().is_some_and(|until| until <= now) {
            return self.end(Ending::NotRecorded, None);
        }
        let lost = |p: &&Participant| matches!(p.presence, Presence::Reconnecting { until } if until <= now);
        let mut events = Vec::new();
        for p in self.participants.iter().filter(lost) {
            events.push(Event::Left { id: p.id });
            // The customer of a held session was told that it has ended for now, and may be gone.
            if p.role == Role::Customer && self.phase != Phase::Held {
                events.extend(self.end(Ending::CustomerLost, None));
                return events;
            }
        }
        events.extend(self.owner_lost(now));
        events
    }

    /// Records what happens to the evidence: segments until it is stored; viewing and export later, too.
    fn evidence(&self, by: &Actor, event: Event) -> Decision {
        let ended = matches!(self.phase, Phase::Ended { .. });
        match event {
            _ if *by != Actor::Server || !event.is_evidence() => Err(Refusal::Policy),
            Event::Recorded { .. } | Event::Stored { .. } if self.stored => Err(Refusal::Already),
            Event::Stored { .. } if !ended => Err(Refusal::NotEnded),
            event => Ok(vec![event]),
        }
    }

    fn rate(&self, by: &Actor, stars: u8, comment: String) -> Decision {
        // After the end nobody is connected.
        if self.known(by)?.role != Role::Customer {
            return Err(Refusal::CustomerOnly);
        }
        match self.phase {
            Phase::Ended { .. } if self.rated => Err(Refusal::Already),
            Phase::Ended { .. } if !(1..=5).contains(&stars) => Err(Refusal::Empty),
            Phase::Ended { .. } if comment.chars().count() > MAX_NOTE_CHARS => Err(Refusal::TooLong),
            Phase::Ended { .. } => Ok(vec![Event::Rated { stars, comment }]),
            Phase::Waiting | Phase::Active | Phase::Held => Err(Refusal::NotEnded),
        }
    }

    pub(crate) fn running(&self) -> Result<(), Refusal> {
        if self.phase == Phase::Held { Err(Refusal::OnHold) } else { Ok(()) }
    }

    fn granted(&self, right: Right) -> Result<(), Refusal> {
        if self.grants.contains(&right) { Ok(()) } else { Err(Refusal::NotGranted) }
    }

    fn as_customer(&self, by: &Actor) -> Result<ParticipantId, Refusal> {
        let who = self.participating(by)?;
        if who.role == Role::Customer { Ok(who.id) } else { Err(Refusal::CustomerOnly) }
    }

    fn as_technician(&self, by: &Actor) -> Result<ParticipantId, Refusal> {
        let who = self.participating(by)?;
        if who.role == Role::Technician { Ok(who.id) } else { Err(Refusal::TechnicianOnly) }
    }

    /// The owner's account when the owner acts, connected or not; or the system that acts for the owner.
    fn as_owner(&self, by: &Actor) -> Result<UserRef, Refusal> {
        let user = match by {
            Actor::System(system) => return Ok(system.clone()),
            Actor::Technician(user) => Some(user.id),
            Actor::Participant(_) => match self.participating(by)? {
                p if p.role == Role::Technician => p.user,
                _ => return Err(Refusal::TechnicianOnly),
            },
            Actor::Server => None,
        };
        let owns = user == Some(self.owner.id) && self.queue == Queue::Own;
        if owns { Ok(self.owner.clone()) } else { Err(Refusal::NotOwner) }
    }
}

/// Whether grants carry over from one client to the other: the customer let this program continue as administrator. On
/// the way back they do not.
fn same_customer(before: Client, now: Client) -> bool {
    before == now || (before, now) == (Client::WindowsProgram, Client::WindowsAdministrator)
}
