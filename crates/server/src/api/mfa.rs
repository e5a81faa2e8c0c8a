//! Second factors.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use platform::{clock, throttle::Attempt};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait};
use serde::{Deserialize, Serialize};
use store::{
    secrets::{Place, Secrets},
    setting::Current,
    settings::Settings,
    tables::user,
};
use ts_rs::TS;

use super::{ApiError, Confirmed, ConfirmedAdmin, Result, signed_in::Browser};

use crate::{
    connections::Clients,
    sign_in::{self, Auth, passkeys, totp},
};

/// A new second factor, to be added to an authenticator app.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct SecondOffered {
    /// The secret in base32, for typing.
    pub secret: String,
    pub url: String,
    /// A QR code: a PNG in base64.
    pub picture: String,
}

/// A code of the second factor.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Code {
    pub code: String,
}

/// Recovery codes for a lost phone; each works once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Recovery {
    pub codes: Vec<String>,
}

/// Offers a new second factor. It takes effect when a code of it has been entered.
pub async fn offer(
    State(settings): State<Arc<Current<Settings>>>,
    State(auth): State<Arc<Auth>>,
    Confirmed(Browser { me, .. }): Confirmed,
) -> Result<Json<SecondOffered>> {
    if !me.external.is_empty() {
        return Err(ApiError::conflict("You sign in elsewhere: please set up a second factor there."));
    }
    let totp::Offered { secret, url, picture } = totp::offer(&settings.get().organisation, &me.login)?;
    auth.pending_totp.put(clock::now(), me.id, me.id, secret.clone());
    Ok(Json(SecondOffered { secret, url, picture }))
}

/// Activates an offered second factor: from now on signing in needs it.
pub async fn confirm(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    Confirmed(browser): Confirmed,
    Json(Code { code }): Json<Code>,
) -> Result<Json<Recovery>> {
    let me = browser.me.clone();
    let guess = clients.guess(Attempt::Again { user: me.id })?;
    let again = || ApiError::conflict("This second factor has expired. Please start again.");
    let secret = auth.pending_totp.get(clock::now(), &me.id).ok_or_else(again)?;
    let step = totp::step(&secret, &code, clock::now()).ok_or_else(ApiError::wrong_code)?;
    // The offer is taken once: of two concurrent confirmations only one returns recovery codes, and those are valid.
    auth.pending_totp.take_if(clock::now(), &me.id, |pending_totp| *pending_totp == secret).ok_or_else(again)?;
    clients.throttle.right(guess);
    let (codes, kept) = totp::recovery();
    let sealed = secrets.seal(Place::Totp(me.id), &secret);
    let mut row: user::ActiveModel = me.into();
    row.totp = Set(sealed);
    row.totp_step = Set(step);
    row.recovery = Set(kept);
    row.update(&db).await?;
    sign_in::sign_out_elsewhere(&auth, &browser.login).await?;
    Ok(Json(Recovery { codes }))
}

/// Removes the second factor, given a valid code.
pub async fn remove(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    Confirmed(browser): Confirmed,
    Json(Code { code }): Json<Code>,
) -> Result<StatusCode> {
    let me = &browser.me;
    let guess = clients.guess(Attempt::Again { user: me.id })?;
    if me.totp.is_empty() || !totp::accept(&auth, me, &code, clock::now()).await? {
        return Err(ApiError::wrong_code());
    }
    clients.throttle.right(guess);
    let done = forget(&db, me.id).await?;
    sign_in::sign_out_elsewhere(&auth, &browser.login).await?;
    Ok(done)
}

async fn forget(db: &DatabaseConnection, id: i32) -> Result<StatusCode> {
    let found = user::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("account"))?;
    let mut row: user::ActiveModel = found.into();
    row.totp = Set(String::new());
    row.recovery = Set(String::new());
    row.update(db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes somebody's second factor and passkeys, for example if their phone and recovery codes are lost.
pub async fn reset(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    passkeys::forget(&db, id).await?;
    let done = forget(&db, id).await?;
    sign_in::sign_out_everywhere(&auth, id).await?;
    Ok(done)
}
