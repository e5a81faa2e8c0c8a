//! Sessions as people use them, the properties that no order of events may break, and what is derived from a timeline.

mod bounds;
mod by_role;
mod chain;
mod guests;
mod people;
mod property;
mod removed;
mod story;

use protocol::*;
use session::{Actor, Command, Policy, Session};

/// A session with its clock and its timeline.
pub(crate) struct Play {
    pub(crate) session: Session,
    pub(crate) now: Timestamp,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) fn user(id: i32, name: &str) -> UserRef {
    UserRef { id, name: name.into() }
}

pub(crate) const TECHNICIAN: ParticipantId = ParticipantId(1);
pub(crate) const CUSTOMER: ParticipantId = ParticipantId(2);

impl Play {
    pub(crate) fn created() -> Self {
        Self::created_with(Policy::default())
    }

    fn created_with(policy: Policy) -> Self {
        let id = SessionId::from_random([7; 16]);
        let now = Timestamp(1_000_000);
        let mut play = Self { session: Session::new(id, policy), now, entries: vec![] };
        let incident =
            IncidentRef { id: 1, number: "INC-1042".into(), subject: "Printer".into(), customer: "Ada".into() };
        let create = Command::Create { incident, owner: user(1, "Tom"), organisation: "Acme".into() };
        play.act(Actor::Server, create).unwrap();
        play
    }

    /// A session in which technician and customer (with the program) are connected.
    pub(crate) fn joined() -> Self {
        Self::with(Policy::default())
    }

    /// The same with other rules.
    pub(crate) fn with(policy: Policy) -> Self {
        let mut play = Self::created_with(policy);
        play.act(Actor::Technician(user(1, "Tom")), Command::IssueKey { life: None }).unwrap();
        play.join(Role::Technician, "Tom", Client::Console, Some(1)).unwrap();
        play.join(Role::Customer, "Ada", Client::Program, None).unwrap();
        play
    }

    pub(crate) fn join(
        &mut self,
        role: Role,
        name: &str,
        client: Client,
        user: Option<i32>,
    ) -> Result<(), RefusalReason> {
        self.act(Actor::Server, Command::Join { role, name: name.into(), client, user, by_role: None, by_key: false })
    }

    pub(crate) fn act(&mut self, by: Actor, command: Command) -> Result<(), RefusalReason> {
        for event in self.session.decide(self.now, &by, command)? {
            self.session.apply(self.now, &event);
            self.entries.push(Entry { seq: self.entries.len() as u32 + 1, at: self.now, event });
            session::oracle::check(&self.session);
        }
        Ok(())
    }

    pub(crate) fn technician(&mut self, command: Command) -> Result<(), RefusalReason> {
        self.act(Actor::Participant(TECHNICIAN), command)
    }

    pub(crate) fn customer(&mut self, command: Command) -> Result<(), RefusalReason> {
        self.act(Actor::Participant(CUSTOMER), command)
    }

    /// The technician asks, and the customer allows all of it.
    pub(crate) fn grant(&mut self, rights: &[Right]) {
        self.technician(Command::Ask { rights: rights.to_vec() }).unwrap();
        self.customer(Command::Answer { rights: rights.to_vec() }).unwrap();
    }

    pub(crate) fn after(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.act(Actor::Server, Command::Tick).unwrap();
    }

    pub(crate) fn transcript(&self) -> String {
        let line =
            |l: session::TranscriptLine| format!("{}{}{}\n", l.who, if l.who.is_empty() { "" } else { ": " }, l.text);
        session::transcript(&self.entries).into_iter().map(line).collect()
    }
}
