//! What other systems are told: one queue a receiver, in the order in which it happened, kept until it has arrived.
//!
//! A delivery is written in the same transaction as what it tells of, so nothing that happened goes untold. It names its
//! place in the timeline and nothing of what was said there: that is read when it leaves. Nothing overtakes the head of
//! a queue; a receiver that is away is tried again, and after its patience the head is given up, visibly.

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

/// The longest pause before something is tried again.
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;
/// What was delivered, given up or dropped stays so long in the log.
const LOG_MS: u64 = 30 * 24 * 60 * 60_000;
/// How often the log is shortened.
const SHORTEN_LOG: Duration = Duration::from_secs(10 * 60);
/// The dispatcher looks at least so often.
const LOOK: Duration = Duration::from_secs(30);

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

    /// As the database keeps it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Beyondtrust => "beyondtrust",
            Self::RequestTracker => "request_tracker",
        }
    }
}

/// How a delivery stands.
pub mod state {
    pub const WAITING: &str = "waiting";
    pub const DELIVERED: &str = "delivered";
    pub const GIVEN_UP: &str = "given_up";
    pub const DROPPED: &str = "dropped";
}

/// A kind of system that is told what happens.
pub trait Receive: Send + Sync {
    /// Every event that a receiver can ask for, and what it says.
    fn catalogue(&self) -> &'static [(&'static str, &'static str)];

    /// The deliveries that an event means to a receiver. `before` is the session before it, and `desk` the number of the
    /// receiver that the session's incident comes from.
    fn names(&self, receiver: &receiver::Model, before: &Session, desk: &str, event: &Event) -> Vec<String>;

    /// Tells a receiver what happened. Both outcomes are words for an administrator.
    fn send<'a>(&'a self, what: &'a Happened) -> BoxFuture<'a, Result<String, String>>;

    /// Asks a receiver to take something that means nothing.
    fn test<'a>(&'a self, receiver: &'a receiver::Model) -> BoxFuture<'a, Result<String, String>>;

    /// Whether incidents come from there, so that it is told of those only.
    fn is_desk(&self) -> bool {
        false
    }

    /// Whether it is tried less and less often while it fails.
    fn backs_off(&self) -> bool {
        true
    }
}

/// The kinds that there are.
pub type Kinds = HashMap<ReceiverKind, Box<dyn Receive>>;

/// What a receiver is told.
pub struct Happened {
    pub receiver: receiver::Model,
    pub delivery: delivery::Model,
    pub session: SessionId,
    pub entries: Vec<Entry>,
}

impl Happened {
    /// The place in the timeline.
    pub fn seq(&self) -> u32 {
        self.delivery.seq.cast_unsigned()
    }
}

/// The receivers, and who is being told right now.
pub struct Deliveries {
    db: DatabaseConnection,
    secrets: Arc<Secrets>,
    kinds: Kinds,
    receivers: RwLock<Arc<Vec<receiver::Model>>>,
    busy: Mutex<HashSet<i32>>,
    news: Notify,
}

impl Listener for Deliveries {
    fn enqueue<'a>(
        &'a self,
        db: &'a DatabaseTransaction,
        session: &'a Session,
        entries: &'a [Entry],
    ) -> BoxFuture<'a, Result<bool, DbErr>> {
        self.note(db, session, entries).boxed()
    }

    fn wake(&self) {
        self.news.notify_one();
    }
}

impl Deliveries {
    /// Reads the receivers.
    pub async fn open(db: DatabaseConnection, secrets: Arc<Secrets>, kinds: Kinds) -> Result<Arc<Self>, DbErr> {
        let (receivers, busy, news) = (RwLock::default(), Mutex::default(), Notify::new());
        let all = Self { db, secrets, kinds, receivers, busy, news };
        all.load().await?;
        Ok(Arc::new(all))
    }

    /// Reads the receivers anew: an administrator has changed them.
    pub async fn load(&self) -> Result<(), DbErr> {
        let rows = receiver::Entity::find().order_by_asc(receiver::Column::Id).all(&self.db).await?;
        let rows = rows.into_iter().map(|row| self.opened(row)).collect();
        *self.receivers.write().expect("nobody panics while holding the receivers") = Arc::new(rows);
        self.news.notify_one();
        Ok(())
    }

    /// A receiver with its secret as it is used.
    pub fn opened(&self, row: receiver::Model) -> receiver::Model {
        let secret = self.secrets.unseal_or_nothing(Place::Receiver(row.id), &row.secret);
        receiver::Model { secret, ..row }
    }

    /// All receivers.
    pub fn receivers(&self) -> Arc<Vec<receiver::Model>> {
        self.receivers.read().expect("nobody panics while holding the receivers").clone()
    }

    /// What systems of this kind can do.
    pub fn kind(&self, kind: ReceiverKind) -> &dyn Receive {
        self.kinds.get(&kind).expect("every kind was given when this was opened").as_ref()
    }

