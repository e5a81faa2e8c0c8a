//! Deliveries to receivers: one queue for each receiver, in the order of events, stored until they are delivered.
//!
//! A delivery is stored in the same transaction as its event, so that none is lost. It refers to an entry of the
//! timeline and has no content, which is read when it is sent. Deliveries of a receiver are sent strictly in order. If
//! one fails it is retried, and after the receiver's time limit it is given up, which the log shows.

mod dispatch;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, RwLock},
};

use futures::{FutureExt, future::BoxFuture};
use live_sessions::Listener;
use protocol::{Entry, Event, SessionId};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryOrder,
};
use serde::{Deserialize, Serialize};
use session::Session;
use store::{
    secrets::{Place, Secrets},
    stored_time,
    tables::{IncidentSource, delivery, incident, receiver},
};
use tokio::sync::Notify;
use ts_rs::TS;

/// The kinds of receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ReceiverKind {
    /// Deskside's own events, as signed JSON.
    Webhook,
    /// BeyondTrust's outbound events.
    Beyondtrust,
    /// A service desk: Request Tracker 5.
    RequestTracker,
}

impl ReceiverKind {
    /// The kind of a stored receiver.
    pub fn of(receiver: &receiver::Model) -> Self {
        match receiver.kind.as_str() {
            "beyondtrust" => Self::Beyondtrust,
            "request_tracker" => Self::RequestTracker,
            _ => Self::Webhook,
        }
    }

    /// The kind's word in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Beyondtrust => "beyondtrust",
            Self::RequestTracker => "request_tracker",
        }
    }
}

/// The states of a delivery.
pub mod state {
    pub const WAITING: &str = "waiting";
    pub const DELIVERED: &str = "delivered";
    pub const GIVEN_UP: &str = "given_up";
    pub const DROPPED: &str = "dropped";
}

/// A kind of receiver.
pub trait Receiver: Send + Sync {
    /// Every event that a receiver can subscribe to, with a description.
    fn catalogue(&self) -> &'static [(&'static str, &'static str)];

    /// The names of the deliveries that an event leads to for a receiver. `before` is the session before the event, and
    /// `desk` the number of the receiver from which the session's incident comes.
    fn names(&self, receiver: &receiver::Model, before: &Session, desk: IncidentSource, event: &Event) -> Vec<String>;

    /// Sends a delivery. Both results are sentences for an administrator.
    fn send<'a>(&'a self, what: &'a OutgoingDelivery) -> BoxFuture<'a, Result<String, String>>;

    /// Sends a test message to a receiver.
    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>>;

    /// Whether it is a service desk, which is told about its own incidents only.
    fn is_desk(&self) -> bool {
        false
    }

    /// Whether the waits between retries grow.
    fn backs_off(&self) -> bool {
        true
    }
}

/// All kinds of receivers.
pub type Kinds = HashMap<ReceiverKind, Box<dyn Receiver>>;

/// A delivery with its session's timeline.
pub struct OutgoingDelivery {
    pub receiver: receiver::Model,
    pub delivery: delivery::Model,
    pub session: SessionId,
    pub entries: Vec<Entry>,
}

impl OutgoingDelivery {
    /// The number of its entry in the timeline.
    pub fn seq(&self) -> u32 {
        self.delivery.seq.cast_unsigned()
    }
}

/// The receivers and their queues.
pub struct Deliveries {
    db: DatabaseConnection,
    secrets: Arc<Secrets>,
    kinds: Kinds,
    receivers: RwLock<Arc<Vec<receiver::Model>>>,
    busy: Mutex<HashSet<i32>>,
    changed: Notify,
}

impl Listener for Deliveries {
    fn enqueue<'a>(
        &'a self,
        db: &'a DatabaseTransaction,
        session: &'a Session,
        entries: &'a [Entry],
    ) -> BoxFuture<'a, Result<bool, DbErr>> {
        self.queue(db, session, entries).boxed()
    }

    fn wake(&self) {
        self.changed.notify_one();
    }
}

impl Deliveries {
    /// Loads the receivers.
    pub async fn open(db: DatabaseConnection, secrets: Arc<Secrets>, kinds: Kinds) -> Result<Arc<Self>, DbErr> {
        let (receivers, busy, changed) = (RwLock::default(), Mutex::default(), Notify::new());
        let all = Self { db, secrets, kinds, receivers, busy, changed };
        all.load().await?;
        Ok(Arc::new(all))
    }

