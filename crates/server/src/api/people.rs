//! Technicians and administrators.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::standing::Reach;
use platform::text::{
    self,
    address::{self, Unusable},
    is_plain,
};
use protocol::MAX_NAME_CHARS;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, SqlErr,
};
use serde::{Deserialize, Serialize};
use store::{
    tables::user,
    teams::{self, TeamNames},
};
use ts_rs::TS;

use super::{Admin, ApiError, ConfirmedAdmin, Result, SignedIn, team_names};

use crate::{
    account_changes::{self, AccountChange, ChangedBy, EvidenceChange},
    organisation::Organisation,
    sign_in::Auth,
};

/// A new technician.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct NewUser {
    pub login: String,
    pub name: String,
    pub email: String,
    pub team: String,
    pub password: String,
    #[serde(default)]
    pub administrator: bool,
}

/// Changes of an account. Omitted fields and an empty password stay as they are, so that nobody undoes another
/// administrator's concurrent change.
#[derive(Default, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, optional_fields)]
pub struct UserChange {
    pub name: Option<String>,
    pub email: Option<String>,
    pub team: Option<String>,
    pub administrator: Option<bool>,
    pub disabled: Option<bool>,
    pub password: Option<String>,
    pub may_watch: Option<bool>,
    pub may_export: Option<bool>,
    pub may_delete: Option<bool>,
    pub reach: Option<Reach>,
    /// The role in sessions; 0 for none.
    pub role: Option<i32>,
}

/// A technician's account.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Account {
    pub id: i32,
    pub login: String,
    pub name: String,
    pub email: String,
    pub team: String,
    pub administrator: bool,
    pub disabled: bool,
    /// Whether they may watch recordings, export and delete evidence, and whose.
    pub may_watch: bool,
    pub may_export: bool,
    pub may_delete: bool,
    pub reach: Reach,
    /// The role in sessions; 0 for none.
    pub role: i32,
    /// Signs in by the directory or an OpenID provider.
    pub external: bool,
    /// Has a second factor.
    pub second: bool,
}

impl Account {
    /// The account as it is shown, with the name of its team.
    pub fn of(u: user::Model, team: String) -> Self {
        let reach = Reach::of(&u);
        let user::Model { id, login, name, email, administrator, disabled, role, .. } = u;
        let (may_watch, may_export, may_delete) = (u.may_watch, u.may_export, u.may_delete);
        let (external, second) = (!u.external.is_empty(), !u.totp.is_empty());
        Self {
            id,
            login,
            name,
            email,
            team,
            administrator,
            disabled,
            may_watch,
            may_export,
            may_delete,
            reach,
            role,
            external,
            second,
        }
    }
}

/// All accounts.
pub async fn users(State(db): State<DatabaseConnection>, _: Admin) -> Result<Json<Vec<Account>>> {
    let users = user::Entity::find().order_by_asc(user::Column::Name).all(&db).await?;
    let names = TeamNames::load(&db).await?;
    let account = |u: user::Model| {
        let team = names.of(u.team).to_owned();
        Account::of(u, team)
    };
    Ok(Json(users.into_iter().map(account).collect()))
}

/// A technician as colleagues see them.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Colleague {
    pub id: i32,
    pub name: String,
    pub team: String,
    /// Whether they have a console open.
    pub online: bool,
    /// How many sessions with a customer they are in, counting only those that the user may see.
    pub sessions: u32,
}

/// Technicians to whom an incident can be assigned or a session transferred.
pub async fn technicians(
    State(db): State<DatabaseConnection>,
    State(organisation): State<Arc<Organisation>>,
    SignedIn(me): SignedIn,
) -> Result<Json<Vec<Colleague>>> {
    let users = user::Entity::find().filter(user::Column::Disabled.eq(false)).order_by_asc(user::Column::Name);
    let users = users.all(&db).await?;
    let (online, busy) = (organisation.online(), organisation.busy(Some(&me)).await?);
    let names = TeamNames::load(&db).await?;
    let colleague = |u: user::Model| Colleague {
        online: online.contains(&u.id),
        sessions: busy.get(&u.id).copied().unwrap_or(0),
        id: u.id,
        name: u.name,
        team: names.of(u.team).to_owned(),
    };
    Ok(Json(users.into_iter().map(colleague).collect()))
}

/// Adds a technician.
pub async fn add_user(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<Account>)> {
    Ok((StatusCode::CREATED, Json(insert_user(&db, &auth, new).await?)))
}

