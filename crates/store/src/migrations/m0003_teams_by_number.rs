//! 3: rows and settings refer to teams by number in place of the name. Teams that were only named get a row.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};
use serde_json::Value as Json;

use super::Migration;
use crate::teams::code_name;

pub(super) const MIGRATION: Migration =
    Migration { number: 3, name: "teams by number", apply: |db| Box::pin(apply(db)) };

/// The tables whose rows refer to a team.
const TABLES: [&str; 4] = ["user", "incident", "past", "canned"];

/// The settings that refer to teams: the row, the field with a list of rules, and whether spaces around a name in a rule
/// mean nothing. Without a field, the setting itself has a team.
const SETTINGS: [(i32, Option<&str>, bool); 5] = [
    (1, Some("retention"), false),
    (2, Some("groups"), true),
    (3, Some("groups"), true),
    (4, Some("policies"), false),
    (5, None, false),
];

async fn apply(db: &DatabaseTransaction) -> Result<(), DbErr> {
    for table in TABLES {
        let named = format!("SELECT DISTINCT team FROM \"{table}\" WHERE team <> '' ORDER BY 1");
        for row in rows(db, &named, []).await? {
            number_of(db, &row.try_get::<String>("", "team")?).await?;
        }
        // The names go into another column first, so that the one with the numbers is made under its own name.
        db.execute_unprepared(&format!(
            "ALTER TABLE \"{table}\" RENAME COLUMN team TO team_name;
            ALTER TABLE \"{table}\" ADD COLUMN team integer REFERENCES team (id);
            UPDATE \"{table}\" SET team = (SELECT id FROM team WHERE name = team_name);
            ALTER TABLE \"{table}\" DROP COLUMN team_name;"
        ))
        .await?;
    }
    for (id, list, trimmed) in SETTINGS {
        number_setting(db, id, list, trimmed).await?;
    }
    Ok(())
}

/// Replaces the names of teams in a setting. One that has none stays byte for byte.
async fn number_setting(db: &DatabaseTransaction, id: i32, list: Option<&str>, trimmed: bool) -> Result<(), DbErr> {
    let found = rows(db, "SELECT body FROM setting WHERE id = ?", [id.into()]).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let mut body: Json = serde_json::from_str(&row.try_get::<String>("", "body")?)
        .map_err(|error| DbErr::Json(format!("setting {id}: {error}")))?;
    let mut rules: Vec<&mut Json> = match list {
        Some(list) => body.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten().collect(),
        None => vec![&mut body],
    };
    let mut changed = false;
    for team in rules.iter_mut().filter_map(|rule| rule.get_mut("team")) {
        let Some(name) = team.as_str() else { continue };
        let name = if trimmed { name.trim() } else { name };
        *team = match name {
            "" => Json::Null,
            name => number_of(db, name).await?.into(),
        };
        changed = true;
    }
    if changed {
        execute(db, "UPDATE setting SET body = ? WHERE id = ?", [body.to_string().into(), id.into()]).await?;
    }
    Ok(())
}

/// The number of the team with this name, which gets a row if it has none.
async fn number_of(db: &DatabaseTransaction, name: &str) -> Result<i32, DbErr> {
    let by_name = "SELECT id FROM team WHERE name = ?";
    if let Some(row) = rows(db, by_name, [name.into()]).await?.first() {
        return row.try_get("", "id");
    }
    let preferred = code_name(name);
    let mut code = preferred.clone();
    let mut n = 2;
    while !rows(db, "SELECT 1 FROM team WHERE code_name = ?", [code.as_str().into()]).await?.is_empty() {
        code = format!("{preferred}_{n}");
        n += 1;
    }
    let insert = "INSERT INTO team (name, code_name, comments) VALUES (?, ?, '')";
    execute(db, insert, [name.into(), code.into()]).await?;
    let row = rows(db, by_name, [name.into()]).await?;
    row.first().ok_or_else(|| DbErr::RecordNotFound(format!("team {name}")))?.try_get("", "id")
}

async fn rows<const N: usize>(
    db: &DatabaseTransaction,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await
}

