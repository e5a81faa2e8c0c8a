//! Service desks: what each of them can do, and how session events are written to the incident's journal.
//!
//! Every incident has a page in the built-in desk. For an incident from another desk, that page mirrors the ticket: it
//! has the ticket's number, and session events are written to both.

mod built_in;
pub mod request_tracker;
pub mod session_start;
mod status;
pub mod sync;

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use live_sessions::SessionRegistry;
use platform::{identity::Identity, outbound::Outbound};
use protocol::{Entry as TimelineEntry, Event, SessionId};
use sea_orm::{DatabaseConnection, EntityTrait};
use session::{Session, TranscriptLine};
use store::tables::{IncidentSource, incident, receiver};

pub use built_in::BuiltIn;
pub use request_tracker::RequestTracker;
pub use status::{Priority, Status, from_word, word};

use crate::{
    config::PublicUrl,
    deliveries::{Deliveries, OutgoingDelivery, Receiver, ReceiverKind},
};

/// An incident as its desk describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    pub subject: String,
    pub description: String,
    /// The customer's name; empty if the desk has none.
    pub customer: String,
    /// The customer's mail address; empty if the desk has none.
    pub email: String,
    /// The status, if the desk's has an equivalent here.
    pub status: Option<Status>,
}

/// A journal entry for a desk.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A session was created for the incident.
    Started { session: SessionId, by: String },
    /// A session event, and the lines of the transcript since the entry before.
    Happened { title: String, lines: Vec<TranscriptLine> },
    /// The complete remote support history: transcript and video are stored.
    History { history: Box<session::History>, transcript: String, video: Option<String> },
    /// A mail to the customer.
    Mail { to: String, subject: String, text: String, by: String, mail: i32, sent: bool },
    /// A screenshot of the customer's screen, by its number.
    Screenshot { session: SessionId, number: u32, by: String },
}

/// A service desk. Errors are sentences for an administrator.
pub trait Desk: Send + Sync {
    /// Reads an incident and its customer by the desk's ticket number.
    fn find<'a>(&'a self, ticket: &'a str) -> BoxFuture<'a, Result<Ticket, String>>;

    /// When each of these tickets last changed, in the desk's own format: a different value means a different state.
    /// Unknown tickets are left out.
    fn changed<'a>(&'a self, tickets: &'a [String]) -> BoxFuture<'a, Result<Vec<(String, String)>, String>>;

