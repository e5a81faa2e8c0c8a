//! Deliveries to receivers: one queue for each receiver, in the order of events, stored until they are delivered.
//!
//! A delivery is stored in the same transaction as its event, so that none is lost. It refers to an entry of the
//! timeline and has no content, which is read when it is sent. Deliveries of a receiver are sent strictly in order. If
//! one fails it is retried, and after the receiver's time limit it is given up, which the log shows.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use live_sessions::{Listener, SessionRegistry};
use platform::clock;
use protocol::{Entry, Event, SessionId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use session::Session;
use store::{
    secrets::{Place, Secrets},
    stored_time,
    tables::{delivery, incident, receiver},
};
use tokio::sync::Notify;
use ts_rs::TS;

/// The longest wait before a retry.
const LONGEST_WAIT_MS: u64 = 15 * 60_000;
/// How long completed deliveries stay in the log.
const LOG_MS: u64 = 30 * 24 * 60 * 60_000;
/// How often the log is purged.
const PURGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The longest interval between two looks at the queues.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// What kind of system a receiver is.
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
pub trait Receive: Send + Sync {
    /// Every event that a receiver can subscribe to, with a description.
    fn catalogue(&self) -> &'static [(&'static str, &'static str)];

    /// The names of the deliveries that an event leads to for a receiver. `before` is the session before the event, and
    /// `desk` the number of the receiver from which the session's incident comes.
    fn names(&self, receiver: &receiver::Model, before: &Session, desk: &str, event: &Event) -> Vec<String>;

    /// Sends a delivery. Both results are sentences for an administrator.
    fn send<'a>(&'a self, what: &'a Happened) -> BoxFuture<'a, Result<String, String>>;

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
pub type Kinds = HashMap<ReceiverKind, Box<dyn Receive>>;

/// A delivery with its session's timeline.
pub struct Happened {
    pub receiver: receiver::Model,
    pub delivery: delivery::Model,
    pub session: SessionId,
    pub entries: Vec<Entry>,
}

impl Happened {
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
    pub fn kind(&self, kind: ReceiverKind) -> &dyn Receive {
        self.kinds.get(&kind).expect("every kind has an implementation").as_ref()
    }

    fn of(&self, receiver: &receiver::Model) -> &dyn Receive {
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
        let desk = if has_desk { desk_of(db, session, entries).await? } else { String::new() };
        let (mut before, mut rows) = (session.clone(), Vec::new());
        for entry in entries {
            for receiver in enabled() {
                let names = self.of(receiver).names(receiver, &before, &desk, &entry.event);
                let wanted = names.into_iter().filter(|name| wants(receiver, name));
                rows.extend(wanted.map(|name| row(receiver.id, session.id(), entry, name)));
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
async fn desk_of<C: ConnectionTrait>(db: &C, session: &Session, entries: &[Entry]) -> Result<String, DbErr> {
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
fn wants(receiver: &receiver::Model, name: &str) -> bool {
    let name = name.split('#').next().unwrap_or(name);
    receiver.events.is_empty() || receiver.events.split(',').any(|wanted| wanted == name)
}

impl Deliveries {
    /// Sends deliveries for as long as the server runs.
    pub async fn run(self: Arc<Self>, sessions: Arc<SessionRegistry>) {
        let mut purge = tokio::time::interval(PURGE_INTERVAL);
        loop {
            if let Err(error) = self.dispatch(&sessions).await {
                tracing::error!(%error, "deliveries not read");
            }
            let wait = self.next_due().await.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL);
            tokio::select! {
                () = self.changed.notified() => {}
                _ = purge.tick() => {
                    if let Err(error) = purge_log(&self.db, clock::now()).await {
                        tracing::error!(%error, "delivery log not purged");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Starts a task for each receiver that has a due delivery and no task yet.
    async fn dispatch(self: &Arc<Self>, sessions: &Arc<SessionRegistry>) -> Result<(), DbErr> {
        let now = clock::now();
        for receiver in self.receivers().iter().filter(|r| r.enabled) {
            let due = head(&self.db, receiver.id).await?.is_some_and(|d| d.due <= stored_time(now));
            if due && self.busy.lock().expect("lock is not poisoned").insert(receiver.id) {
                tokio::spawn(self.clone().drain(sessions.clone(), receiver.clone()));
            }
        }
        Ok(())
    }

    async fn next_due(&self) -> Option<Duration> {
        let mut next: Option<i64> = None;
        for receiver in self.receivers().iter().filter(|r| r.enabled) {
            if self.busy.lock().expect("lock is not poisoned").contains(&receiver.id) {
                continue;
            }
            let due = head(&self.db, receiver.id).await.ok()?.map(|d| d.due);
            next = [next, due].into_iter().flatten().min();
        }
        let wait = next?.saturating_sub(stored_time(clock::now())).max(0);
        Some(Duration::from_millis(wait.cast_unsigned()))
    }

    /// Sends a receiver's deliveries one after the other, until none is due or one fails.
    async fn drain(self: Arc<Self>, sessions: Arc<SessionRegistry>, receiver: receiver::Model) {
        loop {
            let head = match head(&self.db, receiver.id).await {
                Ok(Some(head)) if head.due <= stored_time(clock::now()) => head,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "deliveries not read");
                    break;
                }
            };
            let outcome = self.deliver(&sessions, &receiver, &head).await;
            if let Err(error) = self.store_outcome(&receiver, head, outcome).await {
                // It stays at the head of the queue and is sent again: delivery is at least once.
                tracing::error!(%error, "delivery outcome not stored");
                break;
            }
            if !self.receivers().contains(&receiver) {
                break;
            }
        }
        self.busy.lock().expect("lock is not poisoned").remove(&receiver.id);
        self.wake();
    }

    async fn deliver(
        &self,
        sessions: &Arc<SessionRegistry>,
        receiver: &receiver::Model,
        head: &delivery::Model,
    ) -> Outcome {
        let entries = match SessionId::try_from(head.session.clone()) {
            Ok(id) => sessions.read(&id).await.map(|entries| entries.map(|entries| (id, entries))),
            Err(error) => Err(error.into()),
        };
        let (session, entries) = match entries {
            Ok(Some(found)) => found,
            Ok(None) => return Outcome::Moot("The session was deleted.".into()),
            Err(error) => return Outcome::Failed(format!("The session's timeline cannot be read: {error}.")),
        };
        let what = Happened { receiver: receiver.clone(), delivery: head.clone(), session, entries };
        self.of(receiver).send(&what).await.into()
    }

    async fn store_outcome(
        &self,
        receiver: &receiver::Model,
        head: delivery::Model,
        outcome: Outcome,
    ) -> Result<(), DbErr> {
        let now = clock::now();
        let (attempts, created) = (head.attempts + 1, Timestamp(head.created.cast_unsigned()));
        let mut row: delivery::ActiveModel = head.into();
        row.attempts = Set(attempts);
        match next(receiver, self.of(receiver).backs_off(), attempts, (created, now), outcome) {
            Next::Over { state, answer } => {
                row.state = Set(state.into());
                row.delivered = Set((state == state::DELIVERED).then(|| stored_time(now)));
                row.answer = Set(answer);
            }
            Next::Again { at, answer } => {
                tracing::warn!(receiver = receiver.id, "delivery failed");
                row.due = Set(stored_time(at));
                row.answer = Set(answer);
            }
        }
        row.update(&self.db).await?;
        Ok(())
    }

    /// Queues a delivery again, at an administrator's request.
    pub async fn again(&self, found: delivery::Model) -> Result<delivery::Model, DbErr> {
        let mut row: delivery::ActiveModel = found.into();
        row.state = Set(state::WAITING.into());
        row.due = Set(stored_time(clock::now()));
        // The receiver's time limit starts again.
        row.created = Set(stored_time(clock::now()));
        let row = row.update(&self.db).await?;
        self.wake();
        Ok(row)
    }
}

/// Removes completed deliveries that are older than the log keeps.
async fn purge_log(db: &DatabaseConnection, now: Timestamp) -> Result<(), DbErr> {
    let old = delivery::Column::Created.lt(stored_time(Timestamp(now.0.saturating_sub(LOG_MS))));
    let over = delivery::Column::State.ne(state::WAITING);
    delivery::Entity::delete_many().filter(old).filter(over).exec(db).await?;
    Ok(())
}

/// The first waiting delivery of a receiver.
async fn head(db: &DatabaseConnection, receiver: i32) -> Result<Option<delivery::Model>, DbErr> {
    delivery::Entity::find()
        .filter(delivery::Column::Receiver.eq(receiver))
        .filter(delivery::Column::State.eq(state::WAITING))
        .order_by_asc(delivery::Column::Id)
        .limit(1)
        .one(db)
        .await
}

/// The outcome of an attempt.
pub enum Outcome {
    /// Delivered, with the receiver's response in a few words.
    Delivered(String),
    /// Failed for this reason.
    Failed(String),
    /// There is nothing to deliver any more, for this reason.
    Moot(String),
}

impl From<Result<String, String>> for Outcome {
    fn from(result: Result<String, String>) -> Self {
        match result {
            Ok(answer) => Self::Delivered(answer),
            Err(why) => Self::Failed(why),
        }
    }
}

/// What happens to a delivery after an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Over {
        state: &'static str,
        answer: String,
    },
    /// It stays at the head of its queue, and is retried at this time.
    Again {
        at: Timestamp,
        answer: String,
    },
}

/// What follows from an outcome, given the number of attempts and the time of the event.
fn next(
    receiver: &receiver::Model,
    backs_off: bool,
    attempts: i32,
    (created, now): (Timestamp, Timestamp),
    outcome: Outcome,
) -> Next {
    match outcome {
        Outcome::Delivered(answer) => Next::Over { state: state::DELIVERED, answer },
        Outcome::Moot(answer) => Next::Over { state: state::DROPPED, answer },
        Outcome::Failed(answer) => {
            let limit = u64::from(receiver.retry_hours.max(0).cast_unsigned()) * 60 * 60_000;
            if limit > 0 && now.since(created) >= limit {
                Next::Over { state: state::GIVEN_UP, answer }
            } else {
                Next::Again { at: now.plus(retry_wait(receiver, backs_off, attempts)), answer }
            }
        }
    }
}

/// How long to wait before the next attempt, in milliseconds.
fn retry_wait(receiver: &receiver::Model, backs_off: bool, attempts: i32) -> u64 {
    let first = u64::from(receiver.retry_seconds.max(1).cast_unsigned()) * 1_000;
    let doubled = if backs_off { attempts.saturating_sub(1).clamp(0, 20) } else { 0 };
    (first << doubled).min(LONGEST_WAIT_MS.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(kind: ReceiverKind, events: &str) -> receiver::Model {
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
    fn waits_double_up_to_a_quarter_of_an_hour_and_beyondtrusts_do_not() {
        let hook = receiver(ReceiverKind::Webhook, "");
        let waits = [1, 2, 3, 8, 9, 100, i32::MAX].map(|n| retry_wait(&hook, true, n) / 1_000);
        assert_eq!(waits, [5, 10, 20, 640, 900, 900, 900]);
        let old = receiver(ReceiverKind::Beyondtrust, "");
        assert_eq!([1, 2, 100].map(|n| retry_wait(&old, false, n) / 1_000), [5, 5, 5]);
    }

    #[test]
    fn failures_are_retried_until_the_time_limit() {
        let hook = receiver(ReceiverKind::Webhook, "");
        let hour = 60 * 60_000;
        let at = |now| next(&hook, true, 1, (Timestamp(0), Timestamp(now)), Outcome::Failed("503".into()));
        assert_eq!(at(hour - 1), Next::Again { at: Timestamp(hour - 1 + 5_000), answer: "503".into() });
        assert_eq!(at(hour), Next::Over { state: state::GIVEN_UP, answer: "503".into() });
        let unlimited = receiver::Model { retry_hours: 0, ..hook.clone() };
        let later = next(&unlimited, true, 99, (Timestamp(0), Timestamp(1_000 * hour)), Outcome::Failed(String::new()));
        assert!(matches!(later, Next::Again { .. }), "there is no limit");
        let dropped = next(&hook, true, 1, (Timestamp(0), Timestamp(0)), Outcome::Moot("deleted".into()));
        assert_eq!(dropped, Next::Over { state: state::DROPPED, answer: "deleted".into() });
    }

    #[test]
    fn a_receiver_gets_the_events_it_subscribes_to() {
        let some = receiver(ReceiverKind::Beyondtrust, "support_conference_end,support_conference_member_added");
        assert!(wants(&some, "support_conference_member_added#2") && wants(&some, "support_conference_end"));
        assert!(!wants(&some, "support_conference_begin"));
        assert!(wants(&receiver(ReceiverKind::Webhook, ""), "session.created"));
    }
}
