//! The journal of an incident.

use std::sync::Arc;

use archive::{self, Archive};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::SessionRegistry;
use platform::clock;
use protocol::{SessionId, Timestamp};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait};
use serde::{Deserialize, Serialize};
use store::{
    stored_time,
    tables::{incident, journal, received_mail, user},
};
use ts_rs::TS;

use crate::{
    access_scope,
    api::{ApiError, Result, SignedIn},
    mailbox::AttachmentInfo,
};

/// One journal entry.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct JournalEntry {
    pub id: i32,
    pub at: Timestamp,
    pub author: String,
    pub text: String,
    pub content: JournalContent,
}

/// The kind of a journal entry, with its data.
#[derive(Serialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum JournalContent {
    /// Something about the incident changed.
    Change {},
    /// Somebody wrote a note.
    Note {},
    /// A mail was sent, or is in the outbox.
    Mail { mail: i32 },
    /// A remote support session. The console shows it grey until its evidence is linked.
    RemoteSupport {
        session: String,
        /// `None` for a session that the technician may not see.
        history: Option<Box<session::History>>,
        /// The technician may not see it.
        out_of_reach: bool,
        /// Why its evidence is not stored yet, if storing has failed.
        unstored: Option<archive::Unstored>,
        /// What remains if it was deleted.
        tombstone: Option<Box<archive::Tombstone>>,
    },
    /// A mail was received.
    #[serde(rename = "letter")]
    ReceivedMail { letter: i32, subject: String, quoted: String, attachments: Vec<AttachmentInfo> },
    /// A screenshot of a customer's screen.
    Screenshot {
        session: String,
        number: u32,
        /// The technician may not see it.
        out_of_reach: bool,
    },
}

/// A note.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Note {
    pub text: String,
}

/// Prepares a journal entry, and marks the incident as updated.
pub async fn write(
    db: &DatabaseConnection,
    incident: i32,
    kind: &str,
    author: &str,
    text: String,
) -> Result<journal::ActiveModel> {
    let row = journal::entry(incident, stored_time(clock::now()), kind, author, text);
    touch(db, incident).await?;
    Ok(row)
}

async fn touch(db: &DatabaseConnection, id: i32) -> Result<()> {
    let row = incident::ActiveModel { id: Set(id), updated: Set(stored_time(clock::now())), ..Default::default() };
    row.update(db).await?;
    Ok(())
}

pub(super) async fn shown(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    archive: &Arc<Archive>,
    me: &user::Model,
    row: journal::Model,
) -> Result<JournalEntry> {
    let content = match (row.kind.as_str(), row.session, row.mail) {
        ("remote_support", Some(session), _) => {
            let id = SessionId::try_from(session.clone()).map_err(|e| anyhow::anyhow!("{e}"))?;
            let entries = sessions.read(&id).await?.unwrap_or_default();
            let (seen, tombstone) = match archive.tombstone(&id).await? {
                Some((stone, standing)) => {
                    let seen = access_scope::reaches_past(db, me, &standing).await?;
                    (seen, seen.then_some(stone))
                }
                None => (entries.is_empty() || access_scope::reaches(db, me, &entries).await?, None),
            };
            let out_of_reach = !seen;
            let history = if out_of_reach { None } else { session::history(&entries).map(Box::new) };
            JournalContent::RemoteSupport {
                session,
                history,
                out_of_reach,
                unstored: archive.unfinished.get(&id).filter(|_| !out_of_reach),
                tombstone: tombstone.map(Box::new),
            }
        }
        ("screenshot", Some(session), _) => {
            let id = SessionId::try_from(session.clone()).map_err(|e| anyhow::anyhow!("{e}"))?;
            let entries = sessions.read(&id).await?.unwrap_or_default();
            let out_of_reach = !access_scope::reaches(db, me, &entries).await?;
            JournalContent::Screenshot { session, number: row.text.parse().unwrap_or_default(), out_of_reach }
        }
        ("mail", _, Some(mail)) => JournalContent::Mail { mail },
        ("letter", _, Some(id)) => match received_mail::Entity::find_by_id(id).one(db).await? {
            Some(row) => {
                let attachments = serde_json::from_str(&row.attachments).map_err(anyhow::Error::from)?;
                JournalContent::ReceivedMail { letter: id, subject: row.subject, quoted: row.quoted, attachments }
            }
            None => JournalContent::Note {},
        },
        ("note", ..) => JournalContent::Note {},
        _ => JournalContent::Change {},
    };
    Ok(JournalEntry { id: row.id, at: Timestamp(row.at.cast_unsigned()), author: row.author, text: row.text, content })
}

/// Adds a note.
pub async fn add_note(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
    Json(note): Json<Note>,
) -> Result<(StatusCode, Json<JournalEntry>)> {
    super::find(&db, id).await?;
    let text = note.text.trim();
    if text.is_empty() || text.len() > 20_000 {
        return Err(ApiError::bad("A note has between 1 and 20,000 bytes."));
    }
    let text = sessions.redactor().await?.clean(text);
    let row = write(&db, id, "note", &me.name, text).await?.insert(&db).await?;
    Ok((StatusCode::CREATED, Json(shown(&db, &sessions, &archive, &me, row).await?)))
}
