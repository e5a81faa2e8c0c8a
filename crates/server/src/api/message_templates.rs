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
use store::tables::{message_template, user};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn};

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

impl From<message_template::Model> for Canned {
    fn from(row: message_template::Model) -> Self {
        let message_template::Model { id, title, text, team } = row;
        Self { id, title, text, team }
    }
}

fn checked(new: &CannedInput, redactor: &Redactor, me: &user::Model) -> Result<message_template::ActiveModel> {
    let (title, text) = (new.title.trim(), new.text.trim_end());
    if title.is_empty() || title.chars().count() > MAX_NAME_CHARS || new.team.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::bad("A message needs a title of at most 120 characters."));
    }
    if text.trim().is_empty() || text.chars().count() > MAX_CHAT_CHARS {
        return Err(ApiError::bad("A message has between 1 and 4,000 characters."));
    }
    let team = new.team.trim().to_owned();
    if !is_plain(title) || !is_plain(&team) {
        return Err(ApiError::bad("A title and a team must each be one line of visible characters."));
    }
    if !team.is_empty() && team != me.team && !me.administrator {
        return Err(ApiError::forbidden("You are not in this team. Ask an administrator to add messages for it."));
    }
    let (title, text) = (Set(redactor.clean(title)), Set(redactor.clean(text)));
    Ok(message_template::ActiveModel { title, text, team: Set(team), ..Default::default() })
}

/// Whether somebody may see and change a template: those for everybody, and their team's.
fn is_of(row: &message_template::Model, me: &user::Model) -> bool {
    row.team.is_empty() || row.team == me.team || me.administrator
}

/// The templates for everybody and for the technician's team.
pub async fn list(State(db): State<DatabaseConnection>, SignedIn(me): SignedIn) -> Result<Json<Vec<Canned>>> {
    let rows = message_template::Entity::find().order_by_asc(message_template::Column::Title).all(&db).await?;
    Ok(Json(rows.into_iter().filter(|row| is_of(row, &me)).map(Into::into).collect()))
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
    let row = checked(&new, &sessions.redactor().await?, &me)?;
    Ok((StatusCode::CREATED, Json(row.insert(&db).await?.into())))
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
    let row = message_template::ActiveModel { id: Set(id), ..checked(&new, &sessions.redactor().await?, &me)? };
    Ok(Json(row.update(&db).await?.into()))
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