    fn of(&self, receiver: &receiver::Model) -> &dyn Receive {
        self.kind(ReceiverKind::of(receiver))
    }

    /// Asks a receiver to take something that means nothing.
    pub async fn test(&self, receiver: &receiver::Model) -> Result<String, String> {
        self.of(receiver).test(receiver).await
    }

    /// Queues what these entries mean to each receiver; whether there was anything. `session` is as it was before them.
    async fn note(&self, db: &DatabaseTransaction, session: &Session, entries: &[Entry]) -> Result<bool, DbErr> {
        let receivers = self.receivers();
        let enabled = || receivers.iter().filter(|r| r.enabled);
        if enabled().next().is_none() {
            return Ok(false);
        }
        let asks_desk = enabled().any(|receiver| self.of(receiver).is_desk());
        let desk = if asks_desk { desk_of(db, session, entries).await? } else { String::new() };
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

/// The desk of the incident that a session is about; its first entry says which that is.
async fn desk_of<C: ConnectionTrait>(db: &C, session: &Session, entries: &[Entry]) -> Result<String, DbErr> {
    let first = entries.first().and_then(|e| match &e.event {
        protocol::Event::Created { incident, .. } => Some(incident.id),
        _ => None,
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

/// Whether a receiver has asked for this event. What stands behind a `#` says whom it is about.
fn wants(receiver: &receiver::Model, name: &str) -> bool {
    let name = name.split('#').next().unwrap_or(name);
    receiver.events.is_empty() || receiver.events.split(',').any(|wanted| wanted == name)
}

impl Deliveries {
    /// Delivers, as long as the server runs.
    pub async fn run(self: Arc<Self>, sessions: Arc<SessionRegistry>) {
        let mut shorten = tokio::time::interval(SHORTEN_LOG);
        loop {
            if let Err(error) = self.look(&sessions).await {
                tracing::error!(%error, "the outbox cannot be read; it is tried again");
            }
            let pause = self.next_due().await.unwrap_or(LOOK).min(LOOK);
            tokio::select! {
                () = self.news.notified() => {}
                _ = shorten.tick() => {
                    if let Err(error) = forget_old(&self.db, clock::now()).await {
                        tracing::error!(%error, "the log of deliveries cannot be shortened");
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts whoever has something to be told and is not being told already.
    async fn look(self: &Arc<Self>, sessions: &Arc<SessionRegistry>) -> Result<(), DbErr> {
        let now = clock::now();
        for receiver in self.receivers().iter().filter(|r| r.enabled) {
            let due = head(&self.db, receiver.id).await?.is_some_and(|d| d.due <= stored_time(now));
            if due && self.busy.lock().expect("nobody panics while holding who is told").insert(receiver.id) {
                tokio::spawn(self.clone().tell(sessions.clone(), receiver.clone()));
            }
        }
        Ok(())
    }

    async fn next_due(&self) -> Option<Duration> {
        let mut next: Option<i64> = None;
        for receiver in self.receivers().iter().filter(|r| r.enabled) {
            if self.busy.lock().expect("nobody panics while holding who is told").contains(&receiver.id) {
                continue;
            }
            let due = head(&self.db, receiver.id).await.ok()?.map(|d| d.due);
            next = [next, due].into_iter().flatten().min();
        }
        let wait = next?.saturating_sub(stored_time(clock::now())).max(0);
        Some(Duration::from_millis(wait.cast_unsigned()))
    }

    /// Tells a receiver one thing after the other, until there is nothing more or it does not take it.
    async fn tell(self: Arc<Self>, sessions: Arc<SessionRegistry>, receiver: receiver::Model) {
        loop {
            let head = match head(&self.db, receiver.id).await {
                Ok(Some(head)) if head.due <= stored_time(clock::now()) => head,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read");
                    break;
                }
            };
            let outcome = self.deliver(&sessions, &receiver, &head).await;
            if let Err(error) = self.finish(&receiver, head, outcome).await {
                // It stays at the head of the queue, and is told again: at least once is what a receiver is promised.
                tracing::error!(%error, "what became of a delivery cannot be written down");
                break;
            }
            let still = self.receivers().contains(&receiver);
            if !still {
                break;
            }
        }
        self.busy.lock().expect("nobody panics while holding who is told").remove(&receiver.id);
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

    async fn finish(&self, receiver: &receiver::Model, head: delivery::Model, outcome: Outcome) -> Result<(), DbErr> {
        let now = clock::now();
        let (attempts, created) = (head.attempts + 1, Timestamp(head.created.cast_unsigned()));
        let mut row: delivery::ActiveModel = head.into();
        row.attempts = Set(attempts);
        match judge(receiver, self.of(receiver).backs_off(), attempts, (created, now), outcome) {
            Next::Over { state, answer } => {
                row.state = Set(state.into());
                row.delivered = Set((state == state::DELIVERED).then(|| stored_time(now)));
                row.answer = Set(answer);
            }
            Next::Again { at, answer } => {
                tracing::warn!(receiver = receiver.id, "a delivery failed");
                row.due = Set(stored_time(at));
                row.answer = Set(answer);
            }
        }
        row.update(&self.db).await?;
        Ok(())
    }

    /// Lets an administrator try something again now, or drop it.
    pub async fn again(&self, found: delivery::Model) -> Result<delivery::Model, DbErr> {
        let mut row: delivery::ActiveModel = found.into();
        row.state = Set(state::WAITING.into());
        row.due = Set(stored_time(clock::now()));
        // Its patience begins anew.
        row.created = Set(stored_time(clock::now()));
        let row = row.update(&self.db).await?;
        self.wake();
        Ok(row)
    }
}

/// Forgets what is over and older than the log reaches.
async fn forget_old(db: &DatabaseConnection, now: Timestamp) -> Result<(), DbErr> {
    let old = delivery::Column::Created.lt(stored_time(Timestamp(now.0.saturating_sub(LOG_MS))));
    let over = delivery::Column::State.ne(state::WAITING);
    delivery::Entity::delete_many().filter(old).filter(over).exec(db).await?;
    Ok(())
}

/// What a receiver is told next.
async fn head(db: &DatabaseConnection, receiver: i32) -> Result<Option<delivery::Model>, DbErr> {
    delivery::Entity::find()
        .filter(delivery::Column::Receiver.eq(receiver))
        .filter(delivery::Column::State.eq(state::WAITING))
        .order_by_asc(delivery::Column::Id)
        .limit(1)
        .one(db)
        .await
}

/// What became of an attempt.
pub enum Outcome {
    /// The receiver has it; its answer in a few words.
    Delivered(String),
    /// It does not; why.
    Failed(String),
    /// There is nothing to tell any more.
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

/// What happens to a delivery next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Over {
        state: &'static str,
        answer: String,
    },
    /// It stays at the head of its queue until then.
    Again {
        at: Timestamp,
        answer: String,
    },
}

/// Judges an outcome after so many attempts at something that happened at `created`.
fn judge(
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
            let patience = u64::from(receiver.retry_hours.max(0).cast_unsigned()) * 60 * 60_000;
            if patience > 0 && now.since(created) >= patience {
                Next::Over { state: state::GIVEN_UP, answer }
            } else {
                Next::Again { at: now.plus(pause(receiver, backs_off, attempts)), answer }
            }
        }
    }
}

/// How long to wait after so many attempts.
fn pause(receiver: &receiver::Model, backs_off: bool, attempts: i32) -> u64 {
    let first = u64::from(receiver.retry_seconds.max(1).cast_unsigned()) * 1_000;
    let doubled = if backs_off { attempts.saturating_sub(1).clamp(0, 20) } else { 0 };
    (first << doubled).min(LONGEST_PAUSE_MS.max(first))
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
    fn pauses_double_up_to_a_quarter_of_an_hour_and_beyondtrusts_stay() {
        let hook = receiver(ReceiverKind::Webhook, "");
        let pauses = [1, 2, 3, 8, 9, 100, i32::MAX].map(|n| pause(&hook, true, n) / 1_000);
        assert_eq!(pauses, [5, 10, 20, 640, 900, 900, 900]);
        let old = receiver(ReceiverKind::Beyondtrust, "");
        assert_eq!([1, 2, 100].map(|n| pause(&old, false, n) / 1_000), [5, 5, 5]);
    }

    #[test]
    fn what_fails_is_tried_again_until_patience_is_over() {
        let hook = receiver(ReceiverKind::Webhook, "");
        let hour = 60 * 60_000;
        let at = |now| judge(&hook, true, 1, (Timestamp(0), Timestamp(now)), Outcome::Failed("503".into()));
        assert_eq!(at(hour - 1), Next::Again { at: Timestamp(hour - 1 + 5_000), answer: "503".into() });
        assert_eq!(at(hour), Next::Over { state: state::GIVEN_UP, answer: "503".into() });
        let patient = receiver::Model { retry_hours: 0, ..hook.clone() };
        let later = judge(&patient, true, 99, (Timestamp(0), Timestamp(1_000 * hour)), Outcome::Failed(String::new()));
        assert!(matches!(later, Next::Again { .. }), "a desk may be away for as long as it likes");
        let gone = judge(&hook, true, 1, (Timestamp(0), Timestamp(0)), Outcome::Moot("deleted".into()));
        assert_eq!(gone, Next::Over { state: state::DROPPED, answer: "deleted".into() });
    }

    #[test]
    fn a_receiver_gets_what_it_asked_for() {
        let some = receiver(ReceiverKind::Beyondtrust, "support_conference_end,support_conference_member_added");
        assert!(wants(&some, "support_conference_member_added#2") && wants(&some, "support_conference_end"));
        assert!(!wants(&some, "support_conference_begin"));
        assert!(wants(&receiver(ReceiverKind::Webhook, ""), "session.created"));
    }
}
