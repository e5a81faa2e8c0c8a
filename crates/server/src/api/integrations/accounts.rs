//! API accounts, and tokens for the REST API.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use platform::{clock, secret};
use protocol::Timestamp;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait};
use serde::{Deserialize, Serialize};
use store::{
    stored_time,
    tables::{api_account, api_token},
};
use ts_rs::TS;

use crate::{
    accounts::{self, Scope},
    api::{ApiError, ConfirmedAdmin, Result, people},
};

/// The longest comment, list of events and certificate.
const MAX_COMMENT: usize = 4_000;

/// An account of another system.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiAccount {
    pub id: i32,
    pub name: String,
    pub comments: String,
    pub client_id: String,
    pub scopes: Vec<Scope>,
    pub enabled: bool,
    pub created: Timestamp,
}

impl From<api_account::Model> for ApiAccount {
    fn from(a: api_account::Model) -> Self {
        let scopes = Scope::split(&a.scopes);
        let created = Timestamp(a.created.cast_unsigned());
        let api_account::Model { id, name, comments, client_id, enabled, .. } = a;
        Self { id, name, comments, client_id, scopes, enabled, created }
    }
}

/// The fields of an account that can be set.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ApiAccountInput {
    pub name: String,
    pub comments: String,
    pub scopes: Vec<Scope>,
    pub enabled: bool,
}

/// An account with its secret, which is shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiSecret {
    pub account: ApiAccount,
    pub client_secret: String,
}

/// A token for the REST API.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiToken {
    pub id: i32,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub created: Timestamp,
    pub until: Timestamp,
}

/// A token to be created.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ApiTokenInput {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub days: u32,
}

/// A new token, shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct NewToken {
    pub token: String,
    pub about: ApiToken,
}

pub fn shown_token(t: &api_token::Model) -> ApiToken {
    let time = |at: i64| Timestamp(at.cast_unsigned());
    let (created, until) = (time(t.created), time(t.until));
    ApiToken { id: t.id, name: t.name.clone(), scopes: Scope::split(&t.scopes), created, until }
}

fn comment(text: &str) -> Result<String> {
    match text.len() {
        0..=MAX_COMMENT => Ok(text.trim().to_owned()),
        _ => Err(ApiError::bad("A comment has at most 4,000 bytes.")),
    }
}

fn new_secret() -> String {
    // 44 characters that need no escaping anywhere.
    URL_SAFE_NO_PAD.encode(secret::random::<33>())
}

/// Adds an account.
pub async fn add_account(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Json(new): Json<ApiAccountInput>,
) -> Result<(StatusCode, Json<ApiSecret>)> {
    let client_secret = new_secret();
    let row = api_account::ActiveModel {
        name: Set(people::name(&new.name)?),
        comments: Set(comment(&new.comments)?),
        client_id: Set(secret::hex(&secret::random::<20>())),
        secret: Set(secret::hash(&client_secret)),
        scopes: Set(Scope::join(&new.scopes)),
        enabled: Set(new.enabled),
        created: Set(stored_time(clock::now())),
        ..Default::default()
    };
    let account = row.insert(&db).await?.into();
    Ok((StatusCode::CREATED, Json(ApiSecret { account, client_secret })))
}

async fn account(db: &DatabaseConnection, id: i32) -> Result<api_account::Model> {
    api_account::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("account"))
}

/// Changes an account. Its scopes take effect at once, for its tokens too.
pub async fn change_account(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
    Json(new): Json<ApiAccountInput>,
) -> Result<Json<ApiAccount>> {
    let mut row: api_account::ActiveModel = account(&db, id).await?.into();
    row.name = Set(people::name(&new.name)?);
    row.comments = Set(comment(&new.comments)?);
    row.scopes = Set(Scope::join(&new.scopes));
    row.enabled = Set(new.enabled);
    Ok(Json(row.update(&db).await?.into()))
}

/// Gives an account a new secret; all of its tokens end.
pub async fn new_account_secret(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<Json<ApiSecret>> {
    let client_secret = new_secret();
    let mut row: api_account::ActiveModel = account(&db, id).await?.into();
    row.secret = Set(secret::hash(&client_secret));
    let account = row.update(&db).await?.into();
    accounts::end_tokens(&db, id).await?;
    Ok(Json(ApiSecret { account, client_secret }))
}

/// Removes an account with its tokens.
pub async fn remove_account(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    account(&db, id).await?;
    accounts::end_tokens(&db, id).await?;
    api_account::Entity::delete_by_id(id).exec(&db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates a token.
pub async fn add_token(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Json(new): Json<ApiTokenInput>,
) -> Result<(StatusCode, Json<NewToken>)> {
    if !(1..=3_650).contains(&new.days) || new.scopes.is_empty() {
        return Err(ApiError::bad("A token needs a lifetime between 1 and 3,650 days and at least one scope."));
    }
    let (now, token) = (clock::now(), format!("deskside_{}", secret::token()));
    let row = api_token::ActiveModel {
        hash: Set(secret::hash(&token)),
        account: Set(None),
        name: Set(people::name(&new.name)?),
        scopes: Set(Scope::join(&new.scopes)),
        created: Set(stored_time(now)),
        until: Set(stored_time(now.plus(u64::from(new.days) * 86_400_000))),
        ..Default::default()
    };
    let about = shown_token(&row.insert(&db).await?);
    Ok((StatusCode::CREATED, Json(NewToken { token, about })))
}

/// Ends a token.
pub async fn remove_token(
    State(db): State<DatabaseConnection>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    let gone = api_token::Entity::delete_by_id(id).exec(&db).await?;
    if gone.rows_affected == 0 { Err(ApiError::missing("token")) } else { Ok(StatusCode::NO_CONTENT) }
}
