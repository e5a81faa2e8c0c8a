//! Experts: outsiders whom a technician invites by a link that expires.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::{self, LiveSession, SessionRegistry};
use platform::{clock, secret, text};
use protocol::{Event, ExpertInvitation, Right, SessionId, Timestamp};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use session::{Actor, Command};
use store::{stored_time, tables::expert};
use ts_rs::TS;

use super::{
    ApiError, ClientAddress, Result, SignedIn,
    join::{self, Token},
    sessions::{self, Admission},
};

use crate::{access_scope, config::PublicUrl, connections::Clients};

/// Whom to invite, and which of the customer's grants they may use.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct InviteExpert {
    pub name: String,
    pub rights: Vec<Right>,
}

/// The link, shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ExpertLink {
    pub link: String,
    pub until: Timestamp,
}

/// What an expert sees before joining.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ExpertWelcome {
    pub organisation: String,
    pub technician: String,
    pub number: String,
    pub subject: String,
    pub name: String,
    pub rights: Vec<Right>,
}

/// An expert was admitted.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ExpertEntered {
    pub admission: Admission,
    pub resume: String,
}

/// Invites an expert.
pub async fn invite(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(who): Json<InviteExpert>,
) -> Result<(StatusCode, Json<ExpertLink>)> {
    let live = sessions::running(&sessions, id)?;
    if !text::is_plain(&who.name) {
        return Err(ApiError::bad("A name must be one line of visible characters."));
    }
    let command = Command::InviteExpert { name: who.name, rights: who.rights };
    let entries = live.act(&Actor::Technician(me.as_ref()), command).await?;
    let Some(Event::ExpertInvited { invitation, .. }) = entries.into_iter().next().map(|e| e.event) else {
        return Err(anyhow::anyhow!("an invitation produced no event").into());
    };
    let now = stored_time(clock::now());
    expert::Entity::delete_many().filter(expert::Column::Until.lt(now)).exec(&db).await?;
    let token = secret::token();
    let row = expert::ActiveModel {
        hash: Set(secret::hash(&token)),
        session: Set(live.id.to_string()),
        number: Set(invitation.number.into()),
        until: Set(stored_time(invitation.until)),
    };
    row.insert(&db).await?;
    let link = format!("{public_url}/expert#{token}");
    Ok((StatusCode::CREATED, Json(ExpertLink { link, until: invitation.until })))
}

async fn find(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    token: &str,
) -> Result<(Arc<LiveSession>, ExpertInvitation)> {
    let row = expert::Entity::find_by_id(secret::hash(token)).one(db).await?.ok_or_else(join::invalid_pass)?;
    let id = SessionId::try_from(row.session).map_err(|_| join::invalid_pass())?;
    let live = sessions.get(&id).ok_or_else(join::invalid_pass)?;
    let number = u16::try_from(row.number).map_err(|_| join::invalid_pass())?;
    let invitation = access_scope::invitation(db, &live, number).await?.ok_or_else(join::invalid_pass)?;
    Ok((live, invitation))
}

/// Shows which session an expert's link is for.
pub async fn preview(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<Token>,
) -> Result<Json<ExpertWelcome>> {
    let (live, invitation) = join::counting_failures(&clients, address, find(&db, &sessions, &body.token)).await?;
    let state = live.state().await;
    Ok(Json(ExpertWelcome {
        organisation: state.organisation,
        technician: state.owner.name,
        number: state.incident.number,
        subject: state.incident.subject,
        name: invitation.name,
        rights: invitation.rights,
    }))
}

/// Admits an expert. The link works once.
pub async fn enter(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<Token>,
) -> Result<Json<ExpertEntered>> {
    let (live, invitation) = join::counting_failures(&clients, address, find(&db, &sessions, &body.token)).await?;
    let command = Command::JoinAsExpert { number: invitation.number };
    let entries = live.act(&Actor::Server, command).await?;
    join::mark_known(&clients, address, &live).await;
    let who = live_sessions::joined_participant(&entries)?;
    expert::Entity::delete_by_id(secret::hash(&body.token)).exec(&db).await?;
    let resume = join::admit(&db, &live.id, who, false, join::RESUME_MS).await?;
    let admission = Admission { session: live.id.clone(), ticket: sessions.ticket(live.id.clone(), who) };
    Ok(Json(ExpertEntered { admission, resume }))
}
