//! Setting up, signing in and out.

use std::sync::OnceLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, ModelTrait, QueryFilter, SqlErr};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    ApiError, From, Result, SignedIn,
    people::{Account, NewUser, new_user},
    signed_in::{cookie, cookie_name},
};
use crate::{
    app::{self, Shared, stored_time},
    secret,
    sign_in::{self, directory::Directory, second},
    staff,
    store::{
        setting,
        tables::{login, user},
    },
};

/// A sign-in lasts a working day.
pub const LOGIN_MS: u64 = 12 * 60 * 60 * 1_000;
/// The number of the first administrator.
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

/// Who is signed in, and where.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Me {
    pub account: Account,
    pub organisation: String,
    pub domain: String,
    /// Whether mails go out; otherwise they land in the outbox.
    pub mail: bool,
}

/// Makes the first administrator, once.
pub async fn set_up(State(app): State<Shared>, From(address): From, Json(body): Json<SetUp>) -> Result<Response> {
    app.password_guesses.guess(address)?;
    let right = {
        let setup = app.setup.lock().expect("nobody panics while holding the set-up token");
        setup.as_ref().is_some_and(|token| secret::hash(token) == secret::hash(&body.token))
    };
    let used = || ApiError::missing("set-up link, or it has been used");
    if !right {
        return Err(used());
    }
    let mut settings = app.settings();
    settings.organisation = super::people::name(&body.organisation)?;
    let mut row = new_user(&app, NewUser { administrator: true, ..body.user }).await?;
    // The first account has the first number: of several requests at once one finds it free.
    row.id = Set(FIRST_USER);
    let user = row.insert(&app.db).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => used(),
        _ => error.into(),
    })?;
    staff::know(&app.db, &user.team).await?;
    setting::save(&app.db, &app.secrets, &settings).await?;
    *app.settings.write().expect("nobody panics while holding the settings") = settings;
    *app.setup.lock().expect("nobody panics while holding the set-up token") = None;
    start(&app, &user).await
}

/// Signs a technician in.
pub async fn sign_in_here(
    State(app): State<Shared>,
    From(address): From,
    Json(body): Json<Credentials>,
) -> Result<Response> {
    app.password_guesses.guess(address)?;
    app.password_guesses.guess_at(&body.login)?;
    let login = body.login.trim().to_lowercase();
    let user = user::Entity::find().filter(user::Column::Login.eq(login)).one(&app.db).await?;
    let directory = app.directory();
    // An account with a password is judged by that alone: the directory takes over nobody's.
    let elsewhere = user.as_ref().is_none_or(|u| u.external.starts_with("ldap "));
    if directory.enabled && elsewhere {
        return by_directory(&app, &directory, &body).await;
    }
    let user = user.filter(|u| !u.disabled);
    let hash = user.as_ref().map(|u| u.password.clone());
    let password = body.password;
    let right = tokio::task::spawn_blocking(move || verify(&password, hash.as_deref())).await.unwrap_or(false);
    match user {
        // Only whoever knows the password learns that there is a second factor.
        Some(user) if right && !user.totp.is_empty() && body.code.trim().is_empty() => Err(ApiError::second_factor()),
        Some(user) if right && !user.totp.is_empty() => {
            match second::accept(&app, &user, &body.code, app::now()).await? {
                true => start(&app, &user).await,
                false => Err(ApiError::wrong_code()),
            }
        }
        Some(user) if right => start(&app, &user).await,
        _ => Err(ApiError::wrong_password()),
    }
}

/// Signs somebody in whom the directory knows.
async fn by_directory(app: &Shared, directory: &Directory, body: &Credentials) -> Result<Response> {
    let known =
        directory.check(&app.config.outbound, body.login.trim(), &body.password).await.map_err(ApiError::upstream)?;
    let who = known.ok_or_else(ApiError::wrong_password)?;
    match sign_in::admit(app, &directory.groups, who).await {
        Ok(user) => start(app, &user).await,
        Err(sign_in::NotIn::Store(error)) => Err(error.into()),
        Err(why) => Err(ApiError::forbidden(why.to_string())),
    }
}

/// Ends this browser's sign-in.
pub async fn sign_out(State(app): State<Shared>, headers: HeaderMap) -> Result<Response> {
    if let Some(cookie) = cookie(&app, &headers) {
        sign_in::sign_out(&app, &secret::hash(&cookie)).await?;
    }
    Ok(with_cookie(&app, "", 0))
}

/// Ends every sign-in of this technician.
pub async fn sign_out_everywhere(State(app): State<Shared>, SignedIn(user): SignedIn) -> Result<Response> {
    sign_in::sign_out_everywhere(&app, user.id).await?;
    Ok(with_cookie(&app, "", 0))
}

/// Who is signed in.
pub async fn me(State(app): State<Shared>, SignedIn(user): SignedIn) -> Json<Me> {
    Json(Me {
        account: user.into(),
        organisation: app.settings().organisation,
        domain: app.config.domain().to_owned(),
        mail: app.config.smtp_url.is_some(),
    })
}

/// Signs somebody in whose identity is certain. `user` is the account as it was when that was found.
pub async fn start(app: &Shared, user: &user::Model) -> Result<Response> {
    let now = app::now();
    login::Entity::delete_many().filter(login::Column::Until.lt(stored_time(now))).exec(&app.db).await?;
    let token = secret::token();
    let until = stored_time(now.plus(LOGIN_MS));
    let row = login::ActiveModel {
        hash: Set(secret::hash(&token)),
        user: Set(user.id),
        until: Set(until),
        confirmed: Set(stored_time(now)),
    };
    let row = row.insert(&app.db).await?;
    // Whoever changes what proves an identity ends the sign-ins that are there; this one may have come just behind.
    let now = user::Entity::find_by_id(user.id).one(&app.db).await?;
    let proves = |u: &user::Model| (u.disabled, u.password.clone(), u.totp.clone(), u.external.clone());
    if now.is_none_or(|now| proves(&now) != proves(user)) {
        row.delete(&app.db).await?;
        return Err(ApiError::wrong_password());
    }
    Ok(with_cookie(app, &token, LOGIN_MS / 1_000))
}

fn with_cookie(app: &Shared, value: &str, seconds: u64) -> Response {
    let secure = app.config.secure();
    let name = cookie_name(secure);
    let flag = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{flag}");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Argon2id with the parameters that its RFC (9106) recommends second, which the library has as its default.
pub fn hash_password(password: &str) -> Result<String> {
    let salt = SaltString::encode_b64(&secret::random::<16>()).map_err(|e| anyhow::anyhow!("a salt failed: {e}"))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|e| anyhow::anyhow!("a hash failed: {e}"))?.to_string())
}

/// Takes as long for a name that does not exist as for one that does.
pub(super) fn verify(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| hash_password("nobody").unwrap_or_default());
    let parsed = PasswordHash::new(hash.unwrap_or(nobody));
    let right = parsed.is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok());
    right && hash.is_some()
}
