//! The world: one server, one technician, one customer, and the network between them.

use std::collections::{BTreeMap, VecDeque};

use protocol::{
    Client, Entry, Event, IncidentRef, ParticipantId, Phase, Right, Role, SessionId, SessionState, Timestamp, UserRef,
};
use session::{Actor, Command, Consent, Policy, Session};

use crate::Chance;

/// The technician's number in every world.
pub const TECHNICIAN: ParticipantId = ParticipantId(1);
/// The customer's number in every world.
pub const CUSTOMER: ParticipantId = ParticipantId(2);

/// What the customer, as a person, has really allowed: kept apart from the product's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    view: bool,
    control: bool,
    files: bool,
    paused: bool,
}

#[derive(Clone, Debug)]
enum Packet {
    /// To the server: a command, over the connection of that number.
    Command(ParticipantId, u32, Command),
    /// To the customer's program.
    Update(u32, Vec<Entry>, Box<SessionState>),
    /// To the customer's program: input that the server passed on.
    Input(u32),
}

/// A program or a console, and its connection.
#[derive(Clone, Debug, Default)]
struct Endpoint {
    connection: u32,
    up: bool,
    /// The newest state that it has received.
    have: u32,
    sent: Vec<String>,
}

/// The state of the simulation.
pub struct World {
    chance: Chance,
    now: Timestamp,
    session: Session,
    entries: Vec<Entry>,
    network: BTreeMap<(u64, u64), Packet>,
    packets: u64,
    customer: Endpoint,
    technician: Endpoint,
    consent: Consent,
    seen: Option<SessionState>,
    ledger: Ledger,
    received: VecDeque<String>,
    refused: Vec<String>,
    /// Pictures that left the customer's machine.
    pub pictures: u64,
    /// Input events that reached the customer's desktop.
    pub acts: u64,
    /// Whether the server lies about grants, as a compromised one would.
    pub server_lies: bool,
}

impl World {
    /// The world of a seed, with both people in the session.
    pub fn new(seed: u64) -> Self {
        let id = SessionId::from_random([3; 16]);
        let mut world = Self {
            chance: Chance::new(seed),
            now: Timestamp(1_000_000),
            session: Session::new(id, Policy::default()),
            entries: vec![],
            network: BTreeMap::new(),
            packets: 0,
            customer: Endpoint::default(),
            technician: Endpoint::default(),
            consent: Consent::default(),
            seen: None,
            ledger: Ledger::default(),
            received: VecDeque::new(),
            refused: vec![],
            pictures: 0,
            acts: 0,
            server_lies: false,
        };
        let owner = UserRef { id: 1, name: "Tom".into() };
        let incident = IncidentRef { id: 1, number: "INC-1".into(), subject: "s".into(), customer: "Ada".into() };
        world.act(&Actor::Server, Command::Create { incident, owner: owner.clone(), organisation: "Acme".into() });
        world.act(&Actor::Technician(owner), Command::IssueKey { life: None });
        let join =
            |role, client, user| Command::Join { role, name: "N".into(), client, user, by_role: None, by_key: false };
        world.act(&Actor::Server, join(Role::Technician, Client::Console, Some(1)));
        world.act(&Actor::Server, join(Role::Customer, Client::WindowsProgram, None));
        world.technician.up = true;
        world.connect_customer();
        world
    }

    fn act(&mut self, by: &Actor, command: Command) {
        let chat = match &command {
            Command::Chat { text, .. } => Some(text.clone()),
            _ => None,
        };
        let Ok(events) = self.session.decide(self.now, by, command) else {
            // A chat message during a hold is refused, and the sender learns that.
            self.refused.extend(chat);
            return;
        };
        if events.is_empty() {
            return;
        }
        for event in events {
            self.session.apply(self.now, &event);
            session::oracle::check(&self.session);
            self.entries.push(Entry { seq: self.entries.len() as u32 + 1, at: self.now, event });
        }
        self.send_update();
    }

    fn send_update(&mut self) {
        if self.customer.up {
            let new: Vec<Entry> = self.entries.iter().filter(|e| e.seq > self.customer.have).cloned().collect();
            let mut state = self.session.state();
            if self.server_lies {
                state.grants = Right::ALL.to_vec();
                state.phase = Phase::Active;
            }
            let connection = self.customer.connection;
            self.send(Packet::Update(connection, new, Box::new(state)));
        }
    }

