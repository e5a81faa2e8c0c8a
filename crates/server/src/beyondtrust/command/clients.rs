//! Connected clients: technicians' consoles, and customers in sessions.

use std::sync::Arc;

use live_sessions::SessionRegistry;
use platform::identity::Identity;
use protocol::{Client, Entry, ParticipantId, Phase, Presence, Role, SessionId, Timestamp};
use sea_orm::DatabaseConnection;

use super::{CommandServices, Failed, failed, iso};
use crate::{
    beyondtrust::{
        appliance, people,
        presence::PresenceChange,
        request_params::RequestParams,
        xml::{Element, element, text},
    },
    organisation::Organisation,
};

/// How many events of a connection are listed.
const MAX_EVENTS: usize = 20;
/// How many clients a request may name.
const MAX_IDS: usize = 100;

/// The kinds of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Representative,
    Customer,
    /// Deskside has neither presentations nor agents.
    PresentationAttendee,
    PushAgent,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Representative, Self::Customer, Self::PresentationAttendee, Self::PushAgent];

    fn word(self) -> &'static str {
        match self {
            Self::Representative => "representative",
            Self::Customer => "support_customer",
            Self::PresentationAttendee => "presentation_attendee",
            Self::PushAgent => "push_agent",
        }
    }
}

/// The identity of a client.
#[derive(Debug)]
pub enum Who {
    Rep { id: i32, login: String },
    Customer(SessionId),
}

/// A connected client.
#[derive(Debug)]
pub struct Connected {
    pub who: Who,
    pub name: String,
    pub client: Client,
    /// When its connection was made.
    pub since: Timestamp,
    /// The events of its connections, in order.
    pub log: Vec<(Timestamp, &'static str)>,
}

impl Connected {
    fn kind(&self) -> Kind {
        match self.who {
            Who::Rep { .. } => Kind::Representative,
            Who::Customer(_) => Kind::Customer,
        }
    }

    /// Its id while it is connected.
    fn id(&self) -> String {
        match &self.who {
            Who::Rep { id, .. } => id.to_string(),
            Who::Customer(session) => session.to_string(),
        }
    }

    /// The short and the long name of its platform.
    pub fn platform(&self) -> (&'static str, &'static str) {
        match self.client {
            Client::Program => ("linux-64", "Linux® (x64)"),
            Client::WindowsProgram | Client::WindowsAdministrator => ("windows-64", "Windows® (x64)"),
            Client::Browser | Client::Console => ("web", "Web"),
        }
    }

    fn connections(&self, identity: &Identity) -> Element {
        let connection = element("client_connection")
            .child(element("appliance").with("id", appliance(identity)))
            .child(text("purpose", "primary"))
            .child(text("receive_traffic_node", 0))
            .child(since(self.since))
            .child(text("private_ip", "Unknown"));
        let log = self.log.iter().map(|(at, what)| text("event", what).with("timestamp", at.0 / 1_000));
        element("client_connections").child(connection).child(element("event_log").children(log))
    }