    /// Writes a journal entry. With `again`, an entry that already has this mark is not written twice.
    fn write<'a>(
        &'a self,
        ticket: &'a str,
        entry: &'a Entry,
        mark: &'a str,
        again: bool,
    ) -> BoxFuture<'a, Result<String, String>>;

    /// Sends a mail to the incident's customer through the desk; `None` if the desk sends no mails.
    fn mail<'a>(
        &'a self,
        ticket: &'a str,
        subject: &'a str,
        text: &'a str,
    ) -> Option<BoxFuture<'a, Result<String, String>>>;

    /// Checks that the desk can be reached and accepts our credentials.
    fn test(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// What incidents and their sessions need.
pub struct ServiceDesk {
    pub db: DatabaseConnection,
    pub sessions: Arc<SessionRegistry>,
    pub deliveries: Arc<Deliveries>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
    /// The addresses that other desks may have.
    pub outbound: Outbound,
}

impl ServiceDesk {
    /// The service desk behind a receiver; `None` for other kinds of receivers.
    fn of(&self, receiver: &receiver::Model) -> Option<Box<dyn Desk>> {
        match ReceiverKind::of(receiver) {
            ReceiverKind::RequestTracker => Some(Box::new(RequestTracker::new(&self.outbound, receiver))),
            ReceiverKind::Webhook | ReceiverKind::Beyondtrust => None,
        }
    }

    /// The other desk that an incident comes from, and its ticket number there; `None` for the built-in desk.
    pub fn elsewhere(&self, incident: &incident::Model) -> Option<(Box<dyn Desk>, String)> {
        let receivers = self.deliveries.receivers();
        let found = receivers.iter().find(|r| incident.desk == IncidentSource::Desk(r.id))?;
        Some((self.of(found)?, incident.ticket.clone()))
    }
}

/// The delivery that an event leads to at another desk, if any.
pub fn delivery_name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Created { .. } => "desk.started",
        Event::Held { .. } => "desk.held",
        Event::Transferred { .. } | Event::Inherited { .. } | Event::Taken { .. } => "desk.transferred",
        Event::Queued { .. } => "desk.queued",
        Event::Ended { .. } => "desk.ended",
        Event::Stored { .. } => "desk.history",
        Event::KeyIssued { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Joined { .. }
        | Event::Dropped { .. }
        | Event::Returned { .. }
        | Event::Left { .. }
        | Event::Chat { .. }
        | Event::Asked { .. }
        | Event::Granted { .. }
        | Event::Denied { .. }
        | Event::Withdrawn { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::SharingStarted { .. }
        | Event::ScreenResized { .. }
        | Event::MonitorsChanged { .. }
        | Event::InputBlocked { .. }
        | Event::SharingStopped { .. }
        | Event::SharingFailed { .. }
        | Event::RecordingFailed { .. }
        | Event::Reopened { .. }
        | Event::QueueMoved { .. }
        | Event::RoleChanged { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. }
        | Event::ControlWanted { .. }
        | Event::ControlPassed { .. }
        | Event::Noted { .. }
        | Event::Attributed { .. }
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
        | Event::Restarting { .. }
        | Event::ScreenshotTaken { .. }
        | Event::Rated { .. }
        | Event::Recorded { .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => return None,
    })
}

/// Receivers that are Request Trackers. They are told what happens in the sessions of their tickets.
pub struct RequestTrackers {
    pub db: DatabaseConnection,
    pub public_url: PublicUrl,
    pub outbound: Outbound,
}

impl RequestTrackers {
    async fn deliver(&self, what: &OutgoingDelivery) -> Result<String, String> {
        let Some(TimelineEntry { event: Event::Created { incident, .. }, .. }) = what.entries.first() else {
            return Err("The timeline is empty.".into());
        };
        let incident = incident::Entity::find_by_id(incident.id).one(&self.db).await.map_err(|e| e.to_string())?;
        let ticket = incident.ok_or("No such incident.")?.ticket;
        let entry = entry(&self.public_url, &what.session, &what.entries, what.seq());
        let entry = entry.ok_or("The timeline has no such entry.")?;
        let mark = format!("{}-{}", &what.session.as_str()[..8], what.delivery.seq);
        let desk = RequestTracker::new(&self.outbound, &what.receiver);
        // Any attempt but the first may follow one that arrived without its response reaching us.
        desk.write(&ticket, &entry, &mark, what.delivery.attempts > 0).await
    }
}

impl Receiver for RequestTrackers {
    fn catalogue(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn names(&self, receiver: &receiver::Model, _: &Session, desk: IncidentSource, event: &Event) -> Vec<String> {
        let from_there = desk == IncidentSource::Desk(receiver.id);
        delivery_name(event).filter(|_| from_there).map(str::to_owned).into_iter().collect()
    }

    fn send<'a>(&'a self, what: &'a OutgoingDelivery) -> BoxFuture<'a, Result<String, String>> {
        self.deliver(what).boxed()
    }

    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>> {
        async move { RequestTracker::new(&self.outbound, receiver).test().await }.boxed()
    }

    fn is_desk(&self) -> bool {
        true
    }
}

/// The journal entry for an entry of a timeline.
fn entry(public_url: &PublicUrl, id: &SessionId, entries: &[TimelineEntry], seq: u32) -> Option<Entry> {
    let at = entries.iter().position(|e| e.seq == seq)?;
    let event = &entries[at].event;
    if let Event::Created { owner, .. } = event {
        return Some(Entry::Started { session: id.clone(), by: owner.name.clone() });
    }
    if let Event::Stored { recording_bytes, .. } = event {
        let page = format!("{public_url}/console/history/{id}");
        let video = recording_bytes.map(|_| format!("{page}#video"));
        let history = Box::new(session::history(&entries[..=at])?);
        return Some(Entry::History { history, transcript: page, video });
    }
    let before = entries[..at].iter().rposition(|e| delivery_name(&e.event).is_some()).map_or(0, |n| entries[n].seq);
    let mut lines = session::transcript(&entries[..=at]);
    lines.retain(|l| l.seq > before);
    let title = lines.pop().filter(|l| l.seq == seq).map(|l| l.text).unwrap_or_default();
    Some(Entry::Happened { title, lines })
}
