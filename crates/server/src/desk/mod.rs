//! Service desks: what any of them can do, and how what happens in a session reaches the incident it is about.
//!
//! Every incident has a page in the built-in desk. One that comes from another desk is a mirror there: its number is the
//! other desk's, and what its sessions bring is written into both.

mod built_in;
pub mod request_tracker;
pub mod sync;
pub mod ticket_import;

use futures::future::BoxFuture;
use protocol::{Entry as TimelineEntry, Event, SessionId};
use session::TranscriptLine;
use store::tables::{delivery, incident, receiver};

pub use built_in::BuiltIn;
pub use request_tracker::RequestTracker;

use crate::{api::Status, app::Shared, deliveries::ReceiverKind};

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

/// The desk that a receiver is; `None` for one that is only told what happens.
fn of(app: &Shared, receiver: &receiver::Model) -> Option<Box<dyn Desk>> {
    match ReceiverKind::of(receiver) {
        ReceiverKind::RequestTracker => Some(Box::new(RequestTracker::of(app, receiver))),
        ReceiverKind::Webhook | ReceiverKind::Beyondtrust => None,
    }
}

/// The desk that an incident comes from, and what it calls it. For the built-in one: nothing more to tell.
pub fn elsewhere(app: &Shared, incident: &incident::Model) -> Option<(Box<dyn Desk>, String)> {
    let receivers = app.deliveries.receivers();
    let found = receivers.iter().find(|r| r.id.to_string() == incident.desk)?;
    Some((of(app, found)?, incident.ticket.clone()))
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

/// Tells a desk what happened at this place of a timeline.
pub async fn tell(
    app: &Shared,
    receiver: &receiver::Model,
    delivery: &delivery::Model,
    id: &SessionId,
    entries: &[TimelineEntry],
) -> Result<String, String> {
    use sea_orm::EntityTrait;
    let Some(TimelineEntry { event: Event::Created { incident, .. }, .. }) = entries.first() else {
        return Err("The timeline has no beginning.".into());
    };
    let incident = incident::Entity::find_by_id(incident.id).one(&app.db).await.map_err(|e| e.to_string())?;
    let ticket = incident.ok_or("The incident is gone.")?.ticket;
    let entry = entry(app, id, entries, delivery.seq.cast_unsigned()).ok_or("The timeline has no such entry.")?;
    let mark = format!("{}-{}", &id.as_str()[..8], delivery.seq);
    let desk = of(app, receiver).ok_or("This is no service desk.")?;
    // The first attempt cannot have been heard before; every other one may have been.
    desk.write(&ticket, &entry, &mark, delivery.attempts > 0).await
}

/// What an entry of a timeline says to a desk.
fn entry(app: &Shared, id: &SessionId, entries: &[TimelineEntry], seq: u32) -> Option<Entry> {
    let at = entries.iter().position(|e| e.seq == seq)?;
    let session = id.clone();
    match &entries[at].event {
        Event::Created { owner, .. } => Some(Entry::Started { session, by: owner.name.clone() }),
        Event::Stored { recording_bytes, .. } => {
            let page = format!("{}/console/history/{id}", app.config.public_url);
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