    fn shown(&self, identity: &Identity, with_connections: bool) -> Element {
        let shown = element(&format!("connected_{}", self.kind().word())).with("id", self.id());
        let shown = shown.children(with_connections.then(|| self.connections(identity)));
        let shown = match &self.who {
            Who::Rep { login, .. } => shown.child(text("username", login)).child(text("display_name", &self.name)),
            Who::Customer(session) => shown.child(text("display_name", &self.name)).child(text("lsid", session)),
        };
        let (id, platform) = self.platform();
        shown
            .child(text("hostname", "Unknown"))
            .child(text("platform", platform).with("id", id))
            .child(text("timezone_offset", 0))
            .child(since(self.since))
    }
}

fn since(at: Timestamp) -> Element {
    text("connected_since", iso(at.0)).with("ts", at.0 / 1_000)
}

/// The connection events of a participant.
fn log(entries: &[Entry], who: ParticipantId) -> Vec<(Timestamp, &'static str)> {
    let reported = |entry: &Entry| {
        let (id, what) = match PresenceChange::of(&entry.event)? {
            PresenceChange::Joined(id) => (id, "Connected"),
            PresenceChange::Returned(id) => (id, "Reconnected"),
            PresenceChange::Dropped(id) => (id, "Connection lost"),
            PresenceChange::Left(id) => (id, "Disconnected"),
            PresenceChange::Interrupted => return None,
        };
        (id == who).then_some((entry.at, what))
    };
    let all: Vec<_> = entries.iter().filter_map(reported).collect();
    all[all.len().saturating_sub(MAX_EVENTS)..].to_vec()
}

/// All connected clients.
pub async fn connected(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    organisation: &Organisation,
) -> Result<Vec<Connected>, sea_orm::DbErr> {
    let mut clients = Vec::new();
    for rep in people::logged_in(db, organisation).await? {
        let since = people::signed_in_since(db, rep.id).await?;
        clients.push(Connected {
            who: Who::Rep { id: rep.id, login: rep.login },
            name: rep.name,
            client: Client::Console,
            since,
            log: vec![(since, "Connected")],
        });
    }
    for live in sessions.all() {
        let here = |p: &&protocol::Participant| p.role == Role::Customer && p.presence == Presence::Here;
        let customer = live.read(|s| match s.phase() {
            Phase::Ended { .. } => None,
            Phase::Waiting | Phase::Active | Phase::Held => s.participants().iter().find(here).cloned(),
        });
        let Some(customer) = customer.await else { continue };
        let log = log(&live.entries().await, customer.id);
        let issued = log.iter().rev().find(|(_, what)| matches!(*what, "Connected" | "Reconnected"));
        clients.push(Connected {
            who: Who::Customer(live.id.clone()),
            name: customer.name,
            client: customer.client,
            since: issued.map_or(Timestamp(0), |(at, _)| *at),
            log,
        });
    }
    Ok(clients)
}

fn kinds(params: &RequestParams) -> Result<Vec<Kind>, Failed> {
    let wanted = params.get("type").unwrap_or("all");
    let mut kinds = Vec::new();
    for name in wanted.split(',').map(str::trim) {
        match Kind::ALL.into_iter().find(|kind| kind.word() == name) {
            Some(kind) => kinds.push(kind),
            None if name == "all" => kinds.extend(Kind::ALL),
            None => return failed("Invalid value for type"),
        }
    }
    kinds.dedup();
    Ok(kinds)
}

/// `get_connected_client_list`
pub async fn list(services: &CommandServices, params: &RequestParams) -> Result<Element, Failed> {
    let kinds = kinds(params)?;
    let CommandServices { db, identity, sessions, organisation, .. } = services;
    let clients = connected(db, sessions, organisation).await?;
    let counts = kinds.iter().map(|kind| {
        let count = clients.iter().filter(|c| c.kind() == *kind).count();
        text("count", count).with("type", kind.word())
    });
    let summary = element("appliance_summary").with("id", appliance(identity)).children(counts);
    let list = element("connected_client_list").child(element("connected_client_summary").child(summary));
    if params.flag("summary_only") {
        return Ok(list);
    }
    let shown = clients.iter().filter(|c| kinds.contains(&c.kind()));
    Ok(list.children(shown.map(|c| element("connected_client").with("type", c.kind().word()).with("id", c.id()))))
}

/// `get_connected_clients`
pub async fn details(services: &CommandServices, params: &RequestParams) -> Result<Element, Failed> {
    let kinds = kinds(params)?;
    let ids: Option<Vec<&str>> = params.get("id").map(|ids| ids.split(',').map(str::trim).collect());
    if ids.as_ref().is_some_and(|ids| ids.len() > MAX_IDS) {
        return failed(format!("At most {MAX_IDS} ids may be given."));
    }
    let CommandServices { db, identity, sessions, organisation, .. } = services;
    let clients = connected(db, sessions, organisation).await?;
    let wanted = clients.iter().filter(|c| kinds.contains(&c.kind()));
    let wanted = wanted.filter(|c| ids.as_ref().is_none_or(|ids| ids.contains(&c.id().as_str())));
    let with_connections = params.flag("include_connections");
    Ok(element("connected_clients").children(wanted.map(|c| c.shown(identity, with_connections))))
}

#[cfg(test)]
mod tests {
    use protocol::Event;

    use super::*;

    #[test]
    fn a_log_ends_with_the_newest_and_is_bounded() {
        let who = ParticipantId(1);
        let entry = |n: u32| Entry {
            seq: n,
            at: Timestamp(u64::from(n)),
            event: if n.is_multiple_of(2) { Event::Dropped { id: who } } else { Event::Left { id: ParticipantId(2) } },
        };
        let entries: Vec<Entry> = (0..100).map(entry).collect();
        let log = log(&entries, who);
        assert_eq!((log.len(), log[19]), (MAX_EVENTS, (Timestamp(98), "Connection lost")));
    }
}
