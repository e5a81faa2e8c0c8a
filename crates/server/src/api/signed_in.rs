//! Who asks.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};
use protocol::{ParticipantId, UserRef};
use sea_orm::EntityTrait;

use super::{ApiError, sessions};
use crate::{
    app::{self, Shared, stored_time},
    live::Live,
    secret,
    store::tables::{login, user},
};

/// The name of the cookie; browsers hold `__Host-` cookies to HTTPS and to this host.
pub fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-deskside" } else { "deskside" }
}

/// The cookie's value, if the browser sent one.
pub fn cookie(app: &Shared, parts: &axum::http::HeaderMap) -> Option<String> {
    let name = cookie_name(app.config.secure());
    let all = parts.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
}

/// A technician who is signed in.
pub struct SignedIn(pub user::Model);

impl SignedIn {
    /// The technician as sessions name them.
    pub fn as_ref(&self) -> UserRef {
        UserRef { id: self.0.id, name: self.0.name.clone() }
    }
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let cookie = cookie(app, &parts.headers).ok_or_else(ApiError::signed_out)?;
        let user = by_cookie(app, &cookie).await?.ok_or_else(ApiError::signed_out)?;
        app.seen.lock().expect("nobody panics while holding who was seen").insert(user.id, app::now());
        Ok(Self(user))
    }
}

async fn by_cookie(app: &Shared, cookie: &str) -> Result<Option<user::Model>, sea_orm::DbErr> {
    let login = login::Entity::find_by_id(secret::hash(cookie)).one(&app.db).await?;
    let Some(login) = login.filter(|l| l.until > stored_time(app::now())) else { return Ok(None) };
    Ok(user::Entity::find_by_id(login.user).one(&app.db).await?.filter(|u| !u.disabled))
}

/// The technician whose cookie these headers carry.
pub async fn signed_in(app: &Shared, headers: &axum::http::HeaderMap) -> Option<user::Model> {
    by_cookie(app, &cookie(app, headers)?).await.ok().flatten()
}

/// A technician who is signed in and takes part in the running session of the address (its parameter `id`).
pub struct Helper {
    pub live: Arc<Live>,
    pub me: SignedIn,
    /// The technician's number within the session.
    pub by: ParticipantId,
}

impl FromRequestParts<Shared> for Helper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let me = SignedIn::from_request_parts(parts, app).await?;
        let address = RawPathParams::from_request_parts(parts, app).await.ok();
        let id = address.as_ref().and_then(|a| a.iter().find(|(name, _)| *name == "id")).map(|(_, id)| id.to_owned());
        let live = sessions::running(app, id.unwrap_or_default())?;
        let who = live.ask(|s| s.technician(me.0.id).map(|p| p.id)).await;
        let by = who.ok_or_else(|| ApiError::forbidden("You do not take part in this session."))?;
        Ok(Self { live, me, by })
    }
}

/// An administrator who is signed in.
pub struct Admin;

impl FromRequestParts<Shared> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let SignedIn(user) = SignedIn::from_request_parts(parts, app).await?;
        if user.administrator { Ok(Self) } else { Err(ApiError::forbidden("Only an administrator may do this.")) }
    }
}

/// The address that a request comes from.
pub struct From(pub IpAddr);

impl FromRequestParts<Shared> for From {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([127, 0, 0, 1]), |ConnectInfo(address)| address.ip());
        let forwarded = parts.headers.get("x-forwarded-for").and_then(|v| v.to_str().ok());
        Ok(Self(app.client_address(peer, forwarded)))
    }
}