    /// A packet takes 1 to 400 ms; the packets of one connection stay in order, as on one TCP connection.
    fn send(&mut self, packet: Packet) {
        let last = self.network.keys().next_back().map_or(0, |(at, _)| *at);
        let at = (self.now.0 + 1 + self.chance.below(400)).max(last);
        self.packets += 1;
        self.network.insert((at, self.packets), packet);
    }

    fn connect_customer(&mut self) {
        self.customer.connection += 1;
        self.customer.up = true;
        self.consent.connected(true);
        self.act(&Actor::Server, Command::Return { id: CUSTOMER, client: Client::WindowsProgram });
        self.send_update();
        // Messages that did not arrive are sent again.
        let arrived = |text: &String| self.received.contains(text) || self.refused.contains(text);
        let missing: Vec<(u32, String)> =
            (1..).zip(self.customer.sent.iter().cloned()).filter(|(_, t)| !arrived(t)).collect();
        for (nonce, text) in missing {
            self.customer_sends(Command::Chat { text, nonce });
        }
    }

    fn customer_sends(&mut self, command: Command) {
        if self.customer.up {
            let connection = self.customer.connection;
            self.send(Packet::Command(CUSTOMER, connection, command));
        }
    }

    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Command(who, connection, command) => {
                // The packets of a lost connection are lost.
                if who != CUSTOMER || (self.customer.up && connection == self.customer.connection) {
                    self.act(&Actor::Participant(who), command);
                }
            }
            Packet::Update(connection, entries, state) => {
                if self.customer.up && connection == self.customer.connection {
                    let new = entries.into_iter().filter(|e| e.seq > self.customer.have).collect::<Vec<_>>();
                    self.customer.have = new.last().map_or(self.customer.have, |e| e.seq);
                    self.received.extend(new.into_iter().filter_map(|e| match e.event {
                        Event::Chat { text, .. } => Some(text),
                        _ => None,
                    }));
                    self.read_state(&state);
                    self.consent.follow(&state);
                    self.seen = Some(*state);
                }
            }
            Packet::Input(connection) => {
                if self.customer.up && connection == self.customer.connection && self.consent.may_control() {
                    assert!(self.ledger.control && !self.ledger.paused, "input that the customer never allowed");
                    self.acts += 1;
                }
            }
        }
    }

    /// The customer reads that something is no longer allowed; another answer would allow it again.
    fn read_state(&mut self, state: &SessionState) {
        let before = self.seen.as_ref().map(|s| s.grants.clone()).unwrap_or_default();
        let ended_now = state.phase != Phase::Active;
        let ended = |right: Right| ended_now || (before.contains(&right) && !state.grants.contains(&right));
        self.ledger.view &= !ended(Right::View);
        self.ledger.control &= self.ledger.view && !ended(Right::Control);
        self.ledger.files &= !ended(Right::Files);
    }

    /// One step: something happens, and time passes.
    pub fn step(&mut self) {
        match self.chance.below(18) {
            0 => self.send(Packet::Command(TECHNICIAN, 0, Command::Ask { rights: Right::ALL.to_vec() })),
            1 => self.send(Packet::Command(TECHNICIAN, 0, Command::Ask { rights: vec![Right::View] })),
            17 => self.send(Packet::Command(TECHNICIAN, 0, Command::Ask { rights: vec![Right::Files] })),
            2..=4 => self.answer(),
            5 => {
                let right = [Right::View, Right::Control, Right::Files][self.chance.below(3) as usize];
                self.ledger.control &= right == Right::Files;
                self.ledger.view &= right != Right::View;
                self.ledger.files &= right != Right::Files;
                self.consent.withdraw(right);
                self.customer_sends(Command::Withdraw { right });
            }
            6 => {
                self.ledger.paused = !self.ledger.paused;
                self.consent.pause(self.ledger.paused);
                let command =
                    if self.ledger.paused { Command::Pause(protocol::Pause::Customer) } else { Command::Resume };
                self.customer_sends(command);
            }
            7 => self.disconnect(),
            8 if !self.customer.up && !self.has_ended() => self.connect_customer(),
            9 => {
                let nonce = self.customer.sent.len() as u32 + 1;
                let text = format!("message {nonce}");
                self.customer.sent.push(text.clone());
                self.customer_sends(Command::Chat { text, nonce });
            }
            10 if self.chance.once_in(6) => self.send(Packet::Command(TECHNICIAN, 0, Command::Hold)),
            11 => self.act(&Actor::Technician(UserRef { id: 1, name: "Tom".into() }), Command::Reopen),
            12 | 13 if self.session.may_control(TECHNICIAN) || self.server_lies => {
                let connection = self.customer.connection;
                self.send(Packet::Input(connection));
            }
            _ => {}
        }
        let ms = self.chance.below(300);
        self.advance(ms);
        assert!(!self.consent.may(Right::Files) || self.ledger.files, "files that the customer never allowed");
        if self.consent.may_view() {
            assert!(self.ledger.view && !self.ledger.paused, "a picture that the customer never allowed");
            self.pictures += 1;
            self.customer_sends(Command::Picture { width: 8, height: 8 });
        }
    }

    /// The person reads the question on the screen and answers it.
    fn answer(&mut self) {
        let Some(asked) = self.seen.as_ref().map(|s| s.asked.clone()).filter(|a| !a.is_empty()) else { return };
        if !self.customer.up {
            return;
        }
        let rights: Vec<Right> = match self.chance.below(3) {
            0 => vec![],
            1 => asked.iter().copied().filter(|r| *r != Right::Control).collect(),
            _ => asked.clone(),
        };
        if !rights.is_empty() {
            let now = |right, before| if asked.contains(&right) { rights.contains(&right) } else { before };
            let view = now(Right::View, self.ledger.view);
            let control = view && now(Right::Control, self.ledger.control);
            // A pause ends when the picture is allowed again, and by nothing else.
            let paused = self.ledger.paused && (self.ledger.view || !view);
            self.ledger = Ledger { view, control, files: now(Right::Files, self.ledger.files), paused };
        }
        self.consent.answer(&rights, &asked);
        self.customer_sends(Command::Answer { rights });
    }

    fn disconnect(&mut self) {
        if self.customer.up {
            self.customer.up = false;
            self.consent.connected(false);
            self.act(&Actor::Server, Command::Drop { id: CUSTOMER });
        }
    }

    /// Time passes: packets arrive, and due events happen.
    fn advance(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while let Some(entry) = self.network.first_entry().filter(|e| e.key().0 <= end.0) {
            self.now = Timestamp(entry.key().0).max(self.now);
            let packet = entry.remove();
            self.deliver(packet);
        }
        self.now = end;
        self.act(&Actor::Server, Command::Tick);
    }

    /// Whether the session has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.session.phase(), Phase::Ended { .. })
    }

    /// The network recovers and everything arrives: both sides agree, and every message counts once.
    pub fn settle(&mut self) {
        if !self.customer.up && !self.has_ended() {
            self.connect_customer();
        }
        for _ in 0..8 {
            self.advance(1_000);
        }
        if self.has_ended() || self.server_lies {
            return;
        }
        assert_eq!(self.seen.as_ref(), Some(&self.session.state()), "program and server have different states");
        let said = self.entries.iter().filter_map(|e| match &e.event {
            Event::Chat { text, .. } => Some(text.clone()),
            _ => None,
        });
        assert_eq!(
            self.received.iter().cloned().collect::<Vec<_>>(),
            said.collect::<Vec<_>>(),
            "messages were lost or repeated"
        );
        if self.session.phase() == Phase::Active {
            for text in self.customer.sent.iter().filter(|t| !self.refused.contains(t)) {
                let times = self.received.iter().filter(|t| *t == text).count();
                assert_eq!(times, 1, "{text} was stored {times} times");
            }
        }
        let mut again = Session::new(self.session.id().clone(), Policy::default());
        self.entries.iter().for_each(|e| again.apply(e.at, &e.event));
        assert_eq!(again, self.session, "replaying the timeline gives another session");
    }
}
