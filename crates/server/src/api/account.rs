//! Set-up of the first administrator, signing in and signing out.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use platform::{clock, secret, throttle::Attempt};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, ModelTrait, QueryFilter, SqlErr,
};
use serde::{Deserialize, Serialize};
use store::{
    setting::{self, Current},
    settings::Settings,
    stored_time,
    tables::{login, user},
};
use tokio::time::Instant;
use ts_rs::TS;

use super::{
    ApiError, ClientAddress, Result, SignedIn,
    people::{Account, NewUser, new_user},
    signed_in::{cookie, cookie_name},
};

use crate::{
    config::PublicUrl,
    connections::Clients,
    mail::Mailer,
    sign_in::{self, Auth, device, totp},
};

/// How long a sign-in lasts: a working day.
pub const LOGIN_MS: u64 = 12 * 60 * 60 * 1_000;
/// The id of the first administrator.
const FIRST_USER: i32 = 1;

/// The first administrator.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct SetUp {
    pub token: String,
    pub organisation: String,
    pub user: NewUser,
}

/// Name and password.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Credentials {
    pub login: String,
    pub password: String,
    /// The second factor, where there is one.
    #[serde(default)]
    pub code: String,
}

/// Who is signed in, and to which organisation.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Me {
    pub account: Account,
    pub organisation: String,
    pub domain: String,
    /// Whether mails are sent; otherwise they stay in the outbox.
    pub mail: bool,
}

/// Creates the first administrator, once.
pub async fn set_up(
    State(current): State<Arc<Current<Settings>>>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<SetUp>,
) -> Result<Response> {
    let valid = {
        let setup = auth.setup.lock().expect("the set-up token's lock is not poisoned");
        setup.as_ref().is_some_and(|token| secret::hash(token) == secret::hash(&body.token))
    };
    let used = || ApiError::missing("set-up link, or it has been used");
    if !valid {
        clients.record_failure(address)?;
        return Err(used());
    }
    let mut settings = current.get();
    settings.organisation = super::people::name(&body.organisation)?;
    let mut row = new_user(&auth.db, &auth, NewUser { administrator: true, ..body.user }).await?;
    // The first account has the first id, so of several concurrent requests only one can insert it.
    row.id = Set(FIRST_USER);
    let user = row.insert(&auth.db).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => used(),
        _ => error.into(),
    })?;
    setting::save(&auth.db, &auth.secrets, &settings).await?;
    current.replace(settings);
    *auth.setup.lock().expect("the set-up token's lock is not poisoned") = None;
    start(&auth.db, &auth.public_url, &user).await
}

/// How long a failed sign-in takes: whether the password was compared with a hash, a directory was asked, or there is
/// no such account, the response takes the same time.
const FAILED_SIGN_IN_TIME: Duration = Duration::from_millis(400);

/// Signs a technician in.
pub async fn sign_in_here(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(from): ClientAddress,
    headers: HeaderMap,
    Json(body): Json<Credentials>,
) -> Result<Response> {
    let begun = Instant::now();
    let login = sign_in::login(&body.login);
    let user = user::Entity::find().filter(user::Column::Login.eq(login.as_str())).one(&db).await?;
    let device = user.as_ref().and_then(|user| device::known(&auth, &headers, user));
    let name = sign_in::subject(&login);
    let guess = clients.guess(Attempt::Password { name: &name, from, device: device.as_deref() })?;
    let Some(user) = by_password(&auth, body.login.trim(), body.password, user).await? else {
        tokio::time::sleep_until(begun + FAILED_SIGN_IN_TIME).await;
        return Err(ApiError::wrong_password());
    };
    clients.throttle.right(guess);
    if !user.totp.is_empty() {
        // Only somebody who knows the password learns that there is a second factor.
        if body.code.trim().is_empty() {
            return Err(ApiError::second_factor());
        }
        let guess = clients.guess(Attempt::Code { user: user.id, device: device.as_deref() })?;
        if !totp::accept(&auth, &user, &body.code, clock::now()).await? {
            return Err(ApiError::wrong_code());
        }
        clients.throttle.right(guess);
    }
    clients.record_success(from, Some(&name));
    let mut response = start(&db, &public_url, &user).await?;
    device::remember(&auth, &headers, response.headers_mut(), &user);
    Ok(response)
}

