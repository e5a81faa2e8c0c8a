//! The session index: one row for each ended session, for search and reports without reading timelines.

use std::collections::{BTreeSet, HashSet};

use live_sessions::standing::Standing;
use protocol::{Entry, Event, Queue, Role, SessionId, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    TransactionTrait, sea_query::OnConflict,
};
use store::{
    stored_time,
    {
        tables::{incident, session_history, session_person, session_row, tombstone_row, user},
        transcript_fts,
    },
};

use super::Archive;

/// Adds a session to the index, or replaces its row.
pub async fn index(db: &DatabaseConnection, id: &SessionId, entries: &[Entry]) -> anyhow::Result<()> {
    let Some(row) = row(db, id, entries).await? else { return Ok(()) };
    let transaction = db.begin().await?;
    let replace = OnConflict::column(session_history::Column::Session)
        .update_columns([
            session_history::Column::Rating,
            session_history::Column::Held,
            session_history::Column::RecordingBytes,
            session_history::Column::PeopleByRole,
        ])
        .to_owned();
    let subject = format!(
        "{} {} {} {}",
        row.number.as_ref(),
        row.subject.as_ref(),
        row.customer.as_ref(),
        row.owner_name.as_ref()
    );
    let started = *row.started.as_ref();
    session_history::Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
    replace_people(&transaction, id, Standing::of(entries).map(|s| s.people).unwrap_or_default()).await?;
    transcript_fts::remove(&transaction, id.as_str()).await?;
    let lines = session::transcript(entries).into_iter().map(|l| (stored_time(l.at), l.who, l.text));
    for (at, who, text) in std::iter::once((started, String::new(), subject)).chain(lines) {
        transcript_fts::insert(&transaction, id.as_str(), at, &who, &text).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Indexes sessions that are missing, and rows of older versions that counted supervisors among the people.
pub async fn backfill(archive: &Archive) -> anyhow::Result<()> {
    let listed: HashSet<String> = session_history::Entity::find()
        .filter(session_history::Column::PeopleByRole.eq(true))
        .all(&archive.db)
        .await?
        .into_iter()
        .map(|row| row.session)
        .collect();
    let deleted = tombstone_row::Entity::find().all(&archive.db).await?.into_iter().map(|row| row.session);
    let known: HashSet<String> = deleted.chain(listed).collect();
    let over = session_row::Entity::find().filter(session_row::Column::Stored.eq(true)).all(&archive.db).await?;
    for row in over.into_iter().filter(|row| !known.contains(&row.id)) {
        let id = SessionId::try_from(row.id)?;
        if let Some(entries) = archive.sessions.read(&id).await? {
            index(&archive.db, &id, &entries).await?;
        }
    }
    Ok(())
}

/// Replaces the people of a session.
async fn replace_people(db: &impl ConnectionTrait, id: &SessionId, people: BTreeSet<i32>) -> Result<(), DbErr> {
    session_person::Entity::delete_many().filter(session_person::Column::Session.eq(id.as_str())).exec(db).await?;
    let row = |user| session_person::ActiveModel { session: Set(id.to_string()), user: Set(user) };
    session_person::Entity::insert_many(people.into_iter().map(row)).exec_without_returning(db).await.map(drop)
}

/// Removes a session from the index.
pub async fn remove(db: &impl ConnectionTrait, id: &SessionId) -> anyhow::Result<()> {
    session_person::Entity::delete_many().filter(session_person::Column::Session.eq(id.as_str())).exec(db).await?;
    session_history::Entity::delete_by_id(id.as_str()).exec(db).await?;
    transcript_fts::remove(db, id.as_str()).await?;
    Ok(())
}

async fn row(
    db: &DatabaseConnection,
    id: &SessionId,
    entries: &[Entry],
) -> anyhow::Result<Option<session_history::ActiveModel>> {
    let (Some(first), Some(history)) = (entries.first(), session::history(entries)) else { return Ok(None) };
    let Event::Created { incident, .. } = &first.event else { return Ok(None) };
    let mut owner = None;
    let (mut transfers, mut waited, mut asked) = (0, 0, None);
    let (mut joined, mut held) = (None::<Timestamp>, false);
    for entry in entries {
        match &entry.event {
            Event::Created { owner: to, .. } | Event::Inherited { to, .. } => owner = Some(to.clone()),
            Event::Taken { by } => owner = Some(by.clone()),
            Event::Transferred { to, .. } => {
                owner = Some(to.clone());
                transfers += 1;
            }
            Event::Queued { queue: Queue::Team { .. } | Queue::General, .. } => transfers += 1,
            Event::KeyIssued { .. } => asked = asked.or(Some(entry.at)),
            Event::Joined { role: Role::Customer, .. } if joined.is_none() => {
                joined = Some(entry.at);
                // From issuing the key until the customer joined.
                waited = entry.at.since(asked.unwrap_or(first.at));
            }
            Event::LegalHold { on, .. } => held = *on,
            Event::KeyRevoked { .. }
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
            | Event::Held { .. }
            | Event::Reopened { .. }
            | Event::Queued { .. }
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
            | Event::Ended { .. }
            | Event::Recorded { .. }
            | Event::Stored { .. }
            | Event::Watched { .. }
            | Event::Exported { .. } => {}
        }
    }
    let owner = owner.expect("session has an owner");
    let team = user::Entity::find_by_id(owner.id).one(db).await?.and_then(|u| u.team);
    let kind = incident::Entity::find_by_id(incident.id).one(db).await?.map(|i| i.kind).unwrap_or_default();
    let ended = history.ended.unwrap_or(first.at);
    let handled = joined.map_or(0, |joined| ended.since(joined));
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Ok(Some(session_history::ActiveModel {
        session: Set(id.to_string()),
        incident: Set(incident.id),
        number: Set(incident.number.clone()),
        subject: Set(incident.subject.clone()),
        kind: Set(kind),
        customer: Set(history.customer),
        owner: Set(owner.id),
        owner_name: Set(owner.name),
        team: Set(team),
        people_by_role: Set(true),
        started: Set(stored_time(first.at)),
        ended: Set(stored_time(ended)),
        ending: Set(history.ending),
        joined: Set(joined.is_some()),
        waited: Set(number(waited)),
        handled: Set(number(handled)),
        messages: Set(history.messages.cast_signed()),
        files: Set(history.files.cast_signed()),
        transfers: Set(transfers),
        holds: Set(history.holds.cast_signed()),
        rating: Set(history.rating.map(i32::from)),
        held: Set(held),
        recording_bytes: Set(history.recording_bytes.map(number)),
    }))
}

#[cfg(test)]
mod tests {
    use protocol::UserRef;
    use sea_orm::{QueryOrder, sea_query::Expr};
    use session::{Actor, Command};

    use super::*;
    use crate::fixture;

    async fn people(archive: &Archive) -> (Vec<i32>, bool) {
        let rows = session_person::Entity::find().order_by_asc(session_person::Column::User).all(&archive.db).await;
        let row = session_history::Entity::find().one(&archive.db).await.unwrap().unwrap();
        (rows.unwrap().into_iter().map(|row| row.user).collect(), row.people_by_role)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_that_count_supervisors_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = live_sessions::fixture::registry(folder.path()).await;
        let live = live_sessions::fixture::joined(&sessions).await;
        let archive = fixture::archive(folder.path(), sessions.clone());
        let watches = Command::Supervise { user: UserRef { id: 5, name: "Sue".into() } };
        live.act(&Actor::Server, watches).await.unwrap();
        let owner = Actor::Technician(UserRef { id: 1, name: "Tom".into() });
        live.act(&owner, Command::Close).await.unwrap();
        let storing = tokio::spawn(archive.clone().store_ended());
        while sessions.get(&live.id).is_some() {
            tokio::task::yield_now().await;
        }
        storing.abort();
        let right = (vec![1], true);
        assert_eq!(people(&archive).await, right);
        // As an older version stored it: the supervisor, 5, is one of the people.
        replace_people(&archive.db, &live.id, BTreeSet::from([1, 5])).await.unwrap();
        let old =
            session_history::Entity::update_many().col_expr(session_history::Column::PeopleByRole, Expr::value(false));
        old.exec(&archive.db).await.unwrap();
        backfill(&archive).await.unwrap();
        assert_eq!(people(&archive).await, right);
        // Rows that are up to date are left alone.
        replace_people(&archive.db, &live.id, BTreeSet::from([1, 9])).await.unwrap();
        backfill(&archive).await.unwrap();
        assert_eq!(people(&archive).await, (vec![1, 9], true));
    }
}
