//! Technicians and their teams, as the console, the REST API and other systems' APIs all know them.

use std::collections::HashMap;

use protocol::{Phase, Presence, UserRef};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use crate::{
    app::{self, Shared},
    store::tables::{incident, team, user},
};

/// Who was not heard of for so long is not online: open consoles ask every few seconds.
const SEEN_MS: u64 = 40_000;

/// A technician as sessions name them.
pub fn as_ref(user: &user::Model) -> UserRef {
    UserRef { id: user.id, name: user.name.clone() }
}

/// The technician by that number, unless the account is disabled.
pub async fn technician(db: &DatabaseConnection, id: i32) -> Result<Option<UserRef>, DbErr> {
    let found = user::Entity::find_by_id(id).one(db).await?;
    Ok(found.filter(|u| !u.disabled).map(|u| as_ref(&u)))
}

/// Whether there is a team by that name.
pub async fn is_team(db: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    Ok(team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await?.is_some())
}

/// Whether nobody else is an administrator who can sign in: somebody must stay one.
pub async fn is_last_administrator(db: &DatabaseConnection, user: &user::Model) -> Result<bool, DbErr> {
    let others = user::Entity::find()
        .filter(user::Column::Administrator.eq(true))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    Ok(user.administrator && others.one(db).await?.is_none())
}

/// The accounts whose console is open.
pub fn online(app: &Shared) -> Vec<i32> {
    let now = app::now();
    let seen = app.seen.lock().expect("nobody panics while holding who was seen");
    seen.iter().filter(|(_, at)| now.since(**at) < SEEN_MS).map(|(id, _)| *id).collect()
}

/// In how many sessions with a customer each technician is.
pub async fn busy(app: &Shared) -> HashMap<i32, u32> {
    let mut busy: HashMap<i32, u32> = HashMap::new();
    for live in app.hub.all() {
        let here = |p: &&protocol::Participant| p.presence == Presence::Here;
        let helping = live.ask(|s| match s.phase() {
            Phase::Active => s.participants().iter().filter(here).filter_map(|p| p.user).collect(),
            _ => Vec::new(),
        });
        for user in helping.await {
            *busy.entry(user).or_default() += 1;
        }
    }
    busy
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

/// Whoever was in one team is in another, and so are its incidents.
pub async fn rename(db: &DatabaseConnection, from: &str, to: &str) -> Result<(), DbErr> {
    if from == to {
        return Ok(());
    }
    let people = user::Entity::update_many().col_expr(user::Column::Team, Expr::value(to));
    people.filter(user::Column::Team.eq(from)).exec(db).await?;
    let incidents = incident::Entity::update_many().col_expr(incident::Column::Team, Expr::value(to));
    incidents.filter(incident::Column::Team.eq(from)).exec(db).await?;
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
