//! Taking, transferring and sharing sessions, and notes for technicians.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::SessionRegistry;
use protocol::{Phase, Queue, UserRef};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde::Deserialize;
use session::{Actor, Command};
use store::{tables::user, teams};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn, sessions};

use crate::access_scope::{self, SessionAction};

/// Where a session goes.
#[derive(Deserialize, TS)]
#[serde(tag = "to", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
pub enum Transfer {
    /// To another technician.
    Technician { technician: i32, note: String },
    /// To a team's queue.
    Team { team: String, note: String },
    /// To the general queue.
    General { note: String },
}

/// Whom to ask to join.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ShareWith {
    pub technician: i32,
}

/// A note for technicians only.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct SessionNote {
    pub text: String,
}

async fn technician(db: &DatabaseConnection, id: i32) -> Result<UserRef> {
    store::people::technician(db, id).await?.ok_or_else(|| ApiError::missing("technician"))
}

/// Gives a session to another technician or queue.
pub async fn transfer(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(transfer): Json<Transfer>,
) -> Result<StatusCode> {
    let command = match transfer {
        Transfer::Technician { technician: to, note } => Command::Transfer { to: technician(&db, to).await?, note },
        Transfer::Team { team, note } => {
            let missing = || ApiError::missing("team, or it has no members");
            let id = teams::named(&db, &team).await?.ok_or_else(missing)?.id;
            let members = user::Entity::find().filter(user::Column::Team.eq(id));
            members.filter(user::Column::Disabled.eq(false)).one(&db).await?.ok_or_else(missing)?;
            Command::Enqueue { queue: Queue::Team { team }, note }
        }
        Transfer::General { note } => Command::Enqueue { queue: Queue::General, note },
    };
    sessions::act(&sessions, &me, id, command).await
}

/// Takes a session out of a queue, and reopens it if it is on hold.
pub async fn take(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let live = sessions::running(&sessions, id)?;
    let by = Actor::Technician(me.as_ref());
    live.act(&by, Command::Take { team: teams::name(&db, me.0.team).await? }).await?;
    if live.read(session::Session::phase).await == Phase::Held {
        live.act(&by, Command::Reopen).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Asks another technician to join.
pub async fn share(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(share): Json<ShareWith>,
) -> Result<StatusCode> {
    let with = technician(&db, share.technician).await?;
    sessions::act(&sessions, &me, id, Command::ShareWith { with }).await
}

/// Adds a note that only technicians can read.
pub async fn note(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(note): Json<SessionNote>,
) -> Result<StatusCode> {
    access_scope::session(&sessions, &me.0, &sessions::parse(id.clone())?, SessionAction::Note).await?;
    sessions::act(&sessions, &me, id, Command::Note { text: note.text }).await
}
