//! The customer's rating of a session.

use std::sync::Arc;

use archive::Archive;
use axum::{Json, extract::State, http::StatusCode};
use sea_orm::DatabaseConnection;
use serde::Deserialize;

use super::{ClientAddress, Result, join};
use crate::connections::Clients;

/// A customer's rating.
#[derive(Deserialize, ts_rs::TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Rating {
    pub token: String,
    pub stars: u8,
    pub comment: String,
}

/// Stores a customer's rating, once, after the session's end.
pub async fn rate(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(archive): State<Arc<Archive>>,
    ClientAddress(address): ClientAddress,
    Json(rating): Json<Rating>,
) -> Result<StatusCode> {
    let (session, who) = join::counting_failures(&clients, address, join::token_owner(&db, &rating.token)).await?;
    let command = session::Command::Rate { stars: rating.stars, comment: rating.comment.trim().to_owned() };
    archive.execute_even_if_ended(&session, &session::Actor::Participant(who), command).await?;
    archive.reindex(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}
