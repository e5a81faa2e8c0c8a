//! Service desks: what any of them can do, and how what happens in a session reaches the incident it is about.
//!
//! Every incident has a page in the built-in desk. One that comes from another desk is a mirror there: its number is the
//! other desk's, and what its sessions bring is written into both.

mod built_in;
pub mod request_tracker;
mod status;
pub mod sync;
pub mod ticket_import;

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use live_sessions::SessionRegistry;
use platform::{identity::Identity, outbound::Outbound};
use protocol::{Entry as TimelineEntry, Event, SessionId};
use sea_orm::{DatabaseConnection, EntityTrait};
use session::{Session, TranscriptLine};
use store::tables::{incident, receiver};

pub use built_in::BuiltIn;
pub use request_tracker::RequestTracker;
pub use status::{Priority, Status, from_word, word};

use crate::{
    config::PublicUrl,
    deliveries::{Deliveries, Happened, Receive, ReceiverKind},
};

/// An incident as its desk knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    pub subject: String,
    pub description: String,
    /// The customer's name and mail address; empty where the desk does not know.
    pub customer: String,
    pub email: String,
    /// Where it stands, where the desk's word for it has one here.
    pub status: Option<Status>,
}

/// What a desk is told of an incident.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A session was made for it.
    Started { session: SessionId, by: String },
    /// Something happened, and what was said since the entry before.
    Happened { title: String, lines: Vec<TranscriptLine> },
    /// The remote support history, complete: transcript and video are stored.
    History { history: Box<session::History>, transcript: String, video: Option<String> },
    /// A mail to the customer.
    Mail { to: String, subject: String, text: String, by: String, mail: i32, sent: bool },
    /// A picture of the customer's screen, by its number.
    Screenshot { session: SessionId, number: u32, by: String },
}

/// What a service desk can do. Errors are words for an administrator.
pub trait Desk: Send + Sync {
    /// Finds an incident and its customer by what the desk calls it.
    fn find<'a>(&'a self, ticket: &'a str) -> BoxFuture<'a, Result<Ticket, String>>;

    /// When each of these incidents changed last, in the desk's own words: another word means another state. None for
    /// those that it does not know.
    fn changed<'a>(&'a self, tickets: &'a [String]) -> BoxFuture<'a, Result<Vec<(String, String)>, String>>;

    /// Writes a journal entry. With `again`, an entry that carries the mark already is not written twice.
    fn write<'a>(
        &'a self,
        ticket: &'a str,
        entry: &'a Entry,
        mark: &'a str,
        again: bool,
    ) -> BoxFuture<'a, Result<String, String>>;

    /// Sends a mail to the incident's customer in the desk's own way; `None` when mails are not the desk's business.
    fn mail<'a>(
        &'a self,
        ticket: &'a str,
        subject: &'a str,
        text: &'a str,
    ) -> Option<BoxFuture<'a, Result<String, String>>>;

    /// Whether it can be reached and lets us in.
    fn test(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// Everything that is needed for incidents and their sessions.
pub struct ServiceDesk {
    pub db: DatabaseConnection,
    pub sessions: Arc<SessionRegistry>,
    pub deliveries: Arc<Deliveries>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
    /// Where other desks may be.
    pub outbound: Outbound,
}

impl ServiceDesk {
    /// The desk that a receiver is; `None` for one that is only told what happens.
    fn of(&self, receiver: &receiver::Model) -> Option<Box<dyn Desk>> {
        match ReceiverKind::of(receiver) {
            ReceiverKind::RequestTracker => Some(Box::new(RequestTracker::new(&self.outbound, receiver))),
            ReceiverKind::Webhook | ReceiverKind::Beyondtrust => None,
        }
    }

    /// The desk that an incident comes from, and what it calls it. For the built-in one: nothing more to tell.
    pub fn elsewhere(&self, incident: &incident::Model) -> Option<(Box<dyn Desk>, String)> {
        let receivers = self.deliveries.receivers();
        let found = receivers.iter().find(|r| r.id.to_string() == incident.desk)?;
        Some((self.of(found)?, incident.ticket.clone()))
    }
}

/// Which events another desk is told of, by the name of their delivery.
pub fn told(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Created { .. } => "desk.started",
        Event::Held { .. } => "desk.held",
        Event::Transferred { .. } | Event::Inherited { .. } | Event::Taken { .. } => "desk.transferred",
        Event::Queued { .. } => "desk.queued",
        Event::Ended { .. } => "desk.ended",
        Event::Stored { .. } => "desk.history",
        _ => return None,
    })
}

/// Desks of this kind are told what happens in the sessions of their incidents.
pub struct RequestTrackers {
    pub db: DatabaseConnection,
    pub public_url: PublicUrl,
    pub outbound: Outbound,
}

impl RequestTrackers {
    async fn tell(&self, what: &Happened) -> Result<String, String> {
        let Some(TimelineEntry { event: Event::Created { incident, .. }, .. }) = what.entries.first() else {
            return Err("The timeline has no beginning.".into());
        };
        let incident = incident::Entity::find_by_id(incident.id).one(&self.db).await.map_err(|e| e.to_string())?;
        let ticket = incident.ok_or("The incident is gone.")?.ticket;
        let entry = entry(&self.public_url, &what.session, &what.entries, what.seq());
        let entry = entry.ok_or("The timeline has no such entry.")?;
        let mark = format!("{}-{}", &what.session.as_str()[..8], what.delivery.seq);
        let desk = RequestTracker::new(&self.outbound, &what.receiver);
        // The first attempt cannot have been heard before; every other one may have been.
        desk.write(&ticket, &entry, &mark, what.delivery.attempts > 0).await
    }
}

impl Receive for RequestTrackers {
    fn catalogue(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn names(&self, receiver: &receiver::Model, _: &Session, desk: &str, event: &Event) -> Vec<String> {
        let from_there = desk == receiver.id.to_string();
        told(event).filter(|_| from_there).map(str::to_owned).into_iter().collect()
    }

    fn send<'a>(&'a self, what: &'a Happened) -> BoxFuture<'a, Result<String, String>> {
        self.tell(what).boxed()
    }

    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>> {
        async move { RequestTracker::new(&self.outbound, receiver).test().await }.boxed()
    }

    fn is_desk(&self) -> bool {
        true
    }
}

/// What an entry of a timeline says to a desk.
fn entry(public_url: &PublicUrl, id: &SessionId, entries: &[TimelineEntry], seq: u32) -> Option<Entry> {
    let at = entries.iter().position(|e| e.seq == seq)?;
    let session = id.clone();
    match &entries[at].event {
        Event::Created { owner, .. } => Some(Entry::Started { session, by: owner.name.clone() }),
        Event::Stored { recording_bytes, .. } => {
            let page = format!("{public_url}/console/history/{id}");
            let video = recording_bytes.map(|_| format!("{page}#video"));
            let history = Box::new(session::history(&entries[..=at])?);
            Some(Entry::History { history, transcript: page, video })
        }
        _ => {
            let before = entries[..at].iter().rposition(|e| told(&e.event).is_some()).map_or(0, |n| entries[n].seq);
            let mut lines = session::transcript(&entries[..=at]);
            lines.retain(|l| l.seq > before);
            let title = lines.pop().filter(|l| l.seq == seq).map(|l| l.text).unwrap_or_default();
            Some(Entry::Happened { title, lines })
        }
    }
}
