//! Databases of earlier versions, and ways to look at a database.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};
use tempfile::TempDir;

/// The last version without numbered migrations, with rows in every table.
pub(crate) const BEFORE: &str = include_str!("../data/before.sql");
/// A much older version.
pub(crate) const OLDER: &str = include_str!("../data/older.sql");

/// Calls a macro with the module of every entity.
macro_rules! every_entity {
    ($each:ident) => {
        $each!(
            user,
            login,
            passkey,
            customer,
            incident,
            journal,
            session_row,
            event_row,
            seal_row,
            session_history,
            session_person,
            tombstone_row,
            admission,
            mail_row,
            received_mail,
            setting,
            message_template,
            expert,
            team,
            api_account,
            api_token,
            answered,
            receiver,
            delivery
        )
    };
}
pub(crate) use every_entity;

/// A data folder with a database made by this SQL.
pub(crate) async fn folder(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deskside.sqlite");
    let db = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    // As the versions before left it.
    db.execute_unprepared("PRAGMA journal_mode = WAL").await.unwrap();
    db.execute_unprepared(sql).await.unwrap();
    db.close().await.unwrap();
    (folder, path)
}

/// Every file of a folder, with what it holds.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A database as it is, without an upgrade.
pub(crate) async fn as_it_is(path: &Path) -> DatabaseConnection {
    Database::connect(format!("sqlite://{}", path.display())).await.unwrap()
}

pub(crate) async fn query(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}

/// The first column of each row.
pub(crate) async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    query(db, sql).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// The tables that hold what was stored, without those by which SQLite searches.
pub(crate) async fn tables(db: &DatabaseConnection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
               AND name NOT LIKE '%~_fts~_%' ESCAPE '~' AND name NOT LIKE 'words%' ORDER BY name";
    texts(db, sql).await
}

/// The names of a table's columns.
pub(crate) async fn columns(db: &DatabaseConnection, table: &str) -> Vec<String> {
    texts(db, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name")).await
}

/// These columns of every row, as SQL writes them.
pub(crate) async fn rows(db: &DatabaseConnection, table: &str, columns: &[String]) -> Vec<String> {
    let columns: Vec<_> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    quoted(db, table, &columns).await
}

/// The same of an upgraded database, as the version before numbered teams had them: by name.
pub(crate) async fn rows_with_names(db: &DatabaseConnection, table: &str, columns: &[String]) -> Vec<String> {
    let name = format!("coalesce((SELECT name FROM team AS named WHERE named.id = \"{table}\".team), '')");
    let column = |column: &String| if column == "team" { name.clone() } else { format!("\"{column}\"") };
    quoted(db, table, &columns.iter().map(column).collect::<Vec<_>>()).await
}

async fn quoted(db: &DatabaseConnection, table: &str, values: &[String]) -> Vec<String> {
    let quoted: Vec<_> = values.iter().map(|value| format!("quote({value})")).collect();
    texts(db, &format!("SELECT {} FROM \"{table}\" ORDER BY rowid", quoted.join(" || ',' || "))).await
}
