//! API accounts and tokens of other systems, and what they may do.

use platform::{clock, secret};
use protocol::UserRef;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, ModelTrait, Order,
    QueryFilter, sea_query::Query,
};
use serde::{Deserialize, Serialize};
use store::{
    stored_time,
    tables::{api_account, api_token},
};
use ts_rs::TS;

/// How long a token of an account is valid.
pub const TOKEN_SECONDS: u64 = 3_600;
/// Most valid tokens of an account. Another one revokes the oldest.
const MOST_TOKENS: u64 = 30;

/// What another system may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, utoipa::ToSchema)]
#[ts(export)]
pub enum Scope {
    /// Read sessions and their participants.
    #[serde(rename = "sessions:read")]
    SessionsRead,
    /// Create, transfer, annotate and end sessions.
    #[serde(rename = "sessions:write")]
    SessionsWrite,
    /// Read transcripts, recordings and reports.
    #[serde(rename = "evidence:read")]
    EvidenceRead,
    /// Read technicians and teams.
    #[serde(rename = "people:read")]
    PeopleRead,
    /// Change technicians and teams.
    #[serde(rename = "people:write")]
    PeopleWrite,
}

impl Scope {
    pub const ALL: [Self; 5] =
        [Self::SessionsRead, Self::SessionsWrite, Self::EvidenceRead, Self::PeopleRead, Self::PeopleWrite];

    /// The scope as it is written in requests.
    pub fn word(self) -> &'static str {
        match self {
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::EvidenceRead => "evidence:read",
            Self::PeopleRead => "people:read",
            Self::PeopleWrite => "people:write",
        }
    }

    /// Scopes as the database stores them.
    pub fn join(scopes: &[Self]) -> String {
        let given = Self::ALL.iter().filter(|s| scopes.contains(s));
        given.map(|s| s.word()).collect::<Vec<_>>().join(" ")
    }

    /// Parses what [`Self::join`] has written.
    pub fn split(words: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|s| words.split(' ').any(|w| w == s.word())).collect()
    }
}

/// Another system that calls the API.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name of its account or token.
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Its account, unless its token was made in the console.
    pub account: Option<api_account::Model>,
    /// Identifies the caller for idempotency keys and rate limits.
    pub key: String,
}

impl Caller {
    /// Whether it has this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The system as sessions refer to it.
    pub fn as_ref(&self) -> UserRef {
        UserRef { id: 0, name: self.name.clone() }
    }

    /// The holder of a token that was made in the console.
    fn of_token(row: api_token::Model) -> Option<Self> {
        let scopes = Scope::split(&row.scopes);
        row.account.is_none().then(|| Self { name: row.name, scopes, account: None, key: format!("token {}", row.id) })
    }

    fn of(account: api_account::Model) -> Self {
        Self {
            name: account.name.clone(),
            scopes: Scope::split(&account.scopes),
            key: format!("account {}", account.id),
            account: Some(account),
        }
    }
}

/// The holder of this bearer token, if it is valid.
pub async fn by_token(db: &DatabaseConnection, token: &str) -> Result<Option<Caller>, DbErr> {
    let row = api_token::Entity::find().filter(api_token::Column::Hash.eq(secret::hash(token))).one(db).await?;
    let Some(row) = row.filter(|r| r.until > stored_time(clock::now())) else { return Ok(None) };
    let Some(account) = row.account else { return Ok(Caller::of_token(row)) };
    let account = api_account::Entity::find_by_id(account).one(db).await?;
    Ok(account.filter(|a| a.enabled).map(Caller::of))
}

/// The caller with this [`Caller::key`], if their account or token is still valid.
pub async fn by_key(db: &DatabaseConnection, key: &str) -> Result<Option<Caller>, DbErr> {
    let Some((kind, id)) = key.split_once(' ') else { return Ok(None) };
    let id = id.parse::<i32>().unwrap_or_default();
    match kind {
        "account" => {
            let account = api_account::Entity::find_by_id(id).one(db).await?;
            Ok(account.filter(|a| a.enabled).map(Caller::of))
        }
        "token" => {
            let row = api_token::Entity::find_by_id(id).one(db).await?;
            Ok(row.filter(|r| r.until > stored_time(clock::now())).and_then(Caller::of_token))
        }
        _ => Ok(None),
    }
}

/// The account with this client id and secret.
pub async fn by_secret(db: &DatabaseConnection, client_id: &str, client_secret: &str) -> Result<Option<Caller>, DbErr> {
    let found = api_account::Entity::find().filter(api_account::Column::ClientId.eq(client_id)).one(db).await?;
    Ok(found.filter(|a| a.enabled && a.secret == secret::hash(client_secret)).map(Caller::of))
}

/// Issues a token for an account; `None` if its secret was changed or it was disabled after the request was
/// authenticated.
pub async fn give_token(db: &DatabaseConnection, account: &api_account::Model) -> Result<Option<String>, DbErr> {
    let now = clock::now();
    let dead = api_token::Column::Until.lt(stored_time(now));
    api_token::Entity::delete_many().filter(dead).exec(db).await?;
    // 40 characters, the length that clients of this grant expect.
    let token = secret::hex(&secret::random::<20>());
    let row = api_token::ActiveModel {
        hash: Set(secret::hash(&token)),
        account: Set(Some(account.id)),
        name: Set(account.name.clone()),
        scopes: Set(account.scopes.clone()),
        created: Set(stored_time(now)),
        until: Set(stored_time(now.plus(TOKEN_SECONDS * 1_000))),
        ..Default::default()
    };
    let row = row.insert(db).await?;
    // A change of the secret revokes existing tokens, and this one may have been inserted just after that.
    let same = api_account::Entity::find_by_id(account.id).filter(api_account::Column::Secret.eq(&*account.secret));
    if same.filter(api_account::Column::Enabled.eq(true)).one(db).await?.is_none() {
        row.delete(db).await?;
        return Ok(None);
    }
    // Counted after the insert, so that concurrent requests never leave more than the newest.
    let newest = Query::select()
        .column(api_token::Column::Id)
        .from(api_token::Entity)
        .and_where(api_token::Column::Account.eq(account.id))
        .order_by(api_token::Column::Id, Order::Desc)
        .limit(MOST_TOKENS)
        .to_owned();
    let older = api_token::Entity::delete_many().filter(api_token::Column::Account.eq(account.id));
    older.filter(api_token::Column::Id.not_in_subquery(newest)).exec(db).await?;
    Ok(Some(token))
}

/// Revokes all tokens of an account.
pub async fn end_tokens(db: &DatabaseConnection, account: i32) -> Result<(), DbErr> {
    api_token::Entity::delete_many().filter(api_token::Column::Account.eq(account)).exec(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_parsed_as_they_are_written() {
        let all = Scope::join(&Scope::ALL);
        assert_eq!(Scope::split(&all), Scope::ALL);
        assert_eq!(Scope::split("people:read nonsense"), [Scope::PeopleRead]);
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.word());
        }
    }
}
