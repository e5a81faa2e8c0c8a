//! Queries about accounts that several parts of the server share, also within transactions.

use protocol::UserRef;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};

use crate::tables::user;

/// The account with this number, unless it is disabled.
pub async fn usable(db: &impl ConnectionTrait, account: i32) -> Result<Option<user::Model>, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.filter(|u| !u.disabled))
}

/// Whether this account exists and is disabled.
pub async fn is_disabled(db: &impl ConnectionTrait, account: i32) -> Result<bool, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.is_some_and(|u| u.disabled))
}

/// A technician as sessions refer to them.
pub fn as_ref(user: &user::Model) -> UserRef {
    UserRef { id: user.id, name: user.name.clone() }
}

/// The technician with this number, unless the account is disabled.
pub async fn technician(db: &DatabaseConnection, id: i32) -> Result<Option<UserRef>, DbErr> {
    let found = user::Entity::find_by_id(id).one(db).await?;
    Ok(found.filter(|u| !u.disabled).map(|u| as_ref(&u)))
}

/// Whether this is the last administrator who can sign in. There must always be one.
pub async fn is_last_administrator(db: &DatabaseConnection, user: &user::Model) -> Result<bool, DbErr> {
    let others = user::Entity::find()
        .filter(user::Column::Administrator.eq(true))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    Ok(user.administrator && others.one(db).await?.is_none())
}
