//! Other systems, as an administrator sets them up, and sessions for tickets of other desks.

pub mod accounts;
pub mod receivers;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use platform::clock;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use store::{
    stored_time,
    tables::{api_account, api_token, incident},
};
use ts_rs::TS;

use self::{
    accounts::{ApiAccount, ApiToken, shown_token},
    receivers::{Receiver, shown},
};

use crate::{
    api::{Admin, ApiError, Result, SignedIn, sessions},
    app::Shared,
    beyondtrust,
    deliveries::{ReceiverKind, webhook},
    desk::{Desk, RequestTracker, ticket_import},
};

/// An event that a receiver can ask for.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct KnownEvent {
    pub kind: ReceiverKind,
    pub name: String,
    pub says: String,
}

/// Everything about other systems.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Integrations {
    pub accounts: Vec<ApiAccount>,
    pub tokens: Vec<ApiToken>,
    pub receivers: Vec<Receiver>,
    pub events: Vec<KnownEvent>,
}

/// Accounts, tokens and receivers.
pub async fn all(State(app): State<Shared>, _: Admin) -> Result<Json<Integrations>> {
    let accounts = api_account::Entity::find().order_by_asc(api_account::Column::Id).all(&app.db).await?;
    let tokens = api_token::Entity::find()
        .filter(api_token::Column::Account.is_null())
        .filter(api_token::Column::Until.gt(stored_time(clock::now())))
        .order_by_asc(api_token::Column::Id);
    let mut receivers = Vec::new();
    for receiver in app.deliveries.receivers().iter() {
        receivers.push(shown(&app, receiver).await?);
    }
    let known = |kind: ReceiverKind, list: &[(&str, &str)]| -> Vec<KnownEvent> {
        list.iter().map(|(name, says)| KnownEvent { kind, name: (*name).into(), says: (*says).into() }).collect()
    };
    let mut events = known(ReceiverKind::Webhook, &webhook::CATALOGUE);
    events.extend(known(ReceiverKind::Beyondtrust, &beyondtrust::outbound::CATALOGUE));
    Ok(Json(Integrations {
        accounts: accounts.into_iter().map(Into::into).collect(),
        tokens: tokens.all(&app.db).await?.iter().map(shown_token).collect(),
        receivers,
        events,
    }))
}

/// A ticket of another desk, here.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ImportedTicket {
    /// The page of the incident.
    pub incident: i32,
    pub issued: sessions::Issued,
}

/// Makes a session for a ticket of another desk: what the link on its page leads to.
pub async fn start_from_ticket(
    State(app): State<Shared>,
    me: SignedIn,
    Path((desk, ticket)): Path<(String, String)>,
) -> Result<(StatusCode, Json<ImportedTicket>)> {
    // By its number, or `rt` for the first Request Tracker there is.
    let receivers = app.deliveries.receivers();
    let mut desks = receivers.iter().filter(|r| ReceiverKind::of(r) == ReceiverKind::RequestTracker);
    let found = desks.find(|r| desk == "rt" || desk == r.id.to_string());
    let found = found.ok_or_else(|| ApiError::missing("service desk"))?;
    let known = RequestTracker::of(&app, found).find(&ticket).await.map_err(ApiError::upstream)?;
    let incident: incident::Model =
        ticket_import::upsert_incident(&app, &found.id.to_string(), &ticket, &known).await?;
    let live = ticket_import::session(&app, &incident, me.as_ref(), None).await?;
    let issued = sessions::issue(&app, &live, &me).await?;
    Ok((StatusCode::CREATED, Json(ImportedTicket { incident: incident.id, issued })))
}
