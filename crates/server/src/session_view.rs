//! Sessions as other systems see them, in the REST API and in webhooks.

use std::collections::BTreeMap;

use platform::clock;
use protocol::{Entry, Phase, Presence, Queue, Role, SessionId};
use serde::{Deserialize, Serialize};
use session::{Policy, Session};
use utoipa::ToSchema;

/// The queue of a session.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueName {
    /// The general queue.
    General {},
    /// The queue of a team.
    Team {
        /// The team's name.
        team: String,
    },
    /// A technician's own queue.
    Technician {
        /// The account's number.
        technician: i32,
    },
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No customer has joined yet.
    Waiting,
    Active,
    Held,
    Ended,
}

/// A present or past participant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Person {
    /// The participant's number within the session.
    number: u16,
    #[schema(value_type = String, example = "technician")]
    role: Role,
    name: String,
    /// The technician's account.
    technician: Option<i32>,
    here: bool,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    id: String,
    state: State,
    /// How it ended.
    ending: Option<String>,
    /// The incident's number at its desk.
    incident: String,
    subject: String,
    customer: String,
    queue: Option<QueueName>,
    owner: Option<i32>,
    participants: Vec<Person>,
    attributes: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// Whether transcript and recording are complete and stored.
    stored: bool,
    /// Whether there is a video.
    recorded: bool,
    rating: Option<u8>,
    /// The URL of the session's page in the console.
    page: String,
}

/// The session after these entries; `None` if they do not begin with its creation.
pub fn shown(policy: Policy, public_url: &str, id: &SessionId, entries: &[Entry]) -> Option<SessionView> {
    let session = Session::after(id.clone(), policy, entries);
    let history = session::history(entries)?;
    let incident = session.incident()?.clone();
    let (state, ending) = match session.phase() {
        Phase::Waiting => (State::Waiting, None),
        Phase::Active => (State::Active, None),
        Phase::Held => (State::Held, None),
        Phase::Ended { .. } => (State::Ended, Some(history.ending.clone())),
    };
    let owner = Some(session.owner().id).filter(|id| *id != 0);
    let queue = match session.queue() {
        Queue::General => Some(QueueName::General {}),
        Queue::Team { team } => Some(QueueName::Team { team: team.clone() }),
        Queue::Own => owner.map(|technician| QueueName::Technician { technician }),
    };
    let person = |p: &protocol::Participant| Person {
        number: p.id.0,
        role: p.role,
        name: p.name.clone(),
        technician: p.user,
        here: p.presence == Presence::Here,
    };
    Some(SessionView {
        id: id.to_string(),
        state,
        ending,
        incident: incident.number,
        subject: incident.subject,
        customer: history.customer,
        queue,
        owner,
        participants: session.participants().iter().map(person).collect(),
        attributes: session.attributes().iter().cloned().collect(),
        created: clock::rfc3339(history.started),
        ended: history.ended.map(clock::rfc3339),
        stored: history.stored,
        recorded: history.recording_bytes.is_some(),
        rating: history.rating,
        page: format!("{public_url}/console/history/{id}"),
    })
}
