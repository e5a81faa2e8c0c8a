//! Extractors for who sends a request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::{ConnectInfo, FromRequestParts, RawPathParams, Request},
    http::{Extensions, HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use live_sessions::{ActError, LiveSession, logins::Login};
use platform::{clock, secret};
use protocol::{ParticipantId, Timestamp, UserRef};
use sea_orm::{DatabaseConnection, EntityTrait};
use store::{
    stored_time,
    tables::{login, user},
};
use tokio::sync::watch;

use super::{ApiError, sessions};

use crate::{config::PublicUrl, connections::Clients, state::AppState};

/// How long a request may continue after its sign-in has ended: it may be the one that ended it.
const END_GRACE: Duration = Duration::from_millis(500);
/// Responses up to this many bytes are sent completely.
const SHORT_ANSWER: u64 = 64 * 1024;
/// For how long a confirmed identity allows changes of how people sign in.
pub const CONFIRMED_MS: i64 = 10 * 60_000;

/// The name of the cookie; browsers restrict `__Host-` cookies to HTTPS and to this host.
pub fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-deskside" } else { "deskside" }
}

/// The cookie's value, if the browser sent one.
pub fn cookie(public_url: &PublicUrl, parts: &HeaderMap) -> Option<String> {
    let name = cookie_name(public_url.secure());
    let all = parts.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
}

/// A signed-in technician.
pub struct SignedIn(pub user::Model);

impl SignedIn {
    /// The technician as sessions refer to them.
    pub fn as_ref(&self) -> UserRef {
        UserRef { id: self.0.id, name: self.0.name.clone() }
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Ok(Self(Browser::from_request_parts(parts, app).await?.me))
    }
}

/// A signed-in technician with the sign-in of this browser.
pub struct Browser {
    pub me: user::Model,
    pub login: login::Model,
}

impl Browser {
    /// Whether they have confirmed their identity recently.
    pub fn is_confirmed(&self) -> bool {
        stored_time(clock::now()) - self.login.confirmed < CONFIRMED_MS
    }
}

impl FromRequestParts<AppState> for Browser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let cookie = cookie(&app.public_url, &parts.headers).ok_or_else(ApiError::signed_out)?;
        // Taken before the look-up, so that an end in between is noticed.
        let login = app.auth.logins.take(&secret::hash(&cookie));
        let browser = by_cookie(&app.db, &cookie).await?.ok_or_else(ApiError::signed_out)?;
        login.is_of(browser.me.id, Timestamp(browser.login.until.cast_unsigned()));
        if let Some(LoginSender(sender)) = parts.extensions.get() {
            sender.send_replace(Some(login.clone()));
        }
        parts.extensions.insert(login);
        app.organisation.seen.lock().expect("the lock is not poisoned").insert(browser.me.id, clock::now());
        Ok(browser)
    }
}

async fn by_cookie(db: &DatabaseConnection, cookie: &str) -> Result<Option<Browser>, sea_orm::DbErr> {
    let login = login::Entity::find_by_id(secret::hash(cookie)).one(db).await?;
    let Some(login) = login.filter(|l| l.until > stored_time(clock::now())) else { return Ok(None) };
    let me = user::Entity::find_by_id(login.user).one(db).await?.filter(|u| !u.disabled);
    Ok(me.map(|me| Browser { me, login }))
}

/// The technician to whom the cookie in these headers belongs.
pub async fn signed_in(db: &DatabaseConnection, public_url: &PublicUrl, headers: &HeaderMap) -> Option<user::Model> {
    by_cookie(db, &cookie(public_url, headers)?).await.ok().flatten().map(|browser| browser.me)
}

/// A technician who has confirmed their identity recently. A cookie alone, which may be stolen, does not allow changes
/// of how somebody signs in.
pub struct Confirmed(pub Browser);

impl FromRequestParts<AppState> for Confirmed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let browser = Browser::from_request_parts(parts, app).await?;
        if browser.is_confirmed() { Ok(Self(browser)) } else { Err(ApiError::unconfirmed()) }
    }
}

