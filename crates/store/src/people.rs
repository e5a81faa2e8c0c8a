//! Questions about accounts and teams that several parts of the server ask, also inside of transactions.

use protocol::UserRef;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter,
};

use crate::tables::{team, user};

/// Whether there is a team by that name.
pub async fn is_team(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await?.is_some())
}

/// The account by this number, while it may be used.
pub async fn usable(db: &impl ConnectionTrait, account: i32) -> Result<Option<user::Model>, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.filter(|u| !u.disabled))
}

/// Whether this is an account that may not be used any more.
pub async fn is_disabled(db: &impl ConnectionTrait, account: i32) -> Result<bool, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.is_some_and(|u| u.disabled))
}

/// A technician as sessions name them.
pub fn as_ref(user: &user::Model) -> UserRef {
    UserRef { id: user.id, name: user.name.clone() }
}

/// The technician by that number, unless the account is disabled.
pub async fn technician(db: &DatabaseConnection, id: i32) -> Result<Option<UserRef>, DbErr> {
    let found = user::Entity::find_by_id(id).one(db).await?;
    Ok(found.filter(|u| !u.disabled).map(|u| as_ref(&u)))
}

/// Whether nobody else is an administrator who can sign in: somebody must stay one.
pub async fn is_last_administrator(db: &DatabaseConnection, user: &user::Model) -> Result<bool, DbErr> {
    let others = user::Entity::find()
        .filter(user::Column::Administrator.eq(true))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    Ok(user.administrator && others.one(db).await?.is_none())
}

/// The name that other systems write: lower-case letters, digits and underscores.
pub fn code_name(name: &str) -> String {
    let code: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let code = code.trim_matches('_').chars().take(64).collect::<String>();
    if code.is_empty() { "team".into() } else { code }
}

/// Makes the team by that name, if it is missing. Nobody's team has no name.
pub async fn know(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    if name.is_empty() || is_team(db, name).await? {
        return Ok(());
    }
    let mut code = code_name(name);
    let mut n = 2;
    while team::Entity::find().filter(team::Column::CodeName.eq(code.as_str())).one(db).await?.is_some() {
        code = format!("{}_{n}", code_name(name));
        n += 1;
    }
    let row = team::ActiveModel {
        name: Set(name.to_owned()),
        code_name: Set(code),
        comments: Set(String::new()),
        ..Default::default()
    };
    row.insert(db).await?;
    Ok(())
}

/// Makes the teams that accounts name and that are missing: of installations from before there were any.
pub async fn fill(db: &DatabaseConnection) -> Result<(), DbErr> {
    for user in user::Entity::find().all(db).await? {
        know(db, &user.team).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_code_name() {
        let table = [("IT Support", "it_support"), ("Büro", "b_ro"), ("文", "team"), ("", "team"), ("-a-", "a")];
        for (name, code) in table {
            assert_eq!(code_name(name), code, "{name}");
        }
    }
}