/// Changes a technician's account. A new password or disabling it ends every sign-in.
pub async fn change_user(
    State(auth): State<Arc<Auth>>,
    ConfirmedAdmin(me): ConfirmedAdmin,
    Path(id): Path<i32>,
    Json(change): Json<UserChange>,
) -> Result<Json<Account>> {
    if change.role.is_some_and(|role| role != 0 && !auth.rules.get().roles.iter().any(|r| r.id == role)) {
        return Err(ApiError::bad("There is no such role."));
    }
    let wanted = AccountChange {
        name: change.name.as_deref().map(name).transpose()?,
        email: change.email.as_deref().map(email).transpose()?,
        team: change.team.as_deref().map(team_names::checked).transpose()?,
        administrator: change.administrator,
        disabled: change.disabled,
        password: match change.password.filter(|new| !new.is_empty()) {
            Some(new) => Some(password(&auth, new).await?),
            None => None,
        },
        evidence: EvidenceChange {
            may_watch: change.may_watch,
            may_export: change.may_export,
            may_delete: change.may_delete,
            reach: change.reach.map(reach_word),
        },
        role: change.role,
        email_language: None,
    };
    let user = account_changes::change(&auth, ChangedBy::Administrator(me), id, wanted).await?;
    let team = teams::name(&auth.db, user.team).await?;
    Ok(Json(Account::of(user, team)))
}

/// Checks and stores a new account.
pub async fn insert_user(db: &DatabaseConnection, auth: &Auth, new: NewUser) -> Result<Account> {
    let user = new_user(db, auth, new).await?.insert(db).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => known_already(),
        _ => error.into(),
    })?;
    let team = teams::name(db, user.team).await?;
    Ok(Account::of(user, team))
}

fn known_already() -> ApiError {
    ApiError::conflict("There is already an account with this user name.")
}

/// Checks a new account, without storing it. A new name of a team makes that team.
pub async fn new_user(db: &DatabaseConnection, auth: &Auth, new: NewUser) -> Result<user::ActiveModel> {
    let login = new.login.trim().to_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if login.is_empty() || login.len() > 64 || !login.chars().all(plain) {
        return Err(ApiError::bad("A user name has up to 64 letters, digits, dots, dashes, underscores or @."));
    }
    if user::Entity::find().filter(user::Column::Login.eq(&*login)).one(db).await?.is_some() {
        return Err(known_already());
    }
    let (name, email, team) = (name(&new.name)?, email(&new.email)?, team_names::checked(&new.team)?);
    let password = password(auth, new.password).await?;
    Ok(user::ActiveModel {
        login: Set(login),
        name: Set(name),
        email: Set(email),
        team: Set(teams::named_or_new(db, &team).await?),
        administrator: Set(new.administrator),
        disabled: Set(false),
        password: Set(password),
        may_watch: Set(true),
        may_export: Set(false),
        may_delete: Set(false),
        reach: Set(reach_word(Reach::Team).into()),
        role: Set(0),
        external: Set(String::new()),
        totp: Set(String::new()),
        totp_step: Set(0),
        recovery: Set(String::new()),
        ..Default::default()
    })
}

fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::Own => "own",
        Reach::Team => "team",
        Reach::All => "all",
    }
}

/// Hashes a password of acceptable length.
pub async fn password(auth: &Auth, password: String) -> Result<String> {
    let length = password.chars().count();
    if !(10..=200).contains(&length) {
        return Err(ApiError::bad("A password must have between 10 and 200 characters."));
    }
    Ok(auth.passwords.hash(password).await?)
}

/// Checks a person's or organisation's name.
pub fn name(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::bad("A name has between 1 and 120 characters."));
    }
    if !is_plain(text) {
        return Err(ApiError::bad("A name must be one line of visible characters."));
    }
    Ok(text.to_owned())
}

/// Checks a name that may be empty. A long name is not cut, because the rest could be another name.
pub fn label(text: &str, what: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > MAX_NAME_CHARS || !is_plain(text) {
        return Err(ApiError::bad(format!("{what} must be one line of at most 120 characters.")));
    }
    Ok(text.to_owned())
}

/// Checks a mail address.
pub fn email(text: &str) -> Result<String> {
    let text = text.trim();
    let bad = |_| ApiError::bad(format!("“{}” is not a mail address.", text::shortened(text, 100)));
    match address::whole(text) {
        Ok(whole) => whole.parse::<lettre::Address>().map(|a| a.to_string()).map_err(|_| bad(())),
        Err(Unusable::NoAddress) => Err(bad(())),
        Err(Unusable::TooLong) => Err(ApiError::bad("A mail address has at most 254 characters.")),
    }
}