    /// Reloads the receivers after an administrator has changed them.
    pub async fn load(&self) -> Result<(), DbErr> {
        let rows = receiver::Entity::find().order_by_asc(receiver::Column::Id).all(&self.db).await?;
        let rows = rows.into_iter().map(|row| self.opened(row)).collect();
        *self.receivers.write().expect("lock is not poisoned") = Arc::new(rows);
        self.changed.notify_one();
        Ok(())
    }

    /// The receiver with its secret decrypted.
    pub fn opened(&self, row: receiver::Model) -> receiver::Model {
        let secret = self.secrets.unseal_or_nothing(Place::Receiver(row.id), &row.secret);
        receiver::Model { secret, ..row }
    }

    /// All receivers.
    pub fn receivers(&self) -> Arc<Vec<receiver::Model>> {
        self.receivers.read().expect("lock is not poisoned").clone()
    }

    /// The implementation for this kind of receiver.
    pub fn kind(&self, kind: ReceiverKind) -> &dyn Receiver {
        self.kinds.get(&kind).expect("every kind has an implementation").as_ref()
    }

    fn of(&self, receiver: &receiver::Model) -> &dyn Receiver {
        self.kind(ReceiverKind::of(receiver))
    }

    /// Sends a test message to a receiver.
    pub async fn test(&self, receiver: &receiver::Model) -> Result<String, String> {
        self.of(receiver).test(receiver).await
    }

    /// Queues deliveries for these entries. Returns whether there are any. `session` is the state before the entries.
    async fn queue(&self, db: &DatabaseTransaction, session: &Session, entries: &[Entry]) -> Result<bool, DbErr> {
        let receivers = self.receivers();
        let enabled = || receivers.iter().filter(|r| r.enabled);
        if enabled().next().is_none() {
            return Ok(false);
        }
        let has_desk = enabled().any(|receiver| self.of(receiver).is_desk());
        let desk = if has_desk { desk_of(db, session, entries).await? } else { IncidentSource::BuiltIn };
        let (mut before, mut rows) = (session.clone(), Vec::new());
        for entry in entries {
            for receiver in enabled() {
                let names = self.of(receiver).names(receiver, &before, desk, &entry.event);
                let subscribed = names.into_iter().filter(|name| subscribes(receiver, name));
                rows.extend(subscribed.map(|name| row(receiver.id, session.id(), entry, name)));
            }
            before.apply(entry.at, &entry.event);
        }
        let any = !rows.is_empty();
        if any {
            delivery::Entity::insert_many(rows).exec(db).await?;
        }
        Ok(any)
    }
}

/// The desk of a session's incident. A new session's first entry names the incident.
async fn desk_of<C: ConnectionTrait>(db: &C, session: &Session, entries: &[Entry]) -> Result<IncidentSource, DbErr> {
    let first = entries.first().and_then(|e| {
        let Event::Created { incident, .. } = &e.event else { return None };
        Some(incident.id)
    });
    let about = session.incident().map(|i| i.id).or(first).unwrap_or_default();
    Ok(incident::Entity::find_by_id(about).one(db).await?.map(|i| i.desk).unwrap_or_default())
}

fn row(receiver: i32, session: &SessionId, entry: &Entry, event: String) -> delivery::ActiveModel {
    delivery::ActiveModel {
        receiver: Set(receiver),
        session: Set(session.to_string()),
        seq: Set(entry.seq.cast_signed()),
        event: Set(event),
        created: Set(stored_time(entry.at)),
        attempts: Set(0),
        due: Set(stored_time(entry.at)),
        state: Set(state::WAITING.into()),
        answer: Set(String::new()),
        delivered: Set(None),
        ..Default::default()
    }
}

/// Whether a receiver subscribes to this event. The part after a `#` says whom it is about.
fn subscribes(receiver: &receiver::Model, name: &str) -> bool {
    let name = name.split('#').next().unwrap_or(name);
    receiver.events.is_empty() || receiver.events.split(',').any(|event| event == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn receiver(kind: ReceiverKind, events: &str) -> receiver::Model {
        receiver::Model {
            id: 1,
            kind: kind.word().into(),
            name: String::new(),
            url: String::new(),
            secret: String::new(),
            events: events.into(),
            authority: String::new(),
            enabled: true,
            retry_seconds: 5,
            retry_hours: 1,
            created: 0,
        }
    }

    #[test]
    fn a_receiver_gets_the_events_it_subscribes_to() {
        let some = receiver(ReceiverKind::Beyondtrust, "support_conference_end,support_conference_member_added");
        assert!(subscribes(&some, "support_conference_member_added#2") && subscribes(&some, "support_conference_end"));
        assert!(!subscribes(&some, "support_conference_begin"));
        assert!(subscribes(&receiver(ReceiverKind::Webhook, ""), "session.created"));
    }
}
