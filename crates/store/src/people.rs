//! Queries about accounts and teams that several parts of the server share, also within transactions.

use protocol::UserRef;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter,
};

use crate::tables::{team, user};

/// Whether a team with this name exists.
pub async fn is_team(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await?.is_some())
}

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

/// The code name of a team for other systems: lower-case letters, digits and underscores.
pub fn code_name(name: &str) -> String {
    let code: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let code = code.trim_matches('_').chars().take(64).collect::<String>();
    if code.is_empty() { "team".into() } else { code }
}

/// Creates the team with this name if it is missing. An empty name stands for no team.
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

/// Creates the teams that accounts name and that are missing: older versions had no table of teams.
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