/// The account id of an administrator who has confirmed their identity recently: for changes of how others sign in or
/// of what other systems may do.
pub struct ConfirmedAdmin(pub i32);

impl FromRequestParts<AppState> for ConfirmedAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let Admin(id) = Admin::from_request_parts(parts, app).await?;
        Confirmed::from_request_parts(parts, app).await.map(|_| Self(id))
    }
}

/// The sign-in of the request. What is issued under it ends with it.
pub struct CurrentLogin(pub Login);

impl FromRequestParts<AppState> for CurrentLogin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        if parts.extensions.get::<Login>().is_none() {
            SignedIn::from_request_parts(parts, app).await?;
        }
        parts.extensions.get().cloned().map(Self).ok_or_else(ApiError::signed_out)
    }
}

/// Tells the middleware which sign-in a request uses.
#[derive(Clone)]
struct LoginSender(watch::Sender<Option<Login>>);

/// Ends a response when its sign-in ends. Short responses, like that to signing out, are sent completely.
pub async fn while_signed_in(mut request: Request, next: Next) -> Response {
    let sender = watch::Sender::new(None::<Login>);
    let mut found = sender.subscribe();
    request.extensions_mut().insert(LoginSender(sender));
    let ended = async {
        let Some(login) = found.wait_for(Option::is_some).await.ok().and_then(|login| login.clone()) else {
            return std::future::pending().await;
        };
        login.ended().await;
        tokio::time::sleep(END_GRACE).await;
    };
    let response = tokio::select! {
        biased;
        response = next.run(request) => response,
        () = ended => return ApiError::signed_out().into_response(),
    };
    let login = found.borrow().clone();
    match login {
        Some(login) if response.body().size_hint().exact().is_none_or(|bytes| bytes > SHORT_ANSWER) => {
            cut_off(response, login)
        }
        Some(_) | None => response,
    }
}

/// The same response, which breaks off when the sign-in ends.
fn cut_off(response: Response, login: Login) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    let ended = Box::pin(async move { login.ended().await });
    let chunks = futures::stream::unfold(Some((body.into_data_stream(), ended)), |state| async {
        let (mut data, mut ended) = state?;
        tokio::select! {
            biased;
            () = &mut ended => Some((Err(std::io::Error::other("the sign-in has ended")), None)),
            chunk = data.next() => chunk.map(|chunk| (chunk.map_err(std::io::Error::other), Some((data, ended)))),
        }
    });
    Response::from_parts(head, Body::from_stream(chunks))
}

/// A signed-in technician who takes part in the running session of the path (parameter `id`).
pub struct Helper {
    pub live: Arc<LiveSession>,
    pub me: SignedIn,
    /// The technician as a participant of the session.
    pub by: ParticipantId,
}

impl FromRequestParts<AppState> for Helper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let me = SignedIn::from_request_parts(parts, app).await?;
        let address = RawPathParams::from_request_parts(parts, app).await.ok();
        let id = address.as_ref().and_then(|a| a.iter().find(|(name, _)| *name == "id")).map(|(_, id)| id.to_owned());
        let live = sessions::running(&app.sessions, id.unwrap_or_default())?;
        let who = live.read(|s| s.technician(me.0.id).map(|p| s.admits(p.id).map(|p| p.id))).await;
        let by = who.ok_or_else(|| ApiError::forbidden("You do not take part in this session."))?;
        Ok(Self { live, me, by: by.map_err(ActError::from)? })
    }
}

/// The account id of a signed-in administrator.
pub struct Admin(pub i32);

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let SignedIn(user) = SignedIn::from_request_parts(parts, app).await?;
        if user.administrator {
            Ok(Self(user.id))
        } else {
            Err(ApiError::forbidden("Only an administrator may do this."))
        }
    }
}

/// The address that a request comes from.
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Ok(Self(address(&app.clients, &parts.extensions, &parts.headers)))
    }
}

/// The address that a request with these headers comes from.
pub fn address(clients: &Clients, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::from([127, 0, 0, 1]), |ConnectInfo(address)| address.ip());
    clients.client_address(peer, headers)
}
