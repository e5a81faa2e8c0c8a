//! Passkeys: creating them, and signing in with them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use platform::{clock, throttle::Attempt};
use protocol::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use store::tables::passkey;
use ts_rs::TS;
use webauthn_rs::prelude::{
    CreationChallengeResponse, PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse,
};

use super::{ApiError, ClientAddress, Confirmed, Result, SignedIn, account, people, signed_in::Browser};

use crate::{
    config::PublicUrl,
    connections::Clients,
    sign_in::{
        self, Auth,
        passkeys::{self, MOST_OF_ONE, NotTaken},
    },
};

/// A technician's own passkeys.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct OwnPasskeys {
    /// Whether passkeys can be used with this server's address.
    pub possible: bool,
    pub all: Vec<OwnPasskey>,
}

/// A passkey.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct OwnPasskey {
    pub id: i32,
    pub name: String,
    pub created: Timestamp,
    pub used: Option<Timestamp>,
}

impl From<passkey::Model> for OwnPasskey {
    fn from(row: passkey::Model) -> Self {
        let used = (row.used != 0).then(|| Timestamp(row.used.cast_unsigned()));
        Self { id: row.id, name: row.name, created: Timestamp(row.created.cast_unsigned()), used }
    }
}

/// A credential that a device has created, and a name for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    name: String,
    credential: RegisterPublicKeyCredential,
}

/// A challenge for a device, and the name under which its answer is expected.
#[derive(Serialize)]
pub struct Question {
    name: String,
    question: RequestChallengeResponse,
}

/// A device's answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    name: String,
    credential: PublicKeyCredential,
}

impl From<NotTaken> for ApiError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Other(error) => error.into(),
            NotTaken::NoName | NotTaken::Late => Self::conflict(why.to_string()),
            NotTaken::Wrong(_) | NotTaken::Unknown => Self::unknown_passkey(why.to_string()),
        }
    }
}

/// Lists one's own passkeys.
pub async fn all(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    SignedIn(me): SignedIn,
) -> Result<Json<OwnPasskeys>> {
    let all = passkeys::of(&db, me.id).await?.into_iter().map(Into::into).collect();
    Ok(Json(OwnPasskeys { possible: auth.passkeys.possible(), all }))
}

/// Begins to create a passkey.
pub async fn begin(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Confirmed(Browser { me, .. }): Confirmed,
) -> Result<Json<CreationChallengeResponse>> {
    if !me.external.is_empty() {
        return Err(ApiError::conflict("You sign in elsewhere: please create passkeys there."));
    }
    let known = passkeys::of(&db, me.id).await?;
    if known.len() >= MOST_OF_ONE {
        return Err(ApiError::conflict("Please remove a passkey first: you can have up to twenty."));
    }
    Ok(Json(auth.passkeys.begin(&me, &known, clock::now())?))
}

/// Stores a new passkey.
pub async fn keep(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Confirmed(browser): Confirmed,
    Json(made): Json<Made>,
) -> Result<(StatusCode, Json<OwnPasskey>)> {
    let name = people::name(&made.name)?;
    let row = auth.passkeys.keep(&db, browser.me.id, name, &made.credential, clock::now()).await?;
    sign_in::sign_out_elsewhere(&auth, &browser.login).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// Removes a passkey.
pub async fn remove(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Confirmed(browser): Confirmed,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    let own = passkey::Entity::delete_many().filter(passkey::Column::User.eq(browser.me.id));
    if own.filter(passkey::Column::Id.eq(id)).exec(&db).await?.rows_affected == 0 {
        return Err(ApiError::missing("passkey"));
    }
    sign_in::sign_out_elsewhere(&auth, &browser.login).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a sign-in by passkey.
pub async fn ask(
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(from): ClientAddress,
) -> Result<Json<Question>> {
    drop(clients.guess(Attempt::Begin { from })?);
    let (name, question) = auth.passkeys.ask(from, clock::now())?;
    Ok(Json(Question { name, question }))
}

/// Completes a sign-in by passkey.
pub async fn sign_in(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(from): ClientAddress,
    Json(answer): Json<Answer>,
) -> Result<Response> {
    drop(clients.guess(Attempt::Begin { from })?);
    let user = auth.passkeys.accept(&db, &answer.name, &answer.credential, clock::now()).await?;
    if user.disabled {
        return Err(NotTaken::Unknown.into());
    }
    account::start(&db, &public_url, &user).await
}
