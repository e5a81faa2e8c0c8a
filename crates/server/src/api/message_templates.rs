//! Message templates for the chat, with variables.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::{SessionRegistry, redaction::Redactor};
use platform::text::is_plain;
use protocol::{MAX_CHAT_CHARS, MAX_NAME_CHARS};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait, PaginatorTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use store::{
    tables::{message_template, user},
    teams::{self, TeamNames},
};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn, team_names};

/// How many templates there may be.
const MAX_TEMPLATES: u64 = 2_000;

/// A message template. Variables: `{{customer}}`, `{{technician}}`, `{{number}}`, `{{subject}}`, `{{organisation}}`.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Canned {
    pub id: i32,
    pub title: String,
    pub text: String,
    /// The team that may use it; empty for everybody.
    pub team: String,
}

/// A new or changed template.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct CannedInput {
    pub title: String,
    pub text: String,
    pub team: String,
}

impl Canned {
    fn of(row: message_template::Model, team: String) -> Self {
        let message_template::Model { id, title, text, .. } = row;
        Self { id, title, text, team }
    }
}

async fn checked(
    db: &DatabaseConnection,
    new: &CannedInput,
    redactor: &Redactor,
    me: &user::Model,
) -> Result<message_template::ActiveModel> {
    let (title, text) = (new.title.trim(), new.text.trim_end());
    if title.is_empty() || title.chars().count() > MAX_NAME_CHARS || new.team.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::bad("A message needs a title of at most 120 characters."));
    }
    if text.trim().is_empty() || text.chars().count() > MAX_CHAT_CHARS {
        return Err(ApiError::bad("A message has between 1 and 4,000 characters."));
    }
    if !is_plain(title) || !is_plain(new.team.trim()) {
        return Err(ApiError::bad("A title and a team must each be one line of visible characters."));
    }
    let team = team_names::chosen(db, me, &new.team).await?;
    if team.is_some() && team != me.team && !me.administrator {
        return Err(ApiError::forbidden("You are not in this team. Ask an administrator to add messages for it."));
    }
    let (title, text) = (Set(redactor.clean(title)), Set(redactor.clean(text)));
    Ok(message_template::ActiveModel { title, text, team: Set(team), ..Default::default() })
}

/// Whether somebody may see and change a template: those for everybody, and their team's.
fn is_of(row: &message_template::Model, me: &user::Model) -> bool {
    row.team.is_none() || row.team == me.team || me.administrator
}

/// The templates for everybody and for the technician's team.
pub async fn list(State(db): State<DatabaseConnection>, SignedIn(me): SignedIn) -> Result<Json<Vec<Canned>>> {
    let rows = message_template::Entity::find().order_by_asc(message_template::Column::Title).all(&db).await?;
    let names = TeamNames::load(&db).await?;
    let template = |row: message_template::Model| {
        let team = names.of(row.team).to_owned();
        Canned::of(row, team)
    };
    Ok(Json(rows.into_iter().filter(|row| is_of(row, &me)).map(template).collect()))
}

/// The template with this id, if the technician may change it.
async fn found(db: &DatabaseConnection, id: i32, me: &user::Model) -> Result<message_template::Model> {
    let row = message_template::Entity::find_by_id(id).one(db).await?.filter(|row| is_of(row, me));
    row.ok_or_else(|| ApiError::missing("message"))
}

/// Adds a template.
pub async fn add(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    SignedIn(me): SignedIn,
    Json(new): Json<CannedInput>,
) -> Result<(StatusCode, Json<Canned>)> {
    if message_template::Entity::find().count(&db).await? >= MAX_TEMPLATES {
        return Err(ApiError::conflict("There are already 2,000 messages. Please remove one first."));
    }
    let row = checked(&db, &new, &sessions.redactor().await?, &me).await?.insert(&db).await?;
    let team = teams::name(&db, row.team).await?;
    Ok((StatusCode::CREATED, Json(Canned::of(row, team))))
}

/// Changes a template.
pub async fn change(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
    Json(new): Json<CannedInput>,
) -> Result<Json<Canned>> {
    found(&db, id, &me).await?;
    let new = checked(&db, &new, &sessions.redactor().await?, &me).await?;
    let row = message_template::ActiveModel { id: Set(id), ..new }.update(&db).await?;
    let team = teams::name(&db, row.team).await?;
    Ok(Json(Canned::of(row, team)))
}

/// Removes a template.
pub async fn remove(
    State(db): State<DatabaseConnection>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    message_template::Entity::delete_by_id(found(&db, id, &me).await?.id).exec(&db).await?;
    Ok(StatusCode::NO_CONTENT)
}
