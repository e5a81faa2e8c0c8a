//! Teams. Rows and settings refer to them by number; people, other systems and timelines by name.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{OnConflict, SimpleExpr},
};

use crate::tables::team;

/// The number of a team. It is never given again after the team is removed.
pub type TeamId = i32;

/// The team with this name.
pub async fn named(db: &impl ConnectionTrait, name: &str) -> Result<Option<team::Model>, DbErr> {
    team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await
}

/// Whether a team with this name exists.
pub async fn exists(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(named(db, name).await?.is_some())
}

/// The name of a team; empty without one.
pub async fn name(db: &impl ConnectionTrait, team: Option<TeamId>) -> Result<String, DbErr> {
    let Some(id) = team else { return Ok(String::new()) };
    Ok(team::Entity::find_by_id(id).one(db).await?.map(|team| team.name).unwrap_or_default())
}

/// The team with this name, which is created if it is missing. An empty name stands for no team.
pub async fn named_or_new(db: &impl ConnectionTrait, name: &str) -> Result<Option<TeamId>, DbErr> {
    if name.is_empty() {
        return Ok(None);
    }
    loop {
        if let Some(team) = named(db, name).await? {
            return Ok(Some(team.id));
        }
        let row = team::ActiveModel {
            name: Set(name.to_owned()),
            code_name: Set(free_code_name(db, name).await?),
            comments: Set(String::new()),
            ..Default::default()
        };
        // Of two requests at the same moment, one gets this name or the code name; the other looks again.
        let once = OnConflict::new().do_nothing().to_owned();
        team::Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    }
}

/// Whether a column refers to this team, or to none.
pub fn is(column: impl ColumnTrait, team: Option<TeamId>) -> SimpleExpr {
    match team {
        Some(id) => column.eq(id),
        None => column.is_null(),
    }
}

/// The code name of a team for other systems: lower-case letters, digits and underscores.
pub fn code_name(name: &str) -> String {
    let code: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let code = code.trim_matches('_').chars().take(64).collect::<String>();
    if code.is_empty() { "team".into() } else { code }
}

/// A code name for a new team that no other team has.
async fn free_code_name(db: &impl ConnectionTrait, name: &str) -> Result<String, DbErr> {
    let preferred = code_name(name);
    let mut code = preferred.clone();
    let mut n = 2;
    while team::Entity::find().filter(team::Column::CodeName.eq(code.as_str())).one(db).await?.is_some() {
        code = format!("{preferred}_{n}");
        n += 1;
    }
    Ok(code)
}

/// The names of all teams at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamNames(BTreeMap<TeamId, String>);

impl TeamNames {
    /// Reads them.
    pub async fn load(db: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let teams = team::Entity::find().all(db).await?;
        Ok(Self(teams.into_iter().map(|team| (team.id, team.name)).collect()))
    }

    /// The name of a team; empty without one.
    pub fn of(&self, team: Option<TeamId>) -> &str {
        team.and_then(|id| self.0.get(&id)).map_or("", String::as_str)
    }

    /// The team with this name.
    pub fn named(&self, name: &str) -> Option<TeamId> {
        self.0.iter().find(|(_, own)| *own == name).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryOrder;

    use super::*;
    use crate::migrations;

    #[test]
    fn every_name_has_a_code_name() {
        let table = [("IT Support", "it_support"), ("Büro", "b_ro"), ("文", "team"), ("", "team"), ("-a-", "a")];
        for (name, code) in table {
            assert_eq!(code_name(name), code, "{name}");
        }
    }

    #[tokio::test]
    async fn a_team_is_created_once_with_a_code_name_of_its_own() {
        let db = migrations::in_memory().await;
        for (name, id) in [("", None), ("Büro", Some(1)), ("Bíro", Some(2)), ("Büro", Some(1)), ("b ro", Some(3))] {
            assert_eq!(named_or_new(&db, name).await.unwrap(), id, "{name}");
        }
        let rows = team::Entity::find().order_by_asc(team::Column::Id).all(&db).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|team| (team.name.as_str(), team.code_name.as_str())).collect();
        assert_eq!(rows, [("Büro", "b_ro"), ("Bíro", "b_ro_2"), ("b ro", "b_ro_3")]);
    }

    #[tokio::test]
    async fn a_team_has_one_name_and_no_team_an_empty_one() {
        let db = migrations::in_memory().await;
        let field = named_or_new(&db, "Field service").await.unwrap();
        let names = TeamNames::load(&db).await.unwrap();
        for (team, expected) in [(field, "Field service"), (None, ""), (Some(9), "")] {
            assert_eq!((names.of(team), name(&db, team).await.unwrap().as_str()), (expected, expected));
        }
        assert_eq!((names.named("Field service"), names.named("field service"), names.named("")), (field, None, None));
        assert!(exists(&db, "Field service").await.unwrap() && !exists(&db, "").await.unwrap());
    }
}
