//! Teams: what accounts and incidents name, with a number and a code name for other systems.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use crate::store::tables::{incident, team, user};

/// The name that other systems write: lower-case letters, digits and underscores.
pub fn code_name(name: &str) -> String {
    let code: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let code = code.trim_matches('_').chars().take(64).collect::<String>();
    if code.is_empty() { "team".into() } else { code }
}

/// Makes the team by that name, if it is missing. Nobody's team has no name.
pub async fn know(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    if name.is_empty() || team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await?.is_some() {
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
