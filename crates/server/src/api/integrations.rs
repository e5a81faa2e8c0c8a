//! The settings for other systems, and sessions for tickets of other service desks.

pub mod accounts;
pub mod receivers;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use platform::clock;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use store::{
    setting::Current,
    settings::Settings,
    stored_time,
    tables::{IncidentSource, api_account, api_token, incident},
};
use ts_rs::TS;

use self::{
    accounts::{ApiAccount, ApiToken, shown_token},
    receivers::{Receiver, shown},
};

use crate::{
    api::{Admin, ApiError, Result, SignedIn, sessions},
    deliveries::{Deliveries, ReceiverKind},
    desk::{Desk, RequestTracker, ServiceDesk, session_start},
};

/// An event that a receiver can ask for.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct KnownEvent {
    pub kind: ReceiverKind,
    pub name: String,
    pub says: String,
}

/// API accounts, tokens and receivers, with the events that receivers can choose.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Integrations {
    pub accounts: Vec<ApiAccount>,
    pub tokens: Vec<ApiToken>,
    pub receivers: Vec<Receiver>,
    pub events: Vec<KnownEvent>,
}

/// Accounts, tokens and receivers.
pub async fn all(
    State(db): State<DatabaseConnection>,
    State(deliveries): State<Arc<Deliveries>>,
    _: Admin,
) -> Result<Json<Integrations>> {
    let accounts = api_account::Entity::find().order_by_asc(api_account::Column::Id).all(&db).await?;
    let tokens = api_token::Entity::find()
        .filter(api_token::Column::Account.is_null())
        .filter(api_token::Column::Until.gt(stored_time(clock::now())))
        .order_by_asc(api_token::Column::Id);
    let mut receivers = Vec::new();
    for receiver in deliveries.receivers().iter() {
        receivers.push(shown(&db, receiver).await?);
    }
    let known = |kind: ReceiverKind, list: &[(&str, &str)]| -> Vec<KnownEvent> {
        list.iter().map(|(name, says)| KnownEvent { kind, name: (*name).into(), says: (*says).into() }).collect()
    };
    let kinds = [ReceiverKind::Webhook, ReceiverKind::Beyondtrust];
    let events = kinds.into_iter().flat_map(|kind| known(kind, deliveries.kind(kind).catalogue())).collect();
    Ok(Json(Integrations {
        accounts: accounts.into_iter().map(Into::into).collect(),
        tokens: tokens.all(&db).await?.iter().map(shown_token).collect(),
        receivers,
        events,
    }))
}

/// The incident and session that were created for a ticket of another service desk.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ImportedTicket {
    /// The incident's id.
    pub incident: i32,
    pub issued: sessions::Issued,
}

/// Creates a session for a ticket of another service desk. The link on the ticket's page leads here.
pub async fn start_from_ticket(
    State(db): State<DatabaseConnection>,
    State(settings): State<Arc<Current<Settings>>>,
    State(deliveries): State<Arc<Deliveries>>,
    State(service_desk): State<Arc<ServiceDesk>>,
    me: SignedIn,
    Path((desk, ticket)): Path<(String, String)>,
) -> Result<(StatusCode, Json<ImportedTicket>)> {
    // By the receiver's id, or `rt` for the first Request Tracker.
    let receivers = deliveries.receivers();
    let mut desks = receivers.iter().filter(|r| ReceiverKind::of(r) == ReceiverKind::RequestTracker);
    let found = desks.find(|r| desk == "rt" || desk == r.id.to_string());
    let found = found.ok_or_else(|| ApiError::missing("service desk"))?;
    let known = RequestTracker::new(&service_desk.outbound, found).find(&ticket).await.map_err(ApiError::upstream)?;
    let incident: incident::Model =
        session_start::upsert_incident(&service_desk, IncidentSource::Desk(found.id), &ticket, &known).await?;
    let live = session_start::session(&service_desk, &incident, me.as_ref(), None).await?;
    let issued = sessions::issue(&db, &settings, &service_desk, &live, &me).await?;
    Ok((StatusCode::CREATED, Json(ImportedTicket { incident: incident.id, issued })))
}