async fn execute<const N: usize>(db: &DatabaseTransaction, sql: &str, values: [Value; N]) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use sea_orm::DatabaseConnection;
    use serde_json::json;

    use super::{
        super::{ALL, apply as migrate, begin},
        *,
    };

    /// A database of version 2 with two teams, rows of every table that refers to teams, and these settings.
    async fn version_two(settings: &[(i32, &str)]) -> (DatabaseConnection, DatabaseTransaction) {
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        let transaction = begin(&db).await.unwrap();
        migrate(&transaction, &ALL[..2]).await.unwrap();
        let sql = |sql: String| {
            let transaction = &transaction;
            async move { transaction.execute_unprepared(&sql).await.unwrap() }
        };
        sql("INSERT INTO team VALUES (3, 'Support', 'support', 'first line'), (5, 'IT', 'buro', '')".into()).await;
        for (id, team) in [(1, "Support"), (2, ""), (3, "Field"), (4, "Support")] {
            let columns = "login, name, email, administrator, disabled, password, may_watch, may_export, may_delete, \
                reach, role, external, totp, totp_step, recovery";
            let values = format!("'p{id}', '', '', 0, 0, '', 0, 0, 0, '', 0, '', '', 0, ''");
            sql(format!("INSERT INTO user (id, team, {columns}) VALUES ({id}, '{team}', {values})")).await;
        }
        for (id, team) in [(1, "IT"), (2, ""), (3, "Bürö")] {
            let columns =
                "customer, subject, description, status, priority, kind, desk, ticket, stamp, created, updated";
            sql(format!("INSERT INTO incident (id, team, {columns}) VALUES ({id}, '{team}', 1, '', '', '', '', '', '', '', '', 0, 0)")).await;
        }
        for (session, team) in [("a", "Gone"), ("b", "")] {
            let columns = "incident, number, subject, kind, customer, owner, owner_name, started, ended, ending, \
                joined, waited, handled, messages, files, transfers, holds, held, people_by_role";
            let values = "1, '', '', '', '', 1, '', 0, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 1";
            sql(format!("INSERT INTO past (session, team, {columns}) VALUES ('{session}', '{team}', {values})")).await;
        }
        sql("INSERT INTO canned VALUES (1, '', '', ''), (2, '', '', 'Field')".into()).await;
        for (id, body) in settings {
            execute(&transaction, "INSERT INTO setting VALUES (?, ?)", [(*id).into(), (*body).into()]).await.unwrap();
        }
        (db, transaction)
    }

    async fn texts(db: &impl ConnectionTrait, sql: &str) -> Vec<String> {
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    #[tokio::test]
    async fn rows_refer_to_the_team_that_they_named() {
        let (_db, transaction) = version_two(&[]).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        for (table, key, expected) in [
            ("user", "id", ["1 3", "2 -", "3 6", "4 3"].as_slice()),
            ("incident", "id", &["1 5", "2 -", "3 7"]),
            ("past", "session", &["a 8", "b -"]),
            ("canned", "id", &["1 -", "2 6"]),
        ] {
            let sql = format!("SELECT {key} || ' ' || coalesce(team, '-') FROM \"{table}\" ORDER BY 1");
            assert_eq!(texts(&transaction, &sql).await, expected, "{table}");
        }
        let teams = texts(&transaction, "SELECT id || ' ' || name || ' ' || code_name FROM team ORDER BY id").await;
        assert_eq!(teams, ["3 Support support", "5 IT buro", "6 Field field", "7 Bürö b_r", "8 Gone gone"]);
        assert_eq!(texts(&transaction, "SELECT comments FROM team WHERE id = 3").await, ["first line"]);
    }

    #[tokio::test]
    async fn a_new_team_gets_a_code_name_that_no_other_team_has() {
        let (_db, transaction) =
            version_two(&[(5, r#"{"team":"B%uro"}"#), (2, r#"{"groups":[{"team":"buro"}]}"#)]).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        let teams = texts(&transaction, "SELECT name || ' ' || code_name FROM team WHERE id > 8 ORDER BY id").await;
        assert_eq!(teams, ["buro buro_2", "B%uro b_uro"]);
    }

    #[tokio::test]
    async fn settings_refer_to_the_team_that_they_named() {
        let group = |team: &str| json!({ "group": "g", "team": team, "administrator": true, "role": 0 }).to_string();
        let groups = format!(r#"{{"enabled":true,"groups":[{},{}]}}"#, group(" Support "), group(" "));
        let settings = [
            (1, r#"{"retention":[{"team":"IT","kind":"","days":9},{"team":"","kind":"x","days":0}],"key_minutes":7}"#),
            (2, groups.as_str()),
            (3, groups.as_str()),
            (4, r#"{"roles":[],"policies":[{"name":"P","team":"New","kind":""},{"name":"Q","team":"","kind":""}]}"#),
            (5, r#"{"host":"mail","team":"Support"}"#),
        ];
        let (_db, transaction) = version_two(&settings).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        let stored = texts(&transaction, "SELECT body FROM setting ORDER BY id").await;
        let stored: Vec<Json> = stored.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let group = |team: Json| json!({ "group": "g", "team": team, "administrator": true, "role": 0 });
        let groups = json!({ "enabled": true, "groups": [group(3.into()), group(Json::Null)] });
        let retention = json!([{ "team": 5, "kind": "", "days": 9 }, { "team": null, "kind": "x", "days": 0 }]);
        let policies = json!([{ "name": "P", "team": 9, "kind": "" }, { "name": "Q", "team": null, "kind": "" }]);
        assert_eq!(
            stored,
            [
                json!({ "retention": retention, "key_minutes": 7 }),
                groups.clone(),
                groups,
                json!({ "roles": [], "policies": policies }),
                json!({ "host": "mail", "team": 3 }),
            ]
        );
        assert_eq!(texts(&transaction, "SELECT name FROM team WHERE id = 9").await, ["New"]);
    }

    #[tokio::test]
    async fn settings_without_teams_stay_as_they_are() {
        let settings = [(1, r#"{ "key_minutes" : 7 }"#), (4, r#"{"roles":[], "policies":[]}"#)];
        let (_db, transaction) = version_two(&settings).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        let stored = texts(&transaction, "SELECT body FROM setting ORDER BY id").await;
        assert_eq!(stored, settings.map(|(_, body)| body.to_owned()));
    }

    #[tokio::test]
    async fn a_team_that_rows_refer_to_is_not_removed() {
        let (db, transaction) = version_two(&[]).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        transaction.commit().await.unwrap();
        let remove = |id: i32| format!("DELETE FROM team WHERE id = {id}");
        for id in [3, 5, 6, 8] {
            assert!(db.execute_unprepared(&remove(id)).await.is_err(), "{id}");
        }
        db.execute_unprepared("UPDATE past SET team = NULL").await.unwrap();
        db.execute_unprepared(&remove(8)).await.unwrap();
    }

    /// The recipe of CONTRIBUTING.md for the table that rows refer to.
    #[tokio::test]
    async fn a_later_migration_builds_the_table_of_teams_anew() {
        let (db, transaction) = version_two(&[]).await;
        migrate(&transaction, &ALL[2..3]).await.unwrap();
        transaction.commit().await.unwrap();
        let teams = "SELECT u.id || ' ' || t.name FROM user u JOIN team t ON t.id = u.team ORDER BY u.id";
        let before = texts(&db, teams).await;
        let transaction = begin(&db).await.unwrap();
        let anew = "PRAGMA defer_foreign_keys = ON;
            CREATE TABLE copied AS SELECT * FROM team;
            DROP TABLE team;
            CREATE TABLE team (
                id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
                name varchar NOT NULL UNIQUE,
                code_name varchar NOT NULL UNIQUE,
                comments text NOT NULL
            );
            INSERT INTO team SELECT id, name, code_name, comments FROM copied;
            DROP TABLE copied;";
        transaction.execute_unprepared(anew).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(before, ["1 Support", "3 Field", "4 Support"]);
        assert_eq!(texts(&db, teams).await, before);
    }
}