/// The account that this password belongs to, here or in the directory; `None` when there is none.
async fn by_password(
    auth: &Auth,
    login: &str,
    password: String,
    user: Option<user::Model>,
) -> Result<Option<user::Model>> {
    let directory = auth.directory.get();
    // An account with a password here is checked by that alone: the directory cannot take it over.
    let elsewhere = user.as_ref().is_none_or(|u| u.external.starts_with("ldap "));
    if directory.enabled && elsewhere {
        // Hashes a password as well, so that this takes as long as for an account here.
        let (known, worked) = tokio::join!(
            directory.check(&auth.outbound, login, &password),
            auth.passwords.fits(password.clone(), None)
        );
        worked?;
        let Some(who) = known? else { return Ok(None) };
        return match sign_in::admit(auth, &directory.groups, who).await {
            Ok(user) => Ok(Some(user)),
            Err(sign_in::SignInError::Store(error)) => Err(error.into()),
            Err(why) => Err(ApiError::forbidden(why.to_string())),
        };
    }
    let user = user.filter(|u| !u.disabled);
    let matches = auth.passwords.fits(password, user.as_ref().map(|u| u.password.clone())).await?;
    Ok(user.filter(|_| matches))
}

/// Ends this browser's sign-in.
pub async fn sign_out(
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(cookie) = cookie(&public_url, &headers) {
        sign_in::sign_out(&auth, &secret::hash(&cookie)).await?;
    }
    Ok(with_cookie(&public_url, "", 0))
}

/// Ends every sign-in of this technician.
pub async fn sign_out_everywhere(
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    SignedIn(user): SignedIn,
) -> Result<Response> {
    sign_in::sign_out_everywhere(&auth, user.id).await?;
    Ok(with_cookie(&public_url, "", 0))
}

/// Who is signed in.
pub async fn me(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(settings): State<Arc<Current<Settings>>>,
    State(mailer): State<Arc<Mailer>>,
    SignedIn(user): SignedIn,
) -> Result<Json<Me>> {
    let team = store::teams::name(&db, user.team).await?;
    Ok(Json(Me {
        account: Account::of(user, team),
        organisation: settings.get().organisation,
        domain: public_url.domain().to_owned(),
        mail: mailer.is_set(),
    }))
}

/// Signs in somebody whose identity has been checked. `user` is the account as it was then.
pub async fn start(db: &DatabaseConnection, public_url: &PublicUrl, user: &user::Model) -> Result<Response> {
    let now = clock::now();
    login::Entity::delete_many().filter(login::Column::Until.lt(stored_time(now))).exec(db).await?;
    let token = secret::token();
    let until = stored_time(now.plus(LOGIN_MS));
    let row = login::ActiveModel {
        hash: Set(secret::hash(&token)),
        user: Set(user.id),
        until: Set(until),
        confirmed: Set(stored_time(now)),
    };
    let row = row.insert(db).await?;
    // A change of password or factor ends all sign-ins. This one may have been created right after such a change, so it
    // is checked again.
    let now = user::Entity::find_by_id(user.id).one(db).await?;
    let proves = |u: &user::Model| (u.disabled, u.password.clone(), u.totp.clone(), u.external.clone());
    if now.is_none_or(|now| proves(&now) != proves(user)) {
        row.delete(db).await?;
        return Err(ApiError::wrong_password());
    }
    Ok(with_cookie(public_url, &token, LOGIN_MS / 1_000))
}

fn with_cookie(public_url: &PublicUrl, value: &str, seconds: u64) -> Response {
    let secure = public_url.secure();
    let name = cookie_name(secure);
    let flag = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{flag}");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}
