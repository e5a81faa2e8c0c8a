//! Sends deliveries, and decides what follows from each attempt.

use std::{sync::Arc, time::Duration};

use live_sessions::{Listener, SessionRegistry};
use platform::{clock, tasks};
use protocol::{SessionId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use store::{
    stored_time,
    tables::{delivery, receiver},
};

use super::{Deliveries, OutgoingDelivery, state};

/// The longest wait before a retry.
const LONGEST_WAIT_MS: u64 = 15 * 60_000;
/// How long completed deliveries stay in the log.
const LOG_MS: u64 = 30 * 24 * 60 * 60_000;
/// How often the log is purged.
const PURGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The longest interval between two looks at the queues.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
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
                tasks::spawn("delivery", self.clone().drain(sessions.clone(), receiver.clone()));
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
        let what = OutgoingDelivery { receiver: receiver.clone(), delivery: head.clone(), session, entries };
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
    use crate::deliveries::{ReceiverKind, tests::receiver};

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
}
