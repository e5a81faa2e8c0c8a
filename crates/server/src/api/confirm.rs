//! Confirming one's identity again before a change of how people sign in.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use platform::{clock, throttle::Attempt};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait};
use serde::{Deserialize, Serialize};
use store::{
    stored_time,
    tables::{login, user},
};
use ts_rs::TS;
use webauthn_rs::prelude::PublicKeyCredential;

use super::{ApiError, Result, signed_in::Browser};

use crate::{
    connections::Clients,
    sign_in::{Auth, passkeys},
};

/// How somebody can confirm their identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Proves {
    Password,
    Passkey,
    /// At `/sign-in/openid/confirm`, which redirects to the organisation's sign-in and back.
    OpenId,
}

/// Whether somebody has confirmed their identity recently, and how they can.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Confirmation {
    pub confirmed: bool,
    pub by: Vec<Proves>,
}

/// A proof of identity.
#[derive(Deserialize, TS)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
pub enum Proof {
    Password {
        password: String,
    },
    /// The answer to `POST /api/sign-in/passkey/begin`.
    Passkey {
        name: String,
        #[ts(type = "unknown")]
        credential: Box<PublicKeyCredential>,
    },
}

/// Whether a confirmation is needed, and how it can be given.
pub async fn read(State(db): State<DatabaseConnection>, browser: Browser) -> Result<Json<Confirmation>> {
    let mut by = vec![match browser.me.external.starts_with("openid ") {
        true => Proves::OpenId,
        false => Proves::Password,
    }];
    if !passkeys::of(&db, browser.me.id).await?.is_empty() {
        by.push(Proves::Passkey);
    }
    Ok(Json(Confirmation { confirmed: browser.is_confirmed(), by }))
}

/// Confirms the identity. The password alone is enough: this protects against a stolen cookie.
pub async fn confirm(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    browser: Browser,
    Json(proof): Json<Proof>,
) -> Result<StatusCode> {
    let guess = clients.guess(Attempt::Again { user: browser.me.id })?;
    match proof {
        Proof::Password { password } => check_password(&auth, &browser.me, password).await?,
        Proof::Passkey { name, credential } => {
            let shown = auth.passkeys.accept(&db, &name, &credential, clock::now()).await?;
            if shown.id != browser.me.id {
                return Err(ApiError::unknown_passkey("This passkey belongs to somebody else."));
            }
        }
    }
    clients.throttle.right(guess);
    raise(&db, browser.login).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check_password(auth: &Auth, me: &user::Model, password: String) -> Result<()> {
    let right = match me.external.split_once(' ') {
        None => auth.passwords.fits(password, Some(me.password.clone())).await?,
        Some(("ldap", dn)) => auth.directory.get().is_password_of(&auth.outbound, dn, &password).await?,
        Some(_) => return Err(ApiError::conflict("You sign in with your organisation: please confirm there.")),
    };
    if right { Ok(()) } else { Err(ApiError::bad("The password is not right.")) }
}

/// Marks this browser's sign-in as confirmed, for a while.
pub async fn raise(db: &DatabaseConnection, login: login::Model) -> Result<()> {
    let row = login::ActiveModel { confirmed: Set(stored_time(clock::now())), ..login.into() };
    row.update(db).await?;
    Ok(())
}

/// The same for the sign-in with that hash, if it is this person's; returns whether it is.
pub async fn raise_by_hash(db: &DatabaseConnection, hash: &str, external: &str) -> Result<bool> {
    let Some(login) = login::Entity::find_by_id(hash).one(db).await? else { return Ok(false) };
    let whose = user::Entity::find_by_id(login.user).one(db).await?;
    if whose.is_none_or(|user| user.external != external || user.disabled) {
        return Ok(false);
    }
    raise(db, login).await?;
    Ok(true)
}
