//! The connections of a session. Messages that are not stored are sent from here without waiting for the disk, so that
//! a key press never does.

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard},
};

use protocol::{ByeReason, Entry, Input, ParticipantId, Phase, Presence, Role, ServerMessage, Timestamp};
use session::Session;
use tokio::sync::{mpsc, oneshot};

use super::job::{self, JobRequest};

/// How many messages may wait for one connection. A peer that falls further behind is disconnected, and reconnects.
const QUEUE: usize = 1_024;
/// Most connections of one participant: a few browser tabs. Another one closes the oldest.
const CONNECTIONS: usize = 8;

/// Resolves when the server closes a connection, even if its peer does not read.
pub type Detached = oneshot::Receiver<Infallible>;

/// A participant's connection.
struct Peer {
    id: u64,
    who: ParticipantId,
    role: Role,
    messages: mpsc::Sender<ServerMessage>,
    input: Option<mpsc::Sender<Input>>,
    jobs: Option<mpsc::Sender<JobRequest>>,
    /// Dropped with this entry, which resolves the connection's [`Detached`].
    _attached: oneshot::Sender<Infallible>,
}

/// The receiving ends of a new connection's queues.
pub(super) struct Queues {
    pub id: u64,
    pub messages: mpsc::Receiver<ServerMessage>,
    pub input: Option<mpsc::Receiver<Input>>,
    pub jobs: Option<mpsc::Receiver<JobRequest>>,
    pub detached: Detached,
}

/// All connections of a session.
#[derive(Default)]
pub(super) struct Attachments(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: Vec<Peer>,
    last: u64,
}

impl Attachments {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// Adds a connection. A support program also receives input and jobs.
    pub fn add(&self, who: ParticipantId, role: Role, is_program: bool) -> Queues {
        let (messages, messages_queue) = mpsc::channel(QUEUE);
        let (input, input_queue) = mpsc::channel(QUEUE);
        let (jobs, jobs_queue) = mpsc::channel(job::WAITING);
        let (attached, detached) = oneshot::channel();
        let mut inner = self.inner();
        let others: Vec<u64> = inner.all.iter().filter(|a| a.who == who).map(|a| a.id).collect();
        if let Some(oldest) = others.first().filter(|_| others.len() >= CONNECTIONS) {
            inner.all.retain(|a| a.id != *oldest);
        }
        inner.last += 1;
        let id = inner.last;
        let (input, jobs) = (is_program.then_some(input), is_program.then_some(jobs));
        inner.all.push(Peer { id, who, role, messages, input, jobs, _attached: attached });
        let (input, jobs) = (is_program.then_some(input_queue), is_program.then_some(jobs_queue));
        Queues { id, messages: messages_queue, input, jobs, detached }
    }

    /// Removes a connection. Returns whether it was its participant's last one.
    pub fn remove(&self, id: u64, who: ParticipantId) -> bool {
        self.inner().all.retain(|a| a.id != id);
        !self.has(who)
    }

    /// Whether somebody has a connection.
    pub fn has(&self, who: ParticipantId) -> bool {
        self.inner().all.iter().any(|a| a.who == who)
    }

    /// Closes a participant's existing connections, because a new one takes their place.
    pub fn replace(&self, who: ParticipantId) {
        for old in self.inner().all.extract_if(.., |a| a.who == who) {
            let _ = old.messages.try_send(ServerMessage::Bye { reason: ByeReason::Elsewhere });
        }
    }

    /// Sends new entries and the resulting state to every connection, and closes those that may not stay.
    pub fn broadcast(&self, session: &Session, entries: &[Entry], now: Timestamp) {
        let state = session.state();
        let over = |a: &Peer| match state.phase {
            Phase::Ended { .. } => true,
            Phase::Held => a.role != Role::Customer,
            Phase::Waiting | Phase::Active => session.participant(a.who).is_none_or(|p| p.presence == Presence::Gone),
        };
        self.inner().all.retain(|a| {
            let permits = session.permits(now, a.who);
            let news = entries.iter().filter(|e| sees_private(a.role) || !e.event.is_private());
            let news = news.map(|entry| ServerMessage::Happened { entry: entry.clone() });
            let state = ServerMessage::State { state: Box::new(state.clone()), permits };
            let sent = news.chain([state]).all(|message| a.messages.try_send(message).is_ok());
            sent && !over(a)
        });
    }

    /// Sends a message that is not stored to everybody but its sender.
    pub fn to_others(&self, from: ParticipantId, message: &ServerMessage) {
        self.send(message, |a| a.who != from);
    }

    /// Sends a message that is not stored to the customer.
    pub fn to_customer(&self, message: &ServerMessage) {
        self.send(message, |a| a.role == Role::Customer);
    }

    fn send(&self, message: &ServerMessage, to: impl Fn(&Peer) -> bool) {
        for attachment in self.inner().all.iter().filter(|a| to(a)) {
            let _ = attachment.messages.try_send(message.clone());
        }
    }

    /// The input queue of the customer's program.
    pub fn input(&self) -> Option<mpsc::Sender<Input>> {
        self.inner().all.iter().find_map(|a| a.input.clone())
    }

    /// The job queue of the customer's program.
    pub fn jobs(&self) -> Option<mpsc::Sender<JobRequest>> {
        self.inner().all.iter().find_map(|a| a.jobs.clone())
    }
}

/// Whether this role sees private entries such as notes: only the organisation's own people do.
pub(super) fn sees_private(role: Role) -> bool {
    matches!(role, Role::Technician | Role::Supervisor)
}
