//! What other systems are told: one queue a receiver, in the order in which it happened, kept until it has arrived.
//!
//! A delivery is written in the same transaction as what it tells of, so nothing that happened goes untold. It names its
//! place in the timeline and nothing of what was said there: that is read when it leaves. Nothing overtakes the head of
//! a queue; a receiver that is away is tried again, and after its patience the head is given up, visibly.

pub mod webhook;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use platform::clock;
use protocol::{Entry, SessionId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use session::Session;
use store::{
    secrets::Place,
    stored_time,
    tables::{delivery, incident, receiver},
};
use tokio::sync::Notify;
use ts_rs::TS;

use crate::{
    app::{App, Shared},
    beyondtrust, desk,
};

/// The longest pause before something is tried again.
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;
/// What was delivered, given up or dropped stays so long in the log.
const LOG_MS: u64 = 30 * 24 * 60 * 60_000;
/// The dispatcher looks at least so often.
const LOOK: Duration = Duration::from_secs(30);

/// What kind of system a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
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

/// The receivers, and who is being told right now.
#[derive(Default)]
pub struct Deliveries {
    receivers: RwLock<Arc<Vec<receiver::Model>>>,
    busy: Mutex<HashSet<i32>>,
    news: Notify,
}

impl Deliveries {
    /// Reads the receivers anew: at the start, and when an administrator has changed them.
    pub async fn load(&self, app: &App) -> Result<(), DbErr> {
        let rows = receiver::Entity::find().order_by_asc(receiver::Column::Id).all(&app.db).await?;
        let rows = rows.into_iter().map(|row| opened(app, row)).collect();
        *self.receivers.write().expect("nobody panics while holding the receivers") = Arc::new(rows);
        self.news.notify_one();
        Ok(())
    }

    /// All receivers.
    pub fn receivers(&self) -> Arc<Vec<receiver::Model>> {
        self.receivers.read().expect("nobody panics while holding the receivers").clone()
    }

    /// There may be something to deliver.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Queues what these entries mean to each receiver; whether there was anything. `session` is as it was before them.
    pub async fn enqueue<C: ConnectionTrait>(
        &self,
        db: &C,
        session: &Session,
        entries: &[Entry],
    ) -> Result<bool, DbErr> {
        let receivers = self.receivers();
        let asked = |kind| receivers.iter().any(|r| r.enabled && ReceiverKind::of(r) == kind);
        let desk =
            if asked(ReceiverKind::RequestTracker) { desk_of(db, session, entries).await? } else { String::new() };
        // Only these events depend on who was there before each entry.
        let mut before = asked(ReceiverKind::Beyondtrust).then(|| session.clone());
        let mut rows = Vec::new();
        for entry in entries {
            for receiver in receivers.iter().filter(|r| r.enabled) {
                let names = match (ReceiverKind::of(receiver), &before) {
                    (ReceiverKind::Webhook, _) => webhook::name(&entry.event).map(str::to_owned).into_iter().collect(),
                    (ReceiverKind::Beyondtrust, Some(before)) => beyondtrust::outbound::names(before, &entry.event),
                    (ReceiverKind::RequestTracker, _) if desk == receiver.id.to_string() => {
                        desk::told(&entry.event).map(str::to_owned).into_iter().collect()
                    }
                    _ => vec![],
                };
                let wanted = names.into_iter().filter(|name| wants(receiver, name));
                rows.extend(wanted.map(|name| row(receiver.id, session.id(), entry, name)));
            }
            if let Some(before) = &mut before {
                before.apply(entry.at, &entry.event);
            }
        }
        let any = !rows.is_empty();
        if any {
            delivery::Entity::insert_many(rows).exec(db).await?;
        }
        Ok(any)
    }
}

/// A receiver with its secret as it is used.
pub fn opened(app: &App, row: receiver::Model) -> receiver::Model {
    let secret = app.secrets.unseal_or_nothing(Place::Receiver(row.id), &row.secret);
    receiver::Model { secret, ..row }
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

/// Delivers, as long as the server runs.
pub async fn run(app: Shared) {
    loop {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "the outbox cannot be read; it is tried again");
        }
        let pause = next_due(&app).await.unwrap_or(LOOK).min(LOOK);
        tokio::select! {
            () = app.deliveries.news.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Forgets what is over and older than the log reaches.
pub async fn forget_old(db: &DatabaseConnection, now: Timestamp) -> Result<(), DbErr> {
    let old = delivery::Column::Created.lt(stored_time(Timestamp(now.0.saturating_sub(LOG_MS))));
    let over = delivery::Column::State.ne(state::WAITING);
    delivery::Entity::delete_many().filter(old).filter(over).exec(db).await?;
    Ok(())
}

/// Starts whoever has something to be told and is not being told already.
async fn look(app: &Shared) -> Result<(), DbErr> {
    let now = clock::now();
    for receiver in app.deliveries.receivers().iter().filter(|r| r.enabled) {
        let due = head(&app.db, receiver.id).await?.is_some_and(|d| d.due <= stored_time(now));
        if due && app.deliveries.busy.lock().expect("nobody panics while holding who is told").insert(receiver.id) {
            tokio::spawn(tell(app.clone(), receiver.clone()));
        }
    }
    Ok(())
}

async fn next_due(app: &Shared) -> Option<Duration> {
    let mut next: Option<i64> = None;
    for receiver in app.deliveries.receivers().iter().filter(|r| r.enabled) {
        if app.deliveries.busy.lock().expect("nobody panics while holding who is told").contains(&receiver.id) {
            continue;
        }
        let due = head(&app.db, receiver.id).await.ok()?.map(|d| d.due);
        next = [next, due].into_iter().flatten().min();
    }
    let wait = next?.saturating_sub(stored_time(clock::now())).max(0);
    Some(Duration::from_millis(wait.cast_unsigned()))
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

/// Tells a receiver one thing after the other, until there is nothing more or it does not take it.
async fn tell(app: Shared, receiver: receiver::Model) {
    loop {
        let head = match head(&app.db, receiver.id).await {
            Ok(Some(head)) if head.due <= stored_time(clock::now()) => head,
            Ok(_) => break,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                break;
            }
        };
        let outcome = deliver(&app, &receiver, &head).await;
        if let Err(error) = note(&app, &receiver, head, outcome).await {
            // It stays at the head of the queue, and is told again: at least once is what a receiver is promised.
            tracing::error!(%error, "what became of a delivery cannot be written down");
            break;
        }
        let still = app.deliveries.receivers().contains(&receiver);
        if !still {
            break;
        }
    }
    app.deliveries.busy.lock().expect("nobody panics while holding who is told").remove(&receiver.id);
    app.deliveries.wake();
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

async fn deliver(app: &Shared, receiver: &receiver::Model, head: &delivery::Model) -> Outcome {
    let entries = match SessionId::try_from(head.session.clone()) {
        Ok(id) => app.sessions.read(app, &id).await.map(|entries| entries.map(|entries| (id, entries))),
        Err(error) => Err(error.into()),
    };
    let (id, entries) = match entries {
        Ok(Some(found)) => found,
        Ok(None) => return Outcome::Moot("The session was deleted.".into()),
        Err(error) => return Outcome::Failed(format!("The session's timeline cannot be read: {error}.")),
    };
    match ReceiverKind::of(receiver) {
        ReceiverKind::Webhook => webhook::send(app, receiver, head, &id, &entries).await.into(),
        ReceiverKind::Beyondtrust => beyondtrust::outbound::send(app, receiver, head, &id, &entries).await.into(),
        ReceiverKind::RequestTracker => desk::tell(app, receiver, head, &id, &entries).await.into(),
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
fn judge(receiver: &receiver::Model, attempts: i32, created: Timestamp, now: Timestamp, outcome: Outcome) -> Next {
    match outcome {
        Outcome::Delivered(answer) => Next::Over { state: state::DELIVERED, answer },
        Outcome::Moot(answer) => Next::Over { state: state::DROPPED, answer },
        Outcome::Failed(answer) => {
            let patience = u64::from(receiver.retry_hours.max(0).cast_unsigned()) * 60 * 60_000;
            if patience > 0 && now.since(created) >= patience {
                Next::Over { state: state::GIVEN_UP, answer }
            } else {
                Next::Again { at: now.plus(pause(receiver, attempts)), answer }
            }
        }
    }
}

async fn note(app: &Shared, receiver: &receiver::Model, head: delivery::Model, outcome: Outcome) -> Result<(), DbErr> {
    let now = clock::now();
    let (attempts, created) = (head.attempts + 1, Timestamp(head.created.cast_unsigned()));
    let mut row: delivery::ActiveModel = head.into();
    row.attempts = Set(attempts);
    match judge(receiver, attempts, created, now, outcome) {
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
    row.update(&app.db).await?;
    Ok(())
}

/// How long to wait after so many attempts. BeyondTrust's receivers know a fixed interval.
fn pause(receiver: &receiver::Model, attempts: i32) -> u64 {
    let first = u64::from(receiver.retry_seconds.max(1).cast_unsigned()) * 1_000;
    let doubled = match ReceiverKind::of(receiver) {
        ReceiverKind::Beyondtrust => 0,
        ReceiverKind::Webhook | ReceiverKind::RequestTracker => attempts.saturating_sub(1).clamp(0, 20),
    };
    (first << doubled).min(LONGEST_PAUSE_MS.max(first))
}

/// Lets an administrator try something again now, or drop it.
pub async fn again(app: &Shared, found: delivery::Model) -> Result<delivery::Model, DbErr> {
    let mut row: delivery::ActiveModel = found.into();
    row.state = Set(state::WAITING.into());
    row.due = Set(stored_time(clock::now()));
    // Its patience begins anew.
    row.created = Set(stored_time(clock::now()));
    let row = row.update(&app.db).await?;
    app.deliveries.wake();
    Ok(row)
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
        let pauses = [1, 2, 3, 8, 9, 100, i32::MAX].map(|n| pause(&hook, n) / 1_000);
        assert_eq!(pauses, [5, 10, 20, 640, 900, 900, 900]);
        let old = receiver(ReceiverKind::Beyondtrust, "");
        assert_eq!([1, 2, 100].map(|n| pause(&old, n) / 1_000), [5, 5, 5]);
    }

    #[test]
    fn what_fails_is_tried_again_until_patience_is_over() {
        let hook = receiver(ReceiverKind::Webhook, "");
        let hour = 60 * 60_000;
        let at = |now| judge(&hook, 1, Timestamp(0), Timestamp(now), Outcome::Failed("503".into()));
        assert_eq!(at(hour - 1), Next::Again { at: Timestamp(hour - 1 + 5_000), answer: "503".into() });
        assert_eq!(at(hour), Next::Over { state: state::GIVEN_UP, answer: "503".into() });
        let patient = receiver::Model { retry_hours: 0, ..hook.clone() };
        let later = judge(&patient, 99, Timestamp(0), Timestamp(1_000 * hour), Outcome::Failed(String::new()));
        assert!(matches!(later, Next::Again { .. }), "a desk may be away for as long as it likes");
        let gone = judge(&hook, 1, Timestamp(0), Timestamp(0), Outcome::Moot("deleted".into()));
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
